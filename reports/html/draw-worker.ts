import { type MessagePort, parentPort } from "node:worker_threads";
import { checkDrawn } from "../../src/figures/check.js";
import { render } from "../../src/figures/render.js";
import { renderAt } from "../../src/figures/resize.js";

/** What `draw` sends: a specification, the width to draw it at, and where the answer goes. */
export interface DrawRequest {
  spec: Record<string, unknown>;
  width: number | undefined;
  port: MessagePort;
}

/** The thread of `draw`: a specification in, its picture or the reason for none out, through the port that came along. */
parentPort!.on("message", async ({ spec, width, port }: DrawRequest) => {
  try {
    port.postMessage({ svg: width === undefined ? await drawn(spec) : await renderAt(spec, width) });
  } catch (error) {
    port.postMessage({ failure: error instanceof Error ? error.message : String(error) });
  }
});

async function drawn(spec: Record<string, unknown>): Promise<string> {
  const { svg, drawn } = await render(spec);
  checkDrawn(spec, drawn);
  return svg;
}
