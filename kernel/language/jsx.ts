import ts = require("typescript");

/** Whether a text holds JSX and would be without fault if that were compiled. */
export function isJsx(code: string): boolean {
  const file = ts.createSourceFile("cell.tsx", code, ts.ScriptTarget.ES2022) as ts.SourceFile & {
    parseDiagnostics: readonly ts.Diagnostic[];
  };
  const holds = (node: ts.Node): boolean =>
    ts.isJsxElement(node) || ts.isJsxSelfClosingElement(node) || ts.isJsxFragment(node) || ts.forEachChild(node, holds) === true;
  return file.parseDiagnostics.length === 0 && holds(file);
}
