import katex from "katex";
import { escapeHTML } from "./escape.js";

/**
 * TeX as MathML, which browsers draw and screen readers read: no fonts, no styles, no scripts to ship.
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
    return html
      .replace(/^<span class="katex">|<\/span>$/g, "")
      .replace(/<annotation[^>]*>[^]*?<\/annotation>/g, "")
      .replace(/<semantics>|<\/semantics>/g, "");
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^KaTeX parse error: /, "") : String(error);
    return `<code title="${escapeHTML(reason)}">${escapeHTML(display ? `$$${tex}$$` : `$${tex}$`)}</code>`;
  }
}
