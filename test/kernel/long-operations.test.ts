import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { failed, KernelClient, result } from "./client.js";

/** V8's own operations on large values, which nothing stops half-way: a loop of them ends behind the one that runs, a single one has to end. */

const kernel = new KernelClient({ patience: 100_000 }); // on a machine with other work to do a call takes many times as long
beforeAll(() => kernel.start());
afterAll(async () => {
  await kernel.stop();
});

/** Makes `text`, the JSON of an array of strings, of about so many MB. */
const huge = (megabytes: number) =>
  `const text = "[" + ('"' + "x".repeat(40) + '",').repeat(${Math.round((megabytes * 1e6) / 43)}) + '""]';`;

/** Stops a cell half a second after it has begun; ms from the request to the reply. */
async function stopping(code: string): Promise<number> {
  const cell = kernel.begin(`console.log("on"); ${code}`);
  await kernel.output(cell);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const asked = performance.now();
  await kernel.ask("control", "interrupt_request", {});
  expect(failed(await cell.done).ename).toBe("KeyboardInterrupt");
  return performance.now() - asked;
}

test.each([
  "while (true) JSON.parse(text);",
  "while (true) { try { JSON.parse(text); } catch {} }",
  "for (;;) JSON.parse(text);",
  "for (const _ of Array(1e5).keys()) JSON.parse(text);",
  "for (const _ in { ...Array(1e5).fill(0) }) JSON.parse(text);",
  "do JSON.parse(text); while (true)",
  "while (JSON.parse(text)) {}",
  "outer: while (true) { for (;;) { JSON.parse(text); continue outer; } }",
  "const again = () => { for (;;) structuredClone(text); }; again();",
])("a loop over a text of 1 MB ends within two seconds: %s", async (code) => {
  await kernel.run(huge(1));
  expect(await stopping(code)).toBeLessThan(2000);
  expect(result(await kernel.run("'alive'"))).toBe("'alive'");
});

test.each([
  ["JSON.parse of 100 MB", huge(100), "JSON.parse(text)"],
  [
    "structuredClone of a million objects",
    "const rows = Array.from({ length: 1e6 }, (_, i) => ({ i, name: String(i) }));",
    "structuredClone(rows)",
  ],
  ["structuredClone of 100 MB of bytes", "const bytes = new Uint8Array(100e6);", "structuredClone(bytes)"],
])("a loop of %s ends within two seconds and what is left of its last call", async (_, prepare, call) => {
  await kernel.run(prepare);
  const once = Number(result(await kernel.run(`const began = performance.now(); ${call}; performance.now() - began`)));
  // on an idle machine a call takes under a second
  expect(await stopping(`while (true) { try { ${call}; } catch {} }`)).toBeLessThan(2000 + 3 * once);
  expect(result(await kernel.run("'alive'"))).toBe("'alive'");
});

test("a shutdown ends a single JSON.parse of 400 MB within two seconds; what the session has written is kept", async () => {
  const history = mkdtempSync(join(tmpdir(), "erpo-history-"));
  const other = await KernelClient.start({ env: { ERPO_HISTORY: history }, patience: 100_000 });
  const file = join(history, "kept.txt");
  await other.run(`import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(file)}, "kept"); ${huge(400)}`);
  await other.output(other.begin('console.log("on"); const parsed = JSON.parse(text);'));
  const asked = performance.now();
  void other.ask("control", "shutdown_request", { restart: true });
  await other.exited;
  expect(performance.now() - asked).toBeLessThan(2500);
  expect(readFileSync(file, "utf8")).toBe("kept");
  const sessions = readdirSync(history).filter((name) => name.endsWith(".jsonl"));
  expect(readFileSync(join(history, sessions[0]!), "utf8")).toContain("JSON.parse(text)");
  await other.stop();
});
