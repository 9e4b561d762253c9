import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { remembered } from "../../src/setup/remembered.js";
import { styled } from "./math-letters.js";

const FORMULA = /<math\b[\s\S]*?<\/math>/g;
/** Of the font's features those that browsers use in MathML: script sizes, dotless letters, flat accents. */
const FEATURES = ["ssty", "dtls", "flac"];
const SINGLE = /<mi(?: [^>]*)?>([^<&])<\/mi>/gu;

/** The characters that a page's formulas are drawn with: their text, and single letters in italics, as browsers set them. */
export function formulaCharacters(html: string): string {
  const characters = new Set<string>();
  for (const [formula] of html.matchAll(FORMULA)) {
    for (const [, letter] of formula.matchAll(SINGLE)) for (const form of styled(letter!, "italic")) characters.add(form);
    if (/<m(?:sqrt|root)\b/.test(formula)) characters.add("√"); // drawn by the element, in no text
    for (const character of decodeEntities(formula.replace(/<[^>]*>/g, ""))) characters.add(character);
  }
  return [...characters]
    .filter((character) => character.trim() !== "")
    .sort()
    .join("");
}

/** Names the programs that make a part of the font, in the cache: to be changed with `subset-font` or `woff.ts`. */
const MAKER = `subset-font 2.9.0, Brotli ${process.versions.brotli}, 1`;

/**
 * Style rules with the part of STIX Two Math that a page needs, so that formulas look the same everywhere, stretched brackets and roots
 * included. About 10 kB; nothing for a page without formulas. Made once for the same characters, see `remembered`.
 */
export async function mathFontCSS(html: string): Promise<string> {
  const characters = formulaCharacters(html);
  if (!characters) return "";
  const font = await fontPart(characters);
  return `@font-face{font-family:"Report Math";src:url(data:font/woff2;base64,${Buffer.from(font).toString("base64")}) format("woff2")}math{font-family:"Report Math","STIX Two Math","Cambria Math",math}`;
}

async function fontPart(characters: string): Promise<Uint8Array> {
  const whole = readFileSync(createRequire(import.meta.url).resolve("@fontsource/stix-two-math/files/stix-two-math-latin-400-normal.woff"));
  return remembered("fonts", [MAKER, FEATURES.join(), whole, characters], async () => {
    const [{ default: subset }, { fromWOFF, toWOFF2 }] = await Promise.all([import("subset-font"), import("./woff.js")]);
    return toWOFF2(await subset(fromWOFF(whole), characters, { targetFormat: "sfnt", keepFeatures: FEATURES, noHinting: true }));
  });
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: "\u00a0" };

const decodeEntities = (text: string) =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(amp|lt|gt|quot|nbsp));/gi, (_, hex?: string, decimal?: string, name?: string) =>
    name ? ENTITIES[name.toLowerCase()]! : String.fromCodePoint(Math.min(0x10ffff, hex ? Number.parseInt(hex, 16) : Number(decimal))),
  );
