import { relative } from "node:path";

import ts = require("typescript");

/** A fault in a cell's text. Lines and columns count from 1. */
export interface Diagnostic {
  line: number;
  column: number;
  code: number;
  message: string;
  syntactic: boolean;
}

/** An earlier cell that no longer fits, or a file of the reader's with faults. */
export interface Outdated {
  label: string;
  code: string;
  faults: Diagnostic[];
}

/** "... implicitly has an 'any' type" is no fault here: a cell may leave a parameter or a package without types. */
const isTolerated = (code: number) => code >= 7005 && code <= 7060;

/** Types as the reader knows them, without the paths of the files that cells are kept in. */
export function readable(text: string): string {
  return text.replace(/import\("[^"]*In\[\d*\]"\)\./g, "").replace(/typeof import\("[^"]*In\[\d*\]"\)/g, "typeof cell");
}

/** The faults that count, at their places in the reader's text. */
export function located(
  found: readonly ts.Diagnostic[],
  parsed: ts.SourceFile,
  syntactic: boolean,
  hint: (fault: ts.Diagnostic) => string | undefined = () => undefined,
): Diagnostic[] {
  return found
    .filter((diagnostic) => diagnostic.category === ts.DiagnosticCategory.Error && !isTolerated(diagnostic.code))
    .map((diagnostic) => {
      const at = parsed.getLineAndCharacterOfPosition(Math.min(diagnostic.start ?? 0, parsed.text.length));
      const text = readable(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
      const message = [text, hint(diagnostic)].filter(Boolean).join(" ");
      return { line: at.line + 1, column: at.character + 1, code: diagnostic.code, message, syntactic };
    });
}

/** The TypeScript files among these that have faults, by their paths from the notebook's folder. */
export function faultyFiles(program: ts.Program, files: readonly string[], folder: string, cancellation: ts.CancellationToken): Outdated[] {
  return files.flatMap((path) => {
    const file = program.getSourceFile(path);
    if (!file || file.isDeclarationFile || !/\.[cm]?tsx?$/.test(path)) return [];
    const syntactic = program.getSyntacticDiagnostics(file);
    const found = syntactic.length ? syntactic : program.getSemanticDiagnostics(file, cancellation);
    const faults = located(found, file, syntactic.length > 0);
    return faults.length ? [{ label: relative(folder, path), code: file.text, faults }] : [];
  });
}
