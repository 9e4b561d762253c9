import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { findPrograms } from "../../src/setup/programs.js";

const root = join(import.meta.dirname, "../..");
const erpo = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, [join(root, "src/setup/bootstrap.mjs"), ...args], {
    env: { ...process.env, ...env },
    encoding: "utf8",
    timeout: 60_000,
  });

test("wrong use ends in one line and exit code 2", () => {
  for (const args of [["nonsense"], ["doctor", "--nope"], ["setup", "--debug", "surplus"]]) {
    const { status, stderr, stdout } = erpo(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^erpo: .*\n$/m);
    expect(stderr).not.toMatch(/\n\s+at /);
  }
  expect(erpo(["--version"])).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  expect(erpo(["--help"])).toMatchObject({ status: 0, stdout: expect.stringContaining("doctor") });
});

test("help marks the options that a command needs, and says what an export refuses", () => {
  expect(erpo(["compare", "--help"]).stdout).toMatch(/--output <dir>[^-]*\(required\)/);
  expect(erpo(["execute", "--help"]).stdout).toMatch(/--output <dir>[^-]*\(required\s+with --sweep\)/);
  const { stdout } = erpo(["export", "trl", "--help"]);
  expect(stdout).toMatch(/--output <dir>[^-]*\(required\)/);
  for (const refused of ["kto", "simpo", "lora.dropout", "eval_data", "smaller last one"]) expect(stdout).toContain(refused);
});

test("kernel list says when there is none, and which command installs one", () => {
  const nowhere = "/nowhere";
  const { stdout, stderr } = erpo(["kernel", "list"], {
    HOME: nowhere,
    JUPYTER_PATH: "",
    JUPYTER_DATA_DIR: nowhere,
    XDG_DATA_HOME: nowhere,
    PATH: nowhere,
  });
  const none = "erpo: Jupyter finds no kernel here: `erpo kernel install` installs this one\n";
  expect(stdout === "" ? stderr : none).toContain(none); // a machine may have kernels for everybody
});

test("a failure ends in one line and exit code 1", () => {
  const { status, stderr } = erpo(["setup"], { ERPO_CACHE: "/proc/nowhere", ERPO_BACKEND: "wasm" });
  expect(status).toBe(1);
  expect(stderr).toMatch(/erpo: \/proc\/nowhere cannot be written: set ERPO_CACHE to a folder that can\n$/);
  expect(stderr).not.toMatch(/\n\s+at /);
});

test("doctor tells a program the device, its speed and what is missing", () => {
  const { stdout } = erpo(["doctor", "--json"], { ERPO_BACKEND: "wasm" });
  const diagnosis = JSON.parse(stdout);
  expect(diagnosis.device).toMatchObject({ kind: "wasm", reason: "ERPO_BACKEND=wasm", precision: "f32" });
  expect(diagnosis.gflops).toBeGreaterThan(0);
  expect(diagnosis.notebooks.demo).toMatchObject([{ notebook: "demo" }]);
  const programs = Object.keys(diagnosis.programs);
  expect(programs).toEqual(["pip", "g++", "Jupyter", "LaTeX", "Chromium", "kernelspec"]);
  const missing = programs.filter((name) => diagnosis.programs[name] === null);
  const mends = diagnosis.problems.map(({ mend }: { mend: string }) => mend).join("\n");
  const ways: Record<string, RegExp> = {
    pip: /python3-pip/,
    "g++": /g\+\+/,
    Jupyter: /jupyterlab/,
    LaTeX: /texlive/,
    Chromium: /Chromium/,
  };
  for (const name of missing) expect(mends).toMatch(ways[name] ?? /kernel install/);
  for (const times of [diagnosis.notebooks.quick, diagnosis.notebooks.full]) {
    expect(times.map(({ notebook }: { notebook: string }) => notebook.slice(0, 2))).toEqual(["00", "01", "02", "03", "04", "05"]);
    expect(times.every(({ seconds }: { seconds: number }) => seconds > 0)).toBe(true);
  }
  expect(diagnosis.problems.every((problem: { mend: string }) => problem.mend.length > 0)).toBe(true);
});

test("programs are found on the PATH, with their versions; of what is not there is said what it is for and what mends it", async () => {
  const place = mkdtempSync(join(tmpdir(), "erpo-programs-"));
  vi.stubEnv("PATH", place);
  vi.stubEnv("CHROME_PATH", join(place, "none"));
  vi.stubEnv("CXX", "");
  try {
    const program = (name: string, says: string) => writeFileSync(join(place, name), `#!/bin/sh\necho ${says}\n`, { mode: 0o755 });
    program("pdflatex", "pdfTeX 3.14");
    program("g++", "g++ 12.2");
    const found = new Map((await findPrograms()).map((one) => [one.name, one]));
    expect(found.get("LaTeX")!.found).toBe("pdflatex pdfTeX 3.14");
    expect(found.get("g++")!.found).toBe("g++ 12.2");
    for (const name of ["pip", "Jupyter", "Chromium"])
      expect(found.get(name), name).toMatchObject({ found: null, mend: expect.stringMatching(/install|set/) });
    expect(found.get("Jupyter")!.what).toContain("the main job does not");
  } finally {
    vi.unstubAllEnvs();
    rmSync(place, { recursive: true, force: true });
  }
});
