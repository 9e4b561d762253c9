import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Check } from "../../reports/provenance/check.js";
import { codeToRun } from "../../reports/provenance/code.js";
import { codeSha256, outputSha256 } from "../../reports/provenance/digests.js";
import { type Environment, environment } from "../../reports/provenance/environment.js";
import { codeCheck } from "../../reports/provenance/verify.js";
import { pythonLack } from "../programs.js";
import { write } from "./experiment.js";

/** What a report is held to where nothing has to be run: digests, and the code that a re-run would run. */

test.skipIf(pythonLack())("an output's digest is that of its JSON with sorted keys, as Python writes it", () => {
  const text = fc.string({ unit: "grapheme-ascii" });
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null), fc.array(tie("json"), { maxLength: 3 }), tie("object")),
    object: fc.dictionary(text, tie("json"), { maxKeys: 4 }),
  }));
  const outputs = fc.sample(json, 100).map((value) => ({ output_type: "display_data", metadata: {}, data: { "application/json": value } }));
  const script =
    "import hashlib, json, sys\nsha = lambda o: hashlib.sha256(json.dumps(o, sort_keys=True, separators=(',', ':')).encode()).hexdigest()\nprint(json.dumps([sha(o) for o in json.load(sys.stdin)]))";
  const { stdout } = spawnSync("python3", ["-c", script], { input: JSON.stringify(outputs), encoding: "utf8" });
  expect(outputs.map((output) => outputSha256(output as never))).toEqual(JSON.parse(stdout));
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  expect(outputSha256({ output_type: "display_data", metadata: {}, data: { deep } })).toMatch(/^[0-9a-f]{64}$/);
});

test("modules that lie in a run's folder hold a re-run up too, and those that are gone; new ones, which nobody has read, do not", () => {
  const check = (kind: "file" | "run" | "notebook", name: string, status: Check["status"]): Check => ({
    kind,
    name,
    status,
    reported: "a",
  });
  const checks = [
    check("notebook", "nb.ipynb", "same"),
    check("run", "../own.ts", "differs"),
    check("run", "../metrics.jsonl", "differs"),
    check("run", "../new.ts", "new"),
    check("file", "gone.mjs", "not found"),
    check("file", "same.ts", "same"),
  ];
  const changed = ["nb.ipynb", false, "../own.ts", true, "gone.mjs", true, "same.ts", false];
  expect(codeToRun(checks).flatMap((code) => [code.file, code.changed])).toEqual(changed);
});

test.skipIf(!existsSync(".git"))(
  "a checkout's environment says its commit, whether files differ from it, and the digest of all code",
  () => {
    const git = (...args: string[]) => spawnSync("git", args, { encoding: "utf8" }).stdout.trim();
    expect(environment()).toMatchObject({
      commit: git("rev-parse", "HEAD"),
      dirty: git("status", "--porcelain", "--untracked-files=no") !== "",
      code_sha256: codeSha256(".", ["src", "kernel", "reports"]),
    });
  },
);

test("code is held to its files' digest, and where a record has none to a commit without changes", () => {
  const status = (reported: object, now: object) => codeCheck(reported as Environment, now as Environment).status;
  const [files, others] = [
    { code_sha256: "a", commit: "1" },
    { code_sha256: "b", commit: "1" },
  ];
  expect([status(files, { ...files, commit: "2" }), status(files, others)]).toEqual(["same", "differs"]);
  const [clean, dirty] = [{ commit: "1" }, { commit: "1", dirty: true }];
  expect([status(clean, files), status(clean, { ...files, commit: "2" })]).toEqual(["same", "differs"]);
  expect([status(dirty, files), status(clean, { ...files, dirty: true }), status({}, files), status(clean, {})]).toEqual(
    Array(4).fill("not checked"),
  );
});

test("the digest of code tells contents, names and what is no code", () => {
  const root = mkdtempSync(join(tmpdir(), "erpo-test-"));
  write(join(root, "src/a/b.ts"), "1");
  write(join(root, "src/c.md"), "1");
  const digest = () => codeSha256(root, ["src"]);
  const first = digest();
  write(join(root, "src/c.md"), "2");
  expect(digest()).toBe(first);
  write(join(root, "src/a/b.ts"), "2");
  const second = digest();
  renameSync(join(root, "src/a/b.ts"), join(root, "src/b.ts"));
  expect(new Set([first, second, digest()]).size).toBe(3);
});
