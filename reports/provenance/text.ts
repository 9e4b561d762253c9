/** A line of two texts that differ, or two numbers in it. */
export interface TextDifference {
  /** Of the reported text, from 1 up, of the found one where that has more lines; 0 in texts of one line. */
  line: number;
  reported: string | undefined;
  found: string | undefined;
}

/** A bar, at its beginning that of tqdm, or HTML's. A single block may be of a sparkline, and "76%|" of a table. */
const BAR = /[█▉▊▋▌▍▎▏░▒▓]{3}|\d%\|[█▉▊▋▌▍▎▏#]*\d? *\||<progress[\s>]/;

/** Whether a text is a progress bar and nothing more. */
export const isProgress = (text: string): boolean =>
  text
    .trim()
    .split("\n")
    .every((line) => BAR.test(line));

/** At most 40 digits on each side: what is longer is text. */
const NUMBER = /(?<![\w.])[-−+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:e[-−+]?\d{1,3})?(?!\w)/gi;

/** What a clock or a place decides, in the order in which it is looked for. */
const VOLATILE: readonly [RegExp, string][] = [
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?/g, "<moment>"],
  [/(?<![\w/.~])(?:file:\/\/|~|\.{1,2})?(?:\/[^\s/"'`<>|:;,()[\]{}]+){2,}/g, "<path>"],
  [/\b[A-Z]:\\[^\s"'<>|]+/g, "<path>"],
  [/\b\d+h\d+m\b|\b\d+m\d+s\b|\b\d+:\d\d:\d\d\b/g, "<time>"],
  [/(?<![\w.,])\d[\d.,]{0,20}\s?[A-Za-z]{1,20}\/s\b/g, "<rate>"],
  [/(?<![\w.])\d{1,20}\s?(?:h|hours?|min|mins|minutes?)\s\d{1,20}\s?(?:min|mins|minutes?|s|secs?|seconds?)\b/g, "<time>"],
  [/(?<![\w.])\d{1,20}(?:\.\d{1,20})?\s?(?:ns|µs|us|ms|s|secs?|seconds?|min|mins|minutes?|h|hours?)\b(?![ =:]{1,3}[-−+.\d])/g, "<time>"], // "mean 0.76 min 0.70" has none
];

/**
 * Compares two texts line by line, and within a line word by word, with numbers as numbers. Progress bars, durations, rates a second,
 * moments and paths are left out.
 */
export function compareText(a: string, b: string, agree: (a: number, b: number) => boolean): TextDifference[] {
  const [before, after] = [lines(a), lines(b)];
  const several = Math.max(before.length, after.length) > 1;
  return Array.from({ length: Math.max(before.length, after.length) }, (_, i): TextDifference[] => {
    const [x, y] = [before[i]?.text, after[i]?.text];
    const line = several ? (before[i] ?? after[i])!.line : 0;
    if (x === undefined || y === undefined) return [{ line, reported: x, found: y }];
    if (x.replace(NUMBER, "<number>") !== y.replace(NUMBER, "<number>")) return [{ line, reported: x, found: y }];
    const [numbers, others] = [x.match(NUMBER) ?? [], y.match(NUMBER) ?? []];
    return numbers.flatMap((number, k) =>
      agree(toNumber(number), toNumber(others[k]!)) ? [] : [{ line, reported: number, found: others[k] }],
    );
  }).flat();
}

const toNumber = (written: string) => Number(written.replaceAll("−", "-"));

/** Lines without progress bars, and where they stand in the text, from 1 up. */
const lines = (text: string): { text: string; line: number }[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line, i) => ({ text: line.trimEnd(), line: i + 1 }))
    .filter(({ text }) => !BAR.test(text))
    .map(({ text, line }) => ({ text: VOLATILE.reduce((masked, [pattern, name]) => masked.replace(pattern, name), text), line }));
