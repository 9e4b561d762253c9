import { katexMathML } from "../document/katex.js";
import { escapeHTML } from "./escape.js";
import { moveStylesIntoText } from "./math-letters.js";

/**
 * TeX as MathML, which browsers draw and screen readers read: no styles and no scripts to ship.
 * What KaTeX cannot read stays as its source, marked.
 */
export function mathML(tex: string, display: boolean): string {
  try {
    const html = katexMathML(tex, display);
    const bare = html
      .replace(/^<span class="katex">|<\/span>$/g, "")
      .replace(/<annotation[^>]*>[\s\S]*?<\/annotation>/g, "")
      .replace(/<semantics>|<\/semantics>/g, "")
      .replace(' xmlns="http://www.w3.org/1998/Math/MathML"', ""); // HTML knows MathML by its name
    return moveStylesIntoText(spaceFunctions(joinUpright(bare)));
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^KaTeX parse error: /, "") : String(error);
    return `<code title="${escapeHTML(reason)}">${escapeHTML(display ? `$$${tex}$$` : `$${tex}$`)}</code>`;
  }
}

/** A display formula as MathML: statements that `\qquad` sets apart have an element each, so that a narrow page puts them below each other. */
export function displayMath(tex: string): string {
  const statements = tex.split("\\qquad");
  return (statements.every(isWhole) ? statements : [tex]).map((statement) => mathML(statement, true)).join("\n");
}

/** Whether a piece of TeX opens and closes its own groups. */
const isWhole = (tex: string): boolean =>
  [
    [/(?<!\\)\{/g, /(?<!\\)\}/g],
    [/\\begin\b/g, /\\end\b/g],
    [/\\left\b/g, /\\right\b/g],
  ].every(([open, close]) => tex.split(open!).length === tex.split(close!).length);

/** A word in upright letters, as by `\\mathrm{ref}`: one identifier, as it is read, and not one a letter. */
const joinUpright = (mathML: string): string =>
  mathML.replace(/(?:<mi mathvariant="normal">[a-zA-Z]<\/mi>){2,}/g, (word) => `<mi>${word.replace(/<[^>]*>/g, "")}</mi>`);

const APPLY = "\u2061";
const BEFORE_FUNCTION = new RegExp(`(</(?:mi|mn|msub|msup|msubsup|mrow|mfrac)>)(?=<mi>[a-zA-Z]{2,}</mi><mo>${APPLY}</mo>)`, "g");
const AFTER_FUNCTION = new RegExp(`<mo>${APPLY}</mo>(?!<mo|<mrow><mo)`, "g");
const THIN = '<mspace width="0.1667em"></mspace>';

/** TeX's thin spaces around `log`, `exp` and the like, which KaTeX's MathML leaves out. */
const spaceFunctions = (mathML: string): string =>
  mathML.replace(BEFORE_FUNCTION, `$1${THIN}`).replace(AFTER_FUNCTION, `<mo>${APPLY}</mo>${THIN}`);
