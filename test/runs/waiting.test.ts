import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { alone, keep, takePlace } from "../../src/runs/keep.js";
import { removeAbandonedLocks } from "../../src/setup/lock.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "erpo-waiting-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = (name: string) => ({ dir: join(root, name), parents: [] });
const never = () => Promise.reject(new Error("computed again"));

test("a place that is held twice in a process is let go by the last one alone", async () => {
  const run = at("run");
  const [one, other] = [await alone(run, "score.json"), await alone(run, "score.json")];
  const isHeld = () => existsSync(join(root, "run/score.json.lock"));
  one[Symbol.dispose]();
  expect(isHeld()).toBe(true);
  other[Symbol.dispose]();
  expect(isHeld()).toBe(false);
});

/** Another process, from the moment on at which it computes a/score.json. */
async function otherProcess(dir: string, ms: number) {
  const other = spawn(process.execPath, [
    "--input-type=module",
    "-e",
    `import { keep } from ${JSON.stringify(new URL("../../dist/src/runs/keep.js", import.meta.url).href)};
     await keep({ dir: ${JSON.stringify(dir)}, parents: [] }, "a/score.json", {}, async () => {
       console.log("computing");
       await new Promise((resolve) => setTimeout(resolve, ${ms}));
       return { by: "the other" };
     });`,
  ]);
  await once(other.stdout, "data");
  return other;
}

test("what another process computes is waited for, and not computed again", async () => {
  await otherProcess(join(root, "run"), 700);
  expect(await keep(at("run"), "a/score.json", {}, never)).toEqual({ by: "the other" });
  expect(existsSync(join(root, "run/a/score.json.lock"))).toBe(false);
});

test("what a process was killed at is computed by the one that waits", async () => {
  const other = await otherProcess(join(root, "run"), 60_000);
  const waiting = keep(at("run"), "a/score.json", {}, async () => ({ by: "this one" }));
  other.kill("SIGKILL");
  expect(await waiting).toEqual({ by: "this one" });
});

test("a signal ends the waiting, and what this process left hanging does not stop it", async () => {
  const run = at("run");
  const other = await otherProcess(run.dir, 60_000);
  const place = takePlace(run, "a/score.json", ["a/score.json"], {}, AbortSignal.timeout(300));
  await expect(place).rejects.toThrow("timeout");
  other.kill("SIGKILL");
  await once(other, "exit");
  void keep(run, "a/score.json", {}, () => new Promise<never>(() => {})); // as a cell that was interrupted
  await sleep(300);
  expect(await keep(run, "a/score.json", {}, async () => ({ by: "the next cell" }))).toEqual({ by: "the next cell" });
});

test("what a process has computed is taken from it although a call that it left hanging still holds the lock", async () => {
  const { dir } = at("run");
  const path = new URL("../../dist/src/runs/keep.js", import.meta.url).href;
  const other = spawn(process.execPath, [
    "--input-type=module",
    "-e",
    `import { keep } from ${JSON.stringify(path)};
     const kept = (compute) => keep({ dir: ${JSON.stringify(dir)}, parents: [] }, "a/score.json", {}, compute);
     setInterval(() => {}, 1000);
     void kept(() => new Promise(() => console.log("hanging")));
     process.stdin.once("data", () => kept(async () => ({ by: "its next cell" })));`,
  ]);
  await once(other.stdout, "data");
  const waiting = keep(at("run"), "a/score.json", {}, never);
  await sleep(300);
  other.stdin.write("go\n");
  expect(await waiting).toEqual({ by: "its next cell" });
  expect(other.exitCode).toBeNull();
  other.kill("SIGKILL");
});

test("a lock that was left behind goes when the folder is opened again, and a living process's stays", async () => {
  const run = at("run");
  const other = await otherProcess(run.dir, 60_000);
  const [dead, living] = ["a/old.json.lock", "a/score.json.lock"].map((file) => join(run.dir, file));
  writeFileSync(dead!, `${spawnSync("true").pid} ${hostname()} 1`);
  removeAbandonedLocks(run.dir);
  expect([dead, living].map((file) => existsSync(file!))).toEqual([false, true]);
  other.kill("SIGKILL");
});

test("another identity is refused at once while another process writes the result, and not when that is through", async () => {
  const run = at("run");
  const other = await otherProcess(run.dir, 60_000);
  const waiting = takePlace(run, "a/score.json", ["a/score.json", "a/score.jsonl"], { beta: 0.5 });
  writeFileSync(join(run.dir, "a/score.jsonl"), "{}\n"); // the first rows
  await expect(waiting).rejects.toThrow("a/score.json was made with beta none, not 0.5");
  expect(other.exitCode).toBeNull();
  other.kill("SIGKILL");
});

test("a signal's reason ends the waiting of its own call, and of no other one", async () => {
  const run = at("run");
  await otherProcess(run.dir, 1200);
  const [first, second] = [new AbortController(), new AbortController()];
  const calls = [first.signal, second.signal, undefined].map((signal) => alone(run, "a/score.json", signal));
  const ends = calls.map((call) =>
    call.then(
      () => "held",
      (error: Error) => error.name,
    ),
  );
  await sleep(100);
  first.abort();
  second.abort(new RangeError("the reader has stopped it"));
  expect(await Promise.race([ends[2], Promise.all(ends.slice(0, 2))])).toEqual(["AbortError", "RangeError"]);
  expect(await ends[2]).toBe("held");
  (await calls[2]!)[Symbol.dispose]();
  expect(existsSync(join(run.dir, "a/score.json.lock"))).toBe(false);
});

test("who waits alone and is stopped leaves no lock behind", async () => {
  const run = at("run");
  const other = await otherProcess(run.dir, 500);
  await expect(alone(run, "a/score.json", AbortSignal.timeout(100))).rejects.toThrow("timeout");
  await once(other, "exit");
  await sleep(300);
  expect(existsSync(join(run.dir, "a/score.json.lock"))).toBe(false);
  expect(await keep(run, "a/score.json", {}, never)).toEqual({ by: "the other" });
});

test("a call that a later one of the same process has overtaken with another identity keeps nothing", async () => {
  const run = at("run");
  const slow = keep(run, "score.json", { beta: 0.1 }, () => sleep(300, { beta: 0.1 }));
  await sleep(50);
  expect(await keep(run, "score.json", { beta: 0.5 }, async () => ({ beta: 0.5 }))).toEqual({ beta: 0.5 });
  await expect(slow).rejects.toThrow("score.json is not kept: meanwhile its place was taken for another one");
  expect(JSON.parse(readFileSync(join(run.dir, "score.json"), "utf8"))).toEqual({ beta: 0.5 });
  expect(await keep(run, "score.json", { beta: 0.5 }, never)).toEqual({ beta: 0.5 });
});
