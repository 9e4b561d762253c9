/**
 * Letters in mathematical styles as the characters that Unicode has for them: MathML Core knows no `mathvariant` but `normal`, so styles
 * have to be in the text. First code points of the ranges, and the letters that had a place before the ranges were made.
 */
interface Range {
  upper: number;
  lower: number;
  digit?: number;
  greekUpper?: number;
  greekLower?: number;
  exceptions?: Record<string, string>;
}

const range = (upper: number, rest: Partial<Range> = {}): Range => ({ upper, lower: upper + 26, ...rest });

const RANGES: Record<string, Range> = {
  bold: range(0x1d400, { digit: 0x1d7ce, greekUpper: 0x1d6a8, greekLower: 0x1d6c2 }),
  italic: range(0x1d434, { greekUpper: 0x1d6e2, greekLower: 0x1d6fc, exceptions: { h: "ℎ" } }),
  "bold-italic": range(0x1d468, { digit: 0x1d7ce, greekUpper: 0x1d71c, greekLower: 0x1d736 }),
  script: range(0x1d49c, { exceptions: { B: "ℬ", E: "ℰ", F: "ℱ", H: "ℋ", I: "ℐ", L: "ℒ", M: "ℳ", R: "ℛ", e: "ℯ", g: "ℊ", o: "ℴ" } }),
  "bold-script": range(0x1d4d0),
  fraktur: range(0x1d504, { exceptions: { C: "ℭ", H: "ℌ", I: "ℑ", R: "ℜ", Z: "ℨ" } }),
  "bold-fraktur": range(0x1d56c),
  "double-struck": range(0x1d538, { digit: 0x1d7d8, exceptions: { C: "ℂ", H: "ℍ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ" } }),
  "sans-serif": range(0x1d5a0, { digit: 0x1d7e2 }),
  "bold-sans-serif": range(0x1d5d4, { digit: 0x1d7ec }),
  "sans-serif-italic": range(0x1d608),
  "sans-serif-bold-italic": range(0x1d63c),
  monospace: range(0x1d670, { digit: 0x1d7f6 }),
};

/** `text` in a style; characters that have no such form stay as they are. */
export function styled(text: string, variant: string): string {
  const found = RANGES[variant];
  return found ? [...text].map((character) => letter(character, found)).join("") : text;
}

function letter(character: string, { upper, lower, digit, greekUpper, greekLower, exceptions }: Range): string {
  const exception = exceptions?.[character];
  if (exception) return exception;
  const code = character.codePointAt(0)!;
  const shifted = (first: number, last: number, to: number | undefined) =>
    to !== undefined && code >= first && code <= last ? String.fromCodePoint(to + code - first) : undefined;
  return (
    shifted(0x41, 0x5a, upper) ??
    shifted(0x61, 0x7a, lower) ??
    shifted(0x30, 0x39, digit) ??
    shifted(0x391, 0x3a9, greekUpper) ??
    shifted(0x3b1, 0x3c9, greekLower) ??
    character
  );
}

const STYLED = /<(mi|mn|mo|mtext|ms)((?:\s[a-z]+="[^"]*")*?)\s+mathvariant="([a-z-]+)"((?:\s[a-z]+="[^"]*")*)>([^<&]*)</g;

/** Moves styles from the attributes of MathML into its text. */
export function moveStylesIntoText(mathML: string): string {
  return mathML.replace(STYLED, (whole, tag: string, before: string, variant: string, after: string, text: string) => {
    if (variant === "normal") return whole;
    const keepUpright = tag === "mi" && [...text].length === 1 && styled(text, variant) === text ? ' mathvariant="normal"' : "";
    return `<${tag}${before}${keepUpright}${after}>${styled(text, variant)}<`;
  });
}
