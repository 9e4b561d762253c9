import katex from "katex";
import { escapeHTML } from "./escape.js";
import { moveStylesIntoText } from "./math-letters.js";

/**
 * TeX as MathML, which browsers draw and screen readers read: no styles and no scripts to ship.
 * What KaTeX cannot read stays as its source, marked.
 */
export function mathML(tex: string, display: boolean): string {
  try {
    const html = katex.renderToString(tex, {
      displayMode: display,
      output: "mathml",
      throwOnError: true,
      strict: false,
      trust: false,
      maxExpand: 500,
      maxSize: 20,
    });
    const bare = html
      .replace(/^<span class="katex">|<\/span>$/g, "")
      .replace(/<annotation[^>]*>[\s\S]*?<\/annotation>/g, "")
      .replace(/<semantics>|<\/semantics>/g, "");
    return moveStylesIntoText(bare);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^KaTeX parse error: /, "") : String(error);
    return `<code title="${escapeHTML(reason)}">${escapeHTML(display ? `$$${tex}$$` : `$${tex}$`)}</code>`;
  }
}
