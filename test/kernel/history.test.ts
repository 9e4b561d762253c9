import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { History } from "../../kernel/session/history.js";
import { KernelClient } from "./client.js";

const folder = () => join(mkdtempSync(join(tmpdir(), "erpo-history-")), "a", "b");
const filled = (at: string | undefined, ...sources: string[]) => {
  const history = new History(at);
  sources.forEach((source, i) => {
    history.add(i + 1, source);
  });
  return history;
};

test("tail, range and search reach over sessions", () => {
  const at = folder();
  filled(at, "const a = 1", "a + 1");
  filled(at, "other");
  const third = filled(at, "const a = 2", "last");
  expect(third.query({ hist_access_type: "tail", n: 3 })).toEqual([
    [2, 1, "other"],
    [3, 1, "const a = 2"],
    [3, 2, "last"],
  ]);
  expect(third.query({ hist_access_type: "range", session: 0, start: 2 })).toEqual([[3, 2, "last"]]);
  expect(third.query({ hist_access_type: "range", session: -1, start: 1, stop: 9 })).toEqual([[2, 1, "other"]]);
  expect(third.query({ hist_access_type: "range", session: 1, start: 1, stop: 2, output: true })).toEqual([[1, 1, ["const a = 1", null]]]);
  expect(third.query({ hist_access_type: "search", pattern: "const a = ?" })).toHaveLength(2);
  expect(third.query({ hist_access_type: "search", pattern: "*[xy]*" })).toEqual([]);
  expect(third.query({ hist_access_type: "search", pattern: "*a*", n: 1 })).toEqual([[3, 2, "last"]]);
});

test("unique keeps the latest of equal inputs", () => {
  const history = filled(undefined, "x", "y", "x");
  expect(history.query({ hist_access_type: "tail", n: 5, unique: true })).toEqual([
    [1, 2, "y"],
    [1, 3, "x"],
  ]);
});

test("only the owner can read the files, and a session without input has none", () => {
  const at = folder();
  expect(new History(at).query({ hist_access_type: "tail", n: 1 })).toEqual([]);
  expect(existsSync(at)).toBe(false);
  filled(at, "secret");
  expect(statSync(at).mode & 0o777).toBe(0o700);
  expect(statSync(join(at, "00000001.jsonl")).mode & 0o777).toBe(0o600);
});

test("a torn line costs only itself", () => {
  const at = folder();
  filled(at, "one", "two");
  appendFileSync(join(at, "00000001.jsonl"), '{"line":3,"sour');
  expect(filled(at, "new").query({ hist_access_type: "tail", n: 9 })).toEqual([
    [1, 1, "one"],
    [1, 2, "two"],
    [2, 1, "new"],
  ]);
});

test("the oldest sessions are removed", () => {
  const at = folder();
  for (let i = 0; i < 205; i++) filled(at, `session ${i}`);
  expect(readdirSync(at).length).toBeLessThanOrEqual(201);
  expect(readdirSync(at).sort()[0]).toBe("00000005.jsonl");
});

test("a folder that cannot be written leaves the session's own inputs", () => {
  expect(filled("/proc/no", "a").query({ hist_access_type: "tail", n: 1 })).toEqual([[1, 1, "a"]]);
});

test("the kernel writes what was typed, but nothing that asks not to be stored", async () => {
  const at = folder();
  for (const code of ["1 + 1", "2 + 2"]) {
    const kernel = await KernelClient.start({ env: { ERPO_HISTORY: at } });
    await kernel.run(code);
    await kernel.run("'unseen'", { store_history: false });
    const { content } = await kernel.ask("shell", "history_request", {
      hist_access_type: "search",
      pattern: "*",
      raw: true,
      output: false,
    });
    expect(content.history.at(-1)[2]).toBe(code);
    await kernel.stop();
  }
  expect(readdirSync(at)).toEqual(["00000001.jsonl", "00000002.jsonl"]);
  expect(readFileSync(join(at, "00000002.jsonl"), "utf8")).toBe('{"line":1,"source":"2 + 2"}\n');
});
