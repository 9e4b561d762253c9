import ts = require("typescript");

/** A cell's syntax tree, with parents. */
export interface ParsedCell extends ts.SourceFile {
  /** What the parser found. */
  readonly parseDiagnostics: readonly ts.DiagnosticWithLocation[];
}

/** Reads a cell as a module: `await` waits, and is no name, also where the cell imports and exports nothing. */
export function parseCell(code: string, file = "cell.ts"): ParsedCell {
  const setExternalModuleIndicator = (parsed: ts.SourceFile) => Object.assign(parsed, { externalModuleIndicator: true });
  return ts.createSourceFile(file, code, { languageVersion: ts.ScriptTarget.ES2022, setExternalModuleIndicator }, true) as ParsedCell;
}
