import ts = require("typescript");

import { parseCell } from "./parse-cell.js";

/** Whether a text holds JSX and would be without fault if that were compiled. */
export function isJsx(code: string): boolean {
  const file = parseCell(code, "cell.tsx");
  const holds = (node: ts.Node): boolean =>
    ts.isJsxElement(node) || ts.isJsxSelfClosingElement(node) || ts.isJsxFragment(node) || ts.forEachChild(node, holds) === true;
  return file.parseDiagnostics.length === 0 && holds(file);
}
