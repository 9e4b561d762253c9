import { join } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { packageRoot } from "../../src/setup/paths.js";
import type { DrawRequest } from "./draw-worker.js";

const SECONDS = 30;
const MEGABYTES = 512;

/** The thread that draws; there from the first figure on. */
let worker: Worker | undefined;

/**
 * Draws a Vega-Lite specification as SVG in a thread of its own: one that never ends, or fills the memory, ends the thread only.
 * @param width of the whole picture in CSS pixels, see `renderAt`; as the specification says unless given
 * @throws Error with Vega's reason, or that it took too long or too much memory
 */
export async function draw(spec: Record<string, unknown>, width?: number): Promise<string> {
  worker ??= new Worker(join(packageRoot(), "dist", "reports", "html", "draw-worker.js"), {
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEGABYTES },
  });
  const thread = worker;
  const { port1: answer, port2: port } = new MessageChannel();
  let timer: NodeJS.Timeout | undefined;
  let fail: ((error: NodeJS.ErrnoException) => void) | undefined;
  try {
    return await new Promise<string>((resolve, reject) => {
      const end = (error: Error) => {
        worker = undefined;
        void thread.terminate();
        reject(error);
      };
      fail = (error) => end(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? new Error(`drawing took more than ${MEGABYTES} MB`) : error);
      timer = setTimeout(() => end(new Error(`drawing took longer than ${SECONDS} s`)), 1000 * SECONDS);
      thread.once("error", fail);
      answer.once("message", ({ svg, failure }: { svg?: string; failure?: string }) =>
        svg === undefined ? reject(new Error(failure)) : resolve(svg),
      );
      thread.ref();
      thread.postMessage({ spec, width, port } satisfies DrawRequest, [port]);
    });
  } finally {
    clearTimeout(timer);
    if (fail) thread.off("error", fail);
    answer.close();
    thread.unref(); // an idle thread does not keep the program running
  }
}
