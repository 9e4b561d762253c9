import { inspect } from "node:util";
import type { Diagnostic } from "../language/diagnostics.js";
import { withSource } from "../language/stack.js";

/** The content of a Jupyter error. */
export interface ErrorContent {
  ename: string;
  evalue: string;
  traceback: string[];
}

const MAX_MESSAGE = 10_000;
const MAX_LINES = 200;

/** What a cell threw. Anything can be thrown; nothing that it does when looked at gets out. */
export function describeThrown(thrown: unknown): ErrorContent {
  try {
    if (thrown instanceof Error || (typeof thrown === "object" && thrown !== null && typeof (thrown as Error).stack === "string")) {
      const error = thrown as Error;
      const shown = inspect(error, { depth: 2, maxArrayLength: 20, maxStringLength: 2000 });
      const bare = thrown instanceof Error && /^\[.*\]$/s.test(shown) ? shown.slice(1, -1) : shown; // Node's brackets round one without a stack
      const traceback = withSource(bare).slice(0, MAX_LINES);
      return { ename: String(error.name || "Error"), evalue: String(error.message).slice(0, MAX_MESSAGE), traceback };
    }
    const text = inspect(thrown, { depth: 2, maxStringLength: 2000 });
    return { ename: "Thrown", evalue: typeof thrown === "string" ? thrown.slice(0, MAX_MESSAGE) : text, traceback: [`Uncaught ${text}`] };
  } catch {
    return {
      ename: "Error",
      evalue: "an object that cannot be shown was thrown",
      traceback: ["Uncaught (an object that cannot be shown)"],
    };
  }
}

/** Faults that the parser or the type checker found; nothing ran. */
export function describeDiagnostics(place: string, code: string, diagnostics: readonly Diagnostic[]): ErrorContent {
  const lines = code.split("\n");
  const ename = diagnostics[0]!.syntactic ? "SyntaxError" : "TypeCheckError";
  const traceback = diagnostics.slice(0, 20).flatMap((d) => {
    const source = lines[d.line - 1] ?? "";
    const number = `    ${d.line} | `;
    return [
      `${ename}: ${d.message} (TS${d.code})`,
      `    at ${place}, line ${d.line}, column ${d.column}`,
      `${number}${source}`,
      `${" ".repeat(number.length)}${source.slice(0, d.column - 1).replace(/[^\t]/g, " ")}^`,
    ];
  });
  if (diagnostics.length > 20) traceback.push(`... and ${diagnostics.length - 20} more`);
  const first = diagnostics[0]!;
  return { ename, evalue: `${place}, line ${first.line}, column ${first.column}: ${first.message} (TS${first.code})`, traceback };
}
