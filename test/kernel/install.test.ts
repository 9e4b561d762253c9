import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { Command } from "commander";
import { expect, test, vi } from "vitest";
import { dataFolder, InstallError, install, listKernels, uninstall } from "../../kernel/install.js";
import { register } from "../../src/cli/kernel.js";

const fresh = () => mkdtempSync(join(tmpdir(), "erpo-prefix-"));

test("the kernelspec has absolute paths and asks for interrupts by message", () => {
  const prefix = fresh();
  const folder = install({ prefix });
  expect(folder).toBe(join(prefix, "share", "jupyter", "kernels", "erpo"));
  const spec = JSON.parse(readFileSync(join(folder, "kernel.json"), "utf8"));
  expect(spec).toMatchObject({ display_name: "TypeScript (ERPO)", language: "typescript", interrupt_mode: "message" });
  expect(spec.argv[0]).toBe(process.execPath);
  expect(spec.argv[2]).toMatch(/dist[\\/]kernel[\\/]main\.js$/);
  expect(isAbsolute(spec.argv[2])).toBe(true);
  expect(spec.argv.at(-1)).toBe("{connection_file}");
  expect(listKernels(prefix).find(({ name }) => name === "erpo")?.folder).toBe(folder);
});

test("an empty XDG_DATA_HOME is none", () => {
  for (const name of ["XDG_DATA_HOME", "JUPYTER_DATA_DIR"]) vi.stubEnv(name, "");
  try {
    expect(isAbsolute(dataFolder("user"))).toBe(true);
  } finally {
    vi.unstubAllEnvs();
  }
});

test("the first kernel of a machine starts as fast as later ones: TypeScript's compiled code is kept, and made again where it is damaged", () => {
  vi.stubEnv("ERPO_CACHE", fresh());
  try {
    install({ prefix: fresh() });
    const [code, ...rest] = readdirSync(join(process.env.ERPO_CACHE!, "code"));
    expect(rest).toEqual([]);
    expect(code).toContain(process.version);
    const file = join(process.env.ERPO_CACHE!, "code", code!);
    const kept = readFileSync(file);
    expect(kept.length).toBeGreaterThan(1e6);
    writeFileSync(file, Buffer.from(kept).fill(0, 500_000, 600_000)); // V8 dies of it
    install({ prefix: fresh() });
    expect(
      readFileSync(file)
        .subarray(500_000, 600_000)
        .every((byte) => byte === 0),
    ).toBe(false);
  } finally {
    vi.unstubAllEnvs();
  }
});

test("it goes away again, and nothing but ours does", () => {
  const prefix = fresh();
  const folder = install({ prefix }, "tslab");
  expect(uninstall({ prefix }, "tslab")).toBe(folder);
  expect(() => uninstall({ prefix }, "tslab")).toThrow("no such kernel");
  writeFileSync(join(install({ prefix }, "other"), "kernel.json"), '{"argv":["python"]}');
  expect(() => uninstall({ prefix }, "other")).toThrow("belongs to another kernel");
});

test("a name that leads out of the kernels' folder is wrong use: nothing is written or removed", async () => {
  const prefix = fresh();
  const kernels = join(prefix, "share", "jupyter", "kernels");
  const ours = install({ prefix });
  for (const folder of [kernels, join(kernels, ".."), join(kernels, "deep/er")]) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "kernel.json"), readFileSync(join(ours, "kernel.json"))); // passes for ours
  }
  const files = () => readdirSync(prefix, { recursive: true, encoding: "utf8" }).sort();
  const before = files();
  for (const name of ["..", ".", "...", "", "deep/er", "../kernels/erpo", "deep\\er", `${prefix}/x`, ".hidden", "-x", "a\nb", "a\0b"]) {
    expect(() => uninstall({ prefix }, name), name).toThrow("a kernel's name has letters");
    expect(() => install({ prefix }, name), name).toThrow("a kernel's name has letters");
    for (const verb of ["install", "uninstall"]) {
      const said: string[] = [];
      const program = new Command().exitOverride().configureOutput({ writeErr: (text) => said.push(text) });
      register(program);
      for (const command of program.commands[0]!.commands) command.copyInheritedSettings(program);
      const called = program.parseAsync(["kernel", verb, `--prefix=${prefix}`, `--as=${name}`], { from: "user" });
      await expect(called, `${verb} ${name}`).rejects.toMatchObject({ exitCode: 2 });
      expect(said.join("")).toMatch(/^error: --as ".*": a kernel's name has letters, [^\n]*\n$/);
    }
  }
  expect(files()).toEqual(before);
});

test("a kernelspec is written whole or not at all", () => {
  const prefix = fresh();
  const folder = install({ prefix });
  rmSync(join(folder, "kernel.json"));
  mkdirSync(join(folder, "kernel.json")); // cannot be replaced
  expect(() => install({ prefix })).toThrow(InstallError);
  expect(readdirSync(folder).sort()).toEqual(["kernel.json", "logo-svg.svg"]);
});

test("a folder that cannot be written is one line", () => {
  const file = join(fresh(), "file");
  writeFileSync(file, "");
  expect(() => install({ prefix: file })).toThrow(InstallError);
  expect(() => install({ prefix: "/proc/nowhere" })).toThrow(InstallError);
  expect(() => install({ prefix: file })).toThrow(/^\S+: cannot be written \(ENOTDIR\); choose another/);
});
