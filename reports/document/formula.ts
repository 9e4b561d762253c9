const FORMULA =
  /^\s*(?:\$\$?|\\\[|\\begin\{(?:equation|displaymath)\*?\})([\s\S]*?)(?:\$\$?|\\\]|\\end\{(?:equation|displaymath)\*?\})\s*$/;

/** The formula that a cell's LaTeX is; undefined where it is something else. */
export const formulaOf = (latex: string): string | undefined => FORMULA.exec(latex)?.[1]?.trim();
