import type { KernelClient } from "./client.js";
import type { ExecutionRecord } from "./record.js";

/** `openDevice` keeps the device of the process under this symbol. */
const EXPRESSION = `await (async () => {
  const { reason, ...device } = (await (globalThis as any)[Symbol.for("erpo.device")]?.device) ?? {};
  return { [Symbol.for("Jupyter.display")]: () => ({ "application/json": device }) };
})()`;

/** The device that a kernel of ours has opened for its cells. Undefined where there is none, and for other kernels. */
export async function deviceOf(client: KernelClient): Promise<ExecutionRecord["device"]> {
  const device = (await client.evaluate(EXPRESSION).catch(() => undefined)) as ExecutionRecord["device"];
  return device?.kind ? device : undefined;
}
