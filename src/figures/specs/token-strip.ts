import type { VegaLiteSpec } from "../spec.js";

/** A text as its tokens, with a number for each. */
export interface TokenStrip {
  /** What stands above it. */
  name: string;
  tokens: readonly string[];
  /** As many as tokens. */
  values: readonly number[];
}

/** A token in its place: line, and its first and last character in it. */
export interface PlacedToken {
  line: number;
  from: number;
  to: number;
  text: string;
  value: number;
}

/** Characters of a line: 46 fit a phone. */
const columns = 46;
/** Of a monospaced letter and a line, in pixels. */
const letter = { width: 7.25, height: 19, size: 12 };
/** Light ones in which dark letters can be read on any page: below 0, at 0, above. */
export const shades = { below: "#f0a37c", zero: "#f3f4f6", above: "#7fb6dd", letters: "#1b1f24" };

/**
 * Puts tokens into lines; a token that does not fit begins the next one, and so does what follows a line break. One that is longer than a line stands alone.
 * @throws RangeError when there are not as many values as tokens, or a value is not finite
 */
export function placeTokens({ name, tokens, values }: TokenStrip): PlacedToken[] {
  if (tokens.length !== values.length) throw new RangeError(`token strip "${name}": ${tokens.length} tokens, ${values.length} values`);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw new RangeError(`token strip "${name}": value ${wrong} is ${values[wrong]}, which has no shade`);
  let [line, at] = [0, 0];
  return tokens.map((token, i) => {
    const text = token.replaceAll("\n", "\u21b5");
    if (at > 0 && at + text.length > columns) [line, at] = [line + 1, 0];
    const placed = { line, from: at, to: at + Math.max(1, text.length), text, value: values[i]! };
    at = placed.to;
    if (token.endsWith("\n")) [line, at] = [line + 1, 0];
    return placed;
  });
}

/**
 * Texts token by token, each shaded by its number: the weight that it has in a loss, or how much likelier it is under one policy than under another. Where a number is negative
 * the shades part at 0, and reach as far on both sides.
 *
 * @param strips one below the other
 * @param options.title what the numbers are
 * @throws RangeError when a strip has not as many values as tokens, or a value is not finite
 */
export function tokenStrips(strips: readonly TokenStrip[], options: { title: string }): VegaLiteSpec {
  const all = strips.flatMap(({ values }) => values);
  const most = Math.max(1e-6, ...all.map(Math.abs));
  const signed = all.some((value) => value < 0);
  const color = {
    field: "value",
    type: "quantitative",
    title: options.title,
    scale: signed
      ? { domain: [-most, 0, most], range: [shades.below, shades.zero, shades.above], interpolate: "rgb" }
      : { domain: [0, most], range: [shades.zero, shades.above], interpolate: "rgb" },
    legend: { gradientLength: 160 },
  };
  const pixels = (field: string) => ({
    field,
    type: "quantitative",
    axis: null,
    scale: { domain: [0, columns], range: [0, columns * letter.width] },
  });
  const panel = (strip: TokenStrip) => {
    const placed = placeTokens(strip).map((token) => ({
      ...token,
      next: token.line + 0.9,
      begins: token.from + (token.text.length - token.text.trimStart().length),
      shown: token.text.trim(),
    }));
    const lines = 1 + Math.max(0, ...placed.map(({ line }) => line));
    const y = (field: string) => ({ field, type: "quantitative", axis: null, scale: { domain: [0, lines], reverse: true, nice: false } });
    return {
      title: strip.name,
      width: columns * letter.width,
      height: lines * letter.height,
      data: { values: placed },
      layer: [
        {
          mark: { type: "rect", stroke: "white", strokeWidth: 1 },
          encoding: { x: pixels("from"), x2: { field: "to" }, y: y("line"), y2: { field: "next" }, color },
        },
        {
          mark: {
            type: "text",
            align: "left",
            baseline: "middle",
            font: "monospace",
            fontSize: letter.size,
            dx: 1,
            dy: letter.height * 0.45,
            color: shades.letters,
          },
          encoding: { x: pixels("begins"), y: y("line"), text: { field: "shown", type: "nominal" } },
        },
      ],
    };
  };
  return { vconcat: strips.map(panel), spacing: 14, config: { title: { fontSize: 12 } } };
}
