import { afterAll, expect, test, vi } from "vitest";
import { openDevice } from "../../src/backend/device.js";
import { openTiny, runsFolder } from "./tiny-run.js";

/** As on a processor that does not multiply BF16. */
vi.mock("../../src/backend/devices/cpu.js", async (original) => ({
  ...(await original<typeof import("../../src/backend/devices/cpu.js")>()),
  multipliesBf16: () => false,
}));

const folder = runsFolder();
afterAll(folder.remove);

test("where a kept run has opened the device in float32, a new one opens beside it: BF16 is permitted to it, and not used", async () => {
  const device = await openDevice({ precision: "f32" }); // as a run does that was begun in it
  const run = await openTiny(folder.path("new"));
  expect(run.device).toBe(device);
  expect(run.device.precision).toBe("f32");
  await expect(openDevice({ precision: "bf16 everywhere" })).rejects.toThrow("the device is open with precision f32");
});
