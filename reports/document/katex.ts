import katex from "katex";

/**
 * A formula as KaTeX's MathML, under the limits that a stranger's formula has.
 * @throws katex.ParseError where KaTeX refuses it
 */
export const katexMathML = (tex: string, display: boolean): string =>
  katex.renderToString(tex, {
    displayMode: display,
    output: "mathml",
    throwOnError: true,
    strict: false,
    trust: false,
    maxExpand: 500,
    maxSize: 20,
  });
