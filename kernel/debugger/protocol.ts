import type { Runtime as V8Runtime } from "node:inspector";
import type { DebugProtocol } from "@vscode/debugprotocol";

/** Cells run in one thread; this is its number in the protocol. */
export const THREAD = 1;

export type Request = Pick<DebugProtocol.Request, "seq" | "command" | "arguments">;
export type Body = object | undefined;

/** A request that cannot be answered; the message tells the reader why, and what to do. */
export class Refusal extends Error {
  override name = "Refusal";
}

/** The response to a request that went well. */
export const response = (request: Request, seq: number, body: Body): DebugProtocol.Response => ({
  seq,
  type: "response",
  request_seq: request.seq,
  command: request.command,
  success: true,
  ...(body && { body }),
});

/** The response to a request that failed. Its body is empty, and there: clients look into it. */
export const failure = (request: Request, seq: number, message: string): DebugProtocol.Response => ({
  ...response(request, seq, {}),
  success: false,
  message,
});

export const event = (seq: number, name: string, body: Body): DebugProtocol.Event => ({
  seq,
  type: "event",
  event: name,
  ...(body && { body }),
});

/** What this debugger can do (the answer to `initialize`). */
export const capabilities: DebugProtocol.Capabilities = {
  supportsConfigurationDoneRequest: true,
  supportsConditionalBreakpoints: true,
  supportsEvaluateForHovers: true,
  supportsModulesRequest: true,
  exceptionBreakpointFilters: [{ filter: "all", label: "All exceptions", default: false }],
};

/** What the program has thrown, in one line. */
export const thrownText = ({ exception, text }: V8Runtime.ExceptionDetails): string =>
  (exception?.description ?? String(exception?.value ?? text)).split("\n")[0]!;

const PRIMITIVES = new Set(["number", "string", "boolean", "bigint", "symbol"]);

/**
 * Variables as a client shows them best. JupyterLab's tree shows the type of whatever Python has no word for, and no value: there the type
 * of a primitive value holds it, `number = 7`.
 * @param client the `clientID` of `initialize`
 */
export function shownTo(client: string | undefined, variables: readonly DebugProtocol.Variable[]): DebugProtocol.Variable[] {
  if (client !== "jupyterlab") return [...variables];
  return variables.map((variable) =>
    PRIMITIVES.has(variable.type ?? "") ? { ...variable, type: `${variable.type} = ${variable.value}` } : variable,
  );
}
