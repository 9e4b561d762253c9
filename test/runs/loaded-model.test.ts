import { afterAll, expect, test, vi } from "vitest";
import { openDevice } from "../../src/backend/device.js";
import { loadModel } from "../../src/model/load.js";
import { fixture } from "../model/open.js";
import { openTiny, runsFolder } from "./tiny-run.js";

/** As on a processor that multiplies BF16. */
vi.mock("../../src/backend/devices/cpu.js", async (original) => ({
  ...(await original<typeof import("../../src/backend/devices/cpu.js")>()),
  multipliesBf16: () => true,
}));

const folder = runsFolder();
afterAll(folder.remove);

test("a run of a loaded model computes as the device is open, and a name asks for bf16", async () => {
  const model = await loadModel(fixture("llama-tiny"));
  const run = await openTiny(folder.path("loaded"), { model });
  expect(run.device).toBe(await openDevice({ precision: "f32" }));
  expect((await run.branch(folder.path("branch"))).device).toBe(run.device);
  await expect(openTiny(folder.path("named"))).rejects.toThrow("the device is open with precision f32");
  model.dispose();
});
