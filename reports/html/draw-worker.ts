import { type MessagePort, parentPort } from "node:worker_threads";
import { render } from "../../src/figures/render.js";

/** The thread of `draw`: a specification in, its picture or the reason for none out, through the port that came along. */
parentPort!.on("message", async ({ spec, port }: { spec: Record<string, unknown>; port: MessagePort }) => {
  try {
    port.postMessage({ svg: (await render(spec)).svg });
  } catch (error) {
    port.postMessage({ failure: error instanceof Error ? error.message : String(error) });
  }
});
