import type { Displayable } from "../frontend/index.js";
import { DISPLAY } from "../frontend/shown.js";
import { wrapped } from "../frontend/wrapped.js";
import { placeTokens, shades, type TokenStrip } from "./specs/token-strip.js";

/** A turn as it is shown: `LookedTurn` is one. */
export interface ViewedTurn extends TokenStrip {
  heading: string;
  /** The thought in a line; null where there is none. */
  thought: string | null;
  /** How many of the tokens are the thought's: they are folded. */
  thoughtTokens: number;
  /** What each token says when it is pointed at. */
  titles: readonly string[];
}

/** A question and the turns that answered it: `Look` is one. */
export interface View {
  question: string;
  reference: string;
  turns: readonly ViewedTurn[];
}

/**
 * Turns beside each other, thoughts folded, each token shaded by its number, with more of it where the pointer stands. In a notebook it is HTML; in a report, which keeps no colours of a
 * cell's HTML, a picture of the same tokens.
 *
 *     viewer(await look([base, trained], "How do I kill a process?", { reference: base }))
 *
 * @throws RangeError when a turn has not as many values or titles as tokens, or a value is not finite
 */
export function viewer(view: View): Displayable & { html: string; svg: string } {
  for (const { name, tokens, titles } of view.turns)
    if (titles.length !== tokens.length) throw new RangeError(`viewer: "${name}" has ${tokens.length} tokens, ${titles.length} titles`);
  const most = Math.max(1, ...view.turns.flatMap(({ values }) => values.map(Math.abs))); // nats
  const [html, svg] = [viewHTML(view, most), viewSVG(view, most)];
  const text = [
    view.question,
    ...view.turns.flatMap(({ name, heading, thought, tokens, thoughtTokens }) => [
      `[${name}] ${heading}`,
      ...(thought === null ? [] : [thought]),
      tokens.slice(thoughtTokens).join("").trim(),
    ]),
  ].join("\n");
  const names = view.turns.map(({ name }) => name).join(" and ");
  const alt = `The tokens of ${names}, each shaded by how much likelier it is than under ${view.reference}.`;
  const data = { "text/html": html, "image/svg+xml": svg, "text/plain": text };
  return { html, svg, [DISPLAY]: () => ({ data, metadata: { alt } }) };
}

function viewHTML({ question, reference, turns }: View, most: number): string {
  const token = ({ tokens, values, titles }: ViewedTurn, i: number) =>
    `<span title="${escaped(titles[i]!)}" style="background:${shade(values[i]!, most)};color:${shades.letters};border-radius:2px">${escaped(tokens[i]!)}</span>`;
  const run = (turn: ViewedTurn, from: number, to: number) =>
    `<div style="white-space:pre-wrap;font-family:monospace;line-height:1.6">${turn.tokens
      .slice(from, to)
      .map((_, i) => token(turn, from + i))
      .join("")}</div>`;
  const column = (turn: ViewedTurn) =>
    [
      `<div style="flex:1 1 20em;min-width:0"><div><b>${escaped(turn.name)}</b> ${escaped(turn.heading)}</div>`,
      turn.thought === null ? "" : `<details><summary>${escaped(turn.thought)}</summary>${run(turn, 0, turn.thoughtTokens)}</details>`,
      `${run(turn, turn.thoughtTokens, turn.tokens.length)}</div>`,
    ].join("");
  return [
    `<div><p>${escaped(question)}</p><div style="display:flex;flex-wrap:wrap;gap:1em">${turns.map(column).join("")}</div>`,
    `<p><small>${legend(reference)}</small></p></div>`,
  ].join("");
}

const legend = (reference: string): string =>
  `Blue: likelier under the policy than under ${escaped(reference)}; orange: less likely. Point at a token for its probability and for what else might have stood there.`;

/** Of a letter and a line, in pixels. */
const letter = { width: 7.25, height: 19, size: 12 };

function viewSVG({ question, turns }: View, most: number): string {
  const parts: string[] = [];
  let top = 0;
  const line = (words: string, weight = "normal") => {
    for (const text of wrapped(words.trim().replace(/\s+/g, " "), PROSE)) {
      parts.push(
        `<text x="0" y="${top + 14}" font-family="sans-serif" font-size="12" font-weight="${weight}" fill="${shades.letters}">${escaped(text)}</text>`,
      );
      top += letter.height;
    }
  };
  line(question, "bold");
  for (const turn of turns) {
    top += 6;
    line(`${turn.name}: ${turn.heading}`, "bold");
    if (turn.thought !== null) line(turn.thought);
    const placed = placeTokens(turn);
    for (const [i, { line: row, from, to, text, value }] of placed.entries()) {
      const [x, y] = [from * letter.width, top + row * letter.height];
      const begins = from + (text.length - text.trimStart().length);
      parts.push(
        `<g><title>${escaped(turn.titles[i]!)}</title><rect x="${round(x)}" y="${y}" width="${round((to - from) * letter.width - 1)}" height="${letter.height - 2}" fill="${shade(value, most)}"/>`,
        `<text x="${round(begins * letter.width + 1)}" y="${y + 13}" font-family="monospace" font-size="${letter.size}" fill="${shades.letters}">${escaped(text.trim())}</text></g>`,
      );
    }
    top += (1 + Math.max(0, ...placed.map(({ line: row }) => row))) * letter.height;
  }
  const width = 48 * letter.width;
  const paper = `<rect width="${width}" height="${top}" fill="#ffffff"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}">${paper}${parts.join("")}</svg>`;
}

/** From the shade of 0 to that of what is likelier or less likely, by how far it is. */
function shade(value: number, most: number): string {
  const channels = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  const [zero, full] = [channels(shades.zero), channels(value < 0 ? shades.below : shades.above)];
  const share = Math.min(1, Math.abs(value) / most);
  return `#${zero
    .map((from, i) =>
      Math.round(from + share * (full[i]! - from))
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}

const round = (x: number): string => x.toFixed(1);

/** Characters of a line of prose that are no wider than the picture. */
const PROSE = 50;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
