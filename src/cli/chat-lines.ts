import { printable } from "../data/printable.js";
import { redactText } from "../data/redact.js";
import { foldedThought, objects, redactedWords, type Turn } from "../evaluation/turn.js";
import { refuses } from "../exante/judge.js";
import { wrapped } from "../frontend/wrapped.js";

/** How turns are shown. */
export interface Shown {
  /** Whole thoughts; else a line of each. */
  thoughts: boolean;
  /** Of a request that one of the policies takes for harmful, answers that help with it are cut to their first words. */
  redact: boolean;
  /** Characters of a line. */
  width: number;
}

/** The narrowest terminal on which two policies stand side by side, and the space between them. */
const sideBySide = { width: 100, gap: 3 };

/** The policies' turns as lines: two of them side by side where the terminal is wide enough, else one below the other. */
export function turnLines(turns: ReadonlyMap<string, Turn>, shown: Shown): string[] {
  const harmful = [...turns.values()].some(objects);
  const block = (width: number) =>
    [...turns].map(([name, turn]) =>
      [heading(name, turn), ...thoughtLines(turn, shown.thoughts), ...answerLines(turn, harmful && shown.redact)].flatMap((line) =>
        wrapped(line, width),
      ),
    );
  const { width, gap } = sideBySide;
  if (turns.size !== 2 || shown.width < width) return block(shown.width).flatMap((lines) => ["", ...lines]);
  const half = Math.floor((shown.width - gap) / 2);
  const [left, right] = block(half) as [string[], string[]];
  return [
    "",
    ...Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
      `${(left[i] ?? "").padEnd(half + gap)}${right[i] ?? ""}`.trimEnd(),
    ),
  ];
}

function heading(name: string, { tokens, thoughtTokens, seconds }: Turn): string {
  const thought = thoughtTokens > 0 ? `, ${thoughtTokens} of them thought` : "";
  return `[${name}] ${tokens} tokens${thought}, ${(tokens / seconds).toFixed(0)} per second`;
}

function thoughtLines(turn: Turn, whole: boolean): string[] {
  const { completion, trace, thoughtTokens } = turn;
  const folded = foldedThought(turn);
  if (folded === null) return [];
  if (!trace) return [`${folded}${whole ? `: ${printable(completion)}` : ""}`];
  return whole && thoughtTokens > 0 ? [folded, ...trace.thought.split(/(?<=<\/(?:assess|verify|calibrate)>)/).map(printable)] : [folded];
}

function answerLines({ answer, cut }: Turn, redacted: boolean): string[] {
  if (answer === "") return ["(it came to no answer)"];
  if (!redacted || refuses(answer))
    return [...answer.split("\n").map(printable), ...(cut ? ["(cut here: --answer-tokens says where)"] : [])];
  return [`${printable(redactText(answer, redactedWords))} (/show shows it)`];
}
