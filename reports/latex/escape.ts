import { textCharacter } from "./characters.js";

/** Stands for a possible line break while text is escaped: a control character, which text is freed of before. */
const BREAK = "\u0001";

/** Words of text that are longer may break within: no hyphenation knows digests and addresses. */
const LONG_WORD = 32;

/**
 * Text as LaTeX that prints it and does nothing else. Brackets are braced, so that they are never taken for an optional argument; runs of
 * space become one.
 */
export function escapeTeX(text: string): string {
  const plain = text.replace(/\s+/g, " ");
  return escapeCharacters(withBreaks(plain, breakPlaces(plain, LONG_WORD))).replaceAll(BREAK, "\\allowbreak{}");
}

/** Where a line of text may end inside of its words of at least `long` characters: after punctuation, and after every eight letters. */
export function breakPlaces(line: string, long = 25): ReadonlySet<number> {
  const places = new Set<number>();
  for (const { 0: word, index } of line.matchAll(new RegExp(`\\S{${long},}`, "g"))) {
    for (const part of word.matchAll(/[/_.,:;=(){}[\]&?#$%@+*|-]|\w{8}(?=\w)/g)) places.add(index + part.index + part[0].length);
    places.delete(index + word.length);
  }
  return places;
}

/**
 * Code for typewriter type; `keepSpaces` is to be called on a whole line of it.
 * @param places where it may break
 */
export const escapeCode = (text: string, places = breakPlaces(text)): string =>
  escapeCharacters(withBreaks(text, places)).replaceAll("'", "\\textquotesingle{}").replaceAll(BREAK, "\\codebreak{}");

/** A line of escaped code whose spaces keep their width. */
export const keepSpaces = (line: string): string => line.replace(/^ +/, (indent) => "~".repeat(indent.length)).replace(/ (?= )| $/g, "\\ ");

function withBreaks(text: string, places: ReadonlySet<number>): string {
  const clean = text.replaceAll(BREAK, "\ufffd");
  return places.size ? clean.replace(/[\s\S]/g, (unit, at: number) => (places.has(at) ? BREAK + unit : unit)) : clean;
}

const COMMANDS: Record<string, string> = {
  "\\": "\\textbackslash{}",
  "^": "\\textasciicircum{}",
  "~": "\\textasciitilde{}",
  "`": "\\textasciigrave{}",
  '"': "\\textquotedbl{}",
  "[": "{[}",
  "]": "{]}",
};

/** Pairs that fonts would join: `--` to a dash, `<<` to a quotation mark. */
const LIGATURES = "-<>,'";

function escapeCharacters(text: string): string {
  let result = "";
  let before = "";
  for (const character of text.normalize("NFC")) {
    if (character === before && LIGATURES.includes(character)) result += "{}";
    if (character === BREAK) result += BREAK;
    else if (/[{}$&%#_]/.test(character)) result += `\\${character}`;
    else result += COMMANDS[character] ?? textCharacter(character);
    before = character;
  }
  return result;
}
