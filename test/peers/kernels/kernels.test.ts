import { afterAll, describe, expect, test } from "vitest";
import { machine } from "../../bench/common.js";
import { type Case, cellsFor } from "./case.js";
import { FRONTENDS } from "./frontends.js";
import { kernelsUnderTest } from "./kernels-env.js";
import { Lack, PeerKernel } from "./peer-kernel.js";
import { RUNNING } from "./running.js";

/** Every case on every kernel; the table of what came out is printed as Markdown. Ours has to pass; of the others it is only said how they did. */

const CASES = [...RUNNING, ...FRONTENDS];
const kernels = kernelsUnderTest();
const outcomes = new Map<string, string>();
const key = (feature: string, kernel: string) => `${feature} / ${kernel}`;

/** What the table says of a kernel, which is started for this case. */
async function outcome(row: Case, kernel: PeerKernel): Promise<string> {
  const cells = cellsFor(row, kernel.about);
  if (!cells) return "no: it has no interface for it";
  try {
    await kernel.start();
    const remark = await row.check(kernel, cells);
    return remark ? `yes, ${remark}` : "yes";
  } catch (error) {
    if (error instanceof Lack) return `no: ${error.message}`;
    throw error;
  } finally {
    if (kernel.process) await kernel.stop();
  }
}

describe.each(kernels)("$name", (about) => {
  test.each(CASES)("$feature", async (row) => {
    const found = await outcome(row, new PeerKernel(about));
    outcomes.set(key(row.feature, about.name), found);
    console.log(`${about.name}: ${row.feature}: ${found}`);
    if (about.name === "erpo") expect(found).toMatch(/^yes/);
  });
});

afterAll(() => {
  const seen = kernels.filter(({ name }) => CASES.some(({ feature }) => outcomes.has(key(feature, name))));
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  const rows = CASES.map(({ feature }) => line([feature, ...seen.map(({ name }) => outcomes.get(key(feature, name)) ?? "")]));
  console.log(`${machine()}\n`);
  console.log(
    [line(["", ...seen.map(({ name, version }) => `${name} ${version}`)]), `|${"---|".repeat(seen.length + 1)}`, ...rows].join("\n"),
  );
});
