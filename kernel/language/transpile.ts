import type ts from "typescript";

/**
 * A local TypeScript file as JavaScript, without looking at its types.
 * @param compiler `typescript`, which each thread loads in its own time
 * @throws SyntaxError `FILE, line L, column C: cause (TSn)`
 */
export function transpile(compiler: typeof ts, source: string, file: string, module: ts.ModuleKind): { code: string; sourceMap: string } {
  const { outputText, sourceMapText, diagnostics } = compiler.transpileModule(source, {
    fileName: file,
    reportDiagnostics: true,
    compilerOptions: { target: compiler.ScriptTarget.ES2022, module, esModuleInterop: true, sourceMap: true },
  });
  const [fault] = diagnostics!;
  if (!fault) return { code: outputText, sourceMap: sourceMapText! };
  const at = compiler.getLineAndCharacterOfPosition(fault.file!, fault.start!);
  const message = compiler.flattenDiagnosticMessageText(fault.messageText, "\n");
  throw new SyntaxError(`${file}, line ${at.line + 1}, column ${at.character + 1}: ${message} (TS${fault.code})`);
}
