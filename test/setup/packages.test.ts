import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { damagedMembers, keepWheel, packageReady, packageWhole, wheelFile } from "../../src/setup/packages.js";
import type { DataWheel, JoinedFile } from "../../src/setup/wheels.js";
import { pythonLack } from "../programs.js";

let dir: string;
let wheel: DataWheel;
const lack = pythonLack();
const pythonTest = test.skipIf(lack);
const python = lack ? "" : spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).stdout.trim();

/** A `python3` whose pip "downloads" a file that is already here and counts its calls; the rest is the real Python. */
function fakePip(script: string): void {
  const program = join(dir, "bin/python3");
  writeFileSync(
    program,
    `#!/bin/sh\nif [ "$1 $2 $3" = "-m pip --version" ]; then exit 0; fi\nif [ "$2" = pip ]; then\n${script}\nfi\nexec ${python} "$@"\n`,
  );
  chmodSync(program, 0o755);
}

const deliver = (file: string) => `echo call >> ${dir}/calls; while [ "$1" != --dest ]; do shift; done; cp ${file} "$2"; exit 0`;
const calls = () => (existsSync(join(dir, "calls")) ? readFileSync(join(dir, "calls"), "utf8").trim().split("\n").length : 0);

beforeEach(() => {
  if (lack) return;
  dir = mkdtempSync(join(tmpdir(), "erpo-packages-"));
  mkdirSync(join(dir, "bin"));
  const file = "toy-1.0-py3-none-any.whl";
  const write =
    "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1], 'w'); z.writestr('toy/a.txt', 'alpha'); z.writestr('toy/b.txt', 'beta'); z.writestr('code.py', '')";
  spawnSync(python, ["-c", `${write}; z.close()`, join(dir, file)]);
  const bytes = readFileSync(join(dir, file));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  wheel = { package: "toy", version: "1.0", file, sha256, size: bytes.length, keep: ["toy/"] };
  vi.stubEnv("ERPO_CACHE", join(dir, "cache"));
  vi.stubEnv("PATH", `${join(dir, "bin")}:${process.env.PATH}`);
  fakePip(deliver(join(dir, file)));
});

afterEach(() => {
  vi.unstubAllEnvs();
});

const kept = (member: string) => join(dir, "cache/packages/toy-1.0", member);

pythonTest("fetched once, for callers at the same time too; the wheel is gone, only what is kept remains", async () => {
  await Promise.all([keepWheel(wheel, () => {}), keepWheel(wheel, () => {})]);
  await keepWheel(wheel, () => {});
  expect(calls()).toBe(1);
  expect(readFileSync(kept("toy/b.txt"), "utf8")).toBe("beta");
  expect(existsSync(kept("code.py"))).toBe(false);
  expect(readdirSync(join(dir, "cache/wheels"))).toEqual([]);
  expect(packageReady("toy", "1.0")).toBe(true);
  expect(await damagedMembers("toy", "1.0", "read")).toEqual([]);
});

pythonTest("a truncated file is fetched again; a changed one of the same size is found by its digest", async () => {
  await keepWheel(wheel, () => {});
  truncateSync(kept("toy/a.txt"), 2);
  expect(packageReady("toy", "1.0")).toBe(false);
  await keepWheel(wheel, () => {});
  expect(readFileSync(kept("toy/a.txt"), "utf8")).toBe("alpha");
  writeFileSync(kept("toy/a.txt"), "alphA");
  expect(packageReady("toy", "1.0")).toBe(true);
  expect(await packageWhole("toy", "1.0")).toBe(false);
  expect(await damagedMembers("toy", "1.0", "read")).toEqual([kept("toy/a.txt")]);
  const said: string[] = [];
  await keepWheel(wheel, (line) => said.push(line));
  expect(said[0]).toBe(`${kept("toy/a.txt")} is damaged: fetching toy again`);
  expect(readFileSync(kept("toy/a.txt"), "utf8")).toBe("alpha");
  expect(await packageWhole("toy", "1.0")).toBe(true);
});

pythonTest("a file in parts is joined in their order and kept with what is beside it; of another whole nothing is kept", async () => {
  const part = (n: number): JoinedFile["parts"][number] => {
    const file = `toy_part${n}-1.0-py3-none-any.whl`;
    const write = `import sys, zipfile; z = zipfile.ZipFile(sys.argv[1], 'w'); z.writestr('toy_part${n}/x.part', 'part ${n};'); z.close()`;
    spawnSync(python, ["-c", write, join(dir, file)]);
    const bytes = readFileSync(join(dir, file));
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return { package: `toy-part${n}`, version: "1.0", file, sha256, size: bytes.length, member: `toy_part${n}/x.part` };
  };
  fakePip(
    `for last; do :; done; while [ "$1" != --dest ]; do shift; done; cp ${dir}/$(echo "$last" | sed 's/==/-/; s/toy-part/toy_part/')-*.whl "$2"; exit 0`,
  );
  const whole = "part 2;part 1;";
  const joined = { member: "toy/x.bin", sha256: createHash("sha256").update(whole).digest("hex"), parts: [part(2), part(1)] };
  await keepWheel({ ...wheel, joined }, () => {});
  expect(readFileSync(kept("toy/x.bin"), "utf8")).toBe(whole);
  expect(readdirSync(kept("")).sort()).toEqual(["contents.json", "toy"]);
  expect(readdirSync(kept("toy")).sort()).toEqual(["a.txt", "b.txt", "x.bin"]);
  expect(readdirSync(join(dir, "cache/wheels"))).toEqual([]);
  expect(await damagedMembers("toy", "1.0", "read")).toEqual([]);

  const other = { ...wheel, version: "1.1", joined: { ...joined, parts: [...joined.parts].reverse() } };
  fakePip(
    `for last; do :; done; while [ "$1" != --dest ]; do shift; done; cp ${dir}/$(echo "$last" | sed 's/==1.[01]/-1.0/; s/toy-part/toy_part/')-*.whl "$2"; exit 0`,
  );
  await expect(keepWheel(other, () => {})).rejects.toThrow(/toy\/x.bin, joined of 2 parts, has SHA-256 [0-9a-f]{64}, not/);
  expect(packageReady("toy", "1.1")).toBe(false);
});

pythonTest("another digest than the pinned one is refused and leaves nothing", async () => {
  await expect(keepWheel({ ...wheel, sha256: "0".repeat(64) }, () => {})).rejects.toThrow(
    /toy-1.0-py3-none-any.whl has SHA-256 [0-9a-f]{64}, not 0{64}/,
  );
  expect(packageReady("toy", "1.0")).toBe(false);
  expect(readdirSync(join(dir, "cache/wheels"))).toEqual([]);
});

pythonTest("pip's failure is its own last error, in one line", async () => {
  fakePip("echo Looking; echo 'ERROR: Could not find a version'; echo 'ERROR: No matching distribution found for toy'; exit 1");
  await expect(keepWheel(wheel, () => {})).rejects.toThrow("pip could not download toy==1.0: No matching distribution found for toy");
});

pythonTest("without Python the line says what to install", async () => {
  vi.stubEnv("PATH", "/nonexistent");
  await expect(keepWheel(wheel, () => {})).rejects.toThrow("toy==1.0 is fetched with pip, but Python 3 with pip is not installed (Debian");
});

test("a package that is not pinned is refused", async () => {
  await expect(wheelFile({ package: "toy", version: "2.0", member: "toy/a.txt" })).rejects.toThrow("toy 2.0 has no pinned digest");
});
