import type ts from "typescript";
import type { TakenOptions } from "./tsconfig.js";

/** What makes JSX run. */
export const JSX_HINT =
  'JSX is compiled where tsconfig.json in the notebook\'s folder has "jsx": "react-jsx" in its compilerOptions ("jsxImportSource" names another library than react); it is read when the session begins';

/**
 * A local TypeScript file as JavaScript, without looking at its types.
 * @param compiler `typescript`, which each thread loads in its own time
 * @throws SyntaxError `FILE, line L, column C: cause (TSn)`
 */
export function transpile(
  compiler: typeof ts,
  source: string,
  file: string,
  module: ts.ModuleKind,
  { jsx, jsxImportSource }: Pick<TakenOptions, "jsx" | "jsxImportSource"> = {},
): { code: string; sourceMap: string } {
  if (jsx === undefined && file.endsWith(".tsx")) throw new SyntaxError(`${file}: ${JSX_HINT}`);
  const { outputText, sourceMapText, diagnostics } = compiler.transpileModule(source, {
    fileName: file,
    reportDiagnostics: true,
    compilerOptions: {
      target: compiler.ScriptTarget.ES2022,
      module,
      esModuleInterop: true,
      sourceMap: true,
      ...(jsx !== undefined && { jsx }),
      ...(jsxImportSource !== undefined && { jsxImportSource }),
    },
  });
  const [fault] = diagnostics!;
  if (!fault) return { code: outputText, sourceMap: sourceMapText! };
  const at = compiler.getLineAndCharacterOfPosition(fault.file!, fault.start!);
  const message = compiler.flattenDiagnosticMessageText(fault.messageText, "\n");
  throw new SyntaxError(`${file}, line ${at.line + 1}, column ${at.character + 1}: ${message} (TS${fault.code})`);
}
