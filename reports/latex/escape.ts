import { textCharacter } from "./characters.js";

/** Stands for a possible line break while text is escaped: a control character, which text is freed of before. */
const BREAK = "\u0001";

/** Longer words of text may break anywhere: no hyphenation knows digests and addresses. */
const LONG_WORD = 32;

/** Longer words of code may break after punctuation, and after as many letters. */
const LONG_CODE = 16;

/**
 * Text as LaTeX that prints it and does nothing else. Brackets are braced, so that they are never taken for an optional argument; runs of
 * space become one.
 */
export const escapeTeX = (text: string): string =>
  escapeCharacters(withBreaks(text.replace(/\s+/g, " "), LONG_WORD, /[/_.,:;=&?-](?=\w)|\w{16}(?=\w)/g)).replaceAll(
    BREAK,
    "\\allowbreak{}",
  );

/** A piece of a line of code for typewriter type; `keepSpaces` is to be called on the whole line. */
export const escapeCode = (text: string): string =>
  escapeCharacters(withBreaks(text.replaceAll("\t", "    "), LONG_CODE, /[/_.,:;=(){}[\]&?-](?=\w)|\w{16}(?=\w)/g))
    .replaceAll("'", "\\textquotesingle{}")
    .replaceAll(BREAK, "\\allowbreak{}");

/** A line of escaped code whose spaces keep their width; the last one of several may break. */
export const keepSpaces = (line: string): string => line.replace(/^ +/, (indent) => "~".repeat(indent.length)).replace(/ (?= )| $/g, "~");

const withBreaks = (text: string, long: number, place: RegExp): string =>
  text
    .replaceAll(BREAK, "\ufffd")
    .split(" ")
    .map((word) => (word.length <= long ? word : word.replace(place, (part) => part + BREAK)))
    .join(" ");

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
