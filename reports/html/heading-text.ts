import type { Token } from "marked";
import { plainText } from "../document/markdown.js";
import type { MathToken } from "../document/model.js";
import { escapeHTML } from "./escape.js";
import { mathML } from "./math.js";

/** A title or heading for a place outside of the text, such as the contents: without marks and links, its formulas drawn. */
export const headingText = (tokens: readonly Token[]): string =>
  tokens
    .map((token) => {
      if (token.type === "math" || token.type === "mathBlock") return mathML((token as unknown as MathToken).tex, false);
      return "tokens" in token && token.tokens ? headingText(token.tokens) : escapeHTML(plainText([token]));
    })
    .join("")
    .trim();
