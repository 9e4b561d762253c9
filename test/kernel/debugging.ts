import type { KernelClient } from "./client.js";

/** What a frontend's debugger asks of a kernel; each request of this one unless told. */
export function debugging(kernel: KernelClient) {
  let seq = 0;

  /** Sends a request of the debugger's protocol. @returns its response, whole */
  async function ask(command: string, args: object = {}, on = kernel) {
    return (await on.ask("control", "debug_request", { type: "request", seq: ++seq, command, arguments: args })).content;
  }

  /** The body of a request that must go well. */
  async function body(command: string, args: object = {}, on = kernel) {
    const answer = await ask(command, args, on);
    if (!answer.success) throw new Error(`${command}: ${answer.message}`);
    return answer.body;
  }

  async function start(on = kernel): Promise<void> {
    await body("initialize", { clientID: "test" }, on);
    await body("attach", {}, on);
  }

  /** Sets breakpoints in the lines of a cell. */
  async function stopAt(code: string, lines: number[], on = kernel) {
    const { sourcePath } = await body("dumpCell", { code }, on);
    const { breakpoints } = await body(
      "setBreakpoints",
      { source: { path: sourcePath }, breakpoints: lines.map((line) => ({ line })) },
      on,
    );
    await body("configurationDone", {}, on);
    return { path: sourcePath, breakpoints };
  }

  /** Waits for the next event of a kind that has not been waited for. */
  const seen = new Set<unknown>();
  async function next(name: string, on = kernel) {
    const message = await on.until((m) => m.header.msg_type === "debug_event" && m.content.event === name && !seen.has(m));
    seen.add(message);
    return message.content.body;
  }

  /** Takes all events so far for waited for. */
  const forget = () => kernel.iopub.forEach((message) => void seen.add(message));

  const frames = async (on = kernel) => (await body("stackTrace", { threadId: 1 }, on)).stackFrames;

  /** The variables of a frame's scope, by name. */
  // biome-ignore lint/suspicious/noExplicitAny: the shapes are the protocol's
  async function variables(frameId: number, scope = "Locals", on = kernel): Promise<Record<string, any>> {
    const { scopes } = await body("scopes", { frameId }, on);
    const { variablesReference } = scopes.find((found: { name: string }) => found.name === scope);
    return byName((await body("variables", { variablesReference }, on)).variables);
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  const byName = (list: { name: string }[]): Record<string, any> => Object.fromEntries(list.map((variable) => [variable.name, variable]));

  const globals = async () => byName((await body("inspectVariables")).variables);

  /** The number of the last request. */
  const lastSeq = () => seq;

  return { ask, lastSeq, body, start, stopAt, next, forget, frames, variables, byName, globals };
}
