import { MessageChannel } from "node:worker_threads";

const { port1, port2 } = new MessageChannel();
const waiting: (() => void)[] = [];
port1.on("message", () => waiting.shift()?.());
port1.unref();

/**
 * Runs `work` in a job of the event loop of its own, soon and in order.
 *
 * Code that may be terminated starts here: a termination inside `setImmediate` leaves Node's queue of immediates broken, while a message
 * that ends badly is simply over. Nothing of the kernel stands beneath it on the stack.
 */
export function job(work: () => void): void {
  waiting.push(work);
  port2.postMessage(null);
}
