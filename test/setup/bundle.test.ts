import { execFile, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { checkRun, licences } from "../../src/cli/bundle.js";
import { findBinding } from "../../src/setup/binding.js";
import { writeArchive } from "../../src/setup/bundle.js";
import {
  checkoutMembers,
  launcher,
  type Member,
  nativeMembers,
  nodeMembers,
  packageMembers,
  runMembers,
} from "../../src/setup/bundle-members.js";
import { findCompiler } from "../../src/setup/kernels.js";
import { askedWheels, dataWheels } from "../../src/setup/wheels.js";
import { failure, lackOf, skipped } from "../programs.js";
import { openTiny } from "../runs/tiny-run.js";

const place = mkdtempSync(join(tmpdir(), "erpo-bundle-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(place, path)), { recursive: true });
  writeFileSync(join(place, path), text);
};
const paths = (members: readonly Member[]) => members.map(({ path }) => path);

describe("what goes into a bundle", () => {
  test("this platform's binaries, and nothing that a checkout leaves behind", () => {
    const files = paths(checkoutMembers());
    const here = `${process.platform}-${process.arch}`;
    const binaries = files.filter((file) => /^node_modules\/webgpu\/dist\/.*\.node$/.test(file));
    if (process.platform === "linux") expect(binaries).toEqual([`node_modules/webgpu/dist/${here}/dawn.node`]);
    expect(files).toEqual(
      expect.arrayContaining([
        "package.json",
        "LICENSE",
        "dist/src/cli/main.js",
        "src/setup/unpacked.mjs",
        "node_modules/vitest/vitest.mjs",
      ]),
    );
    expect(files.filter((file) => /\.js\.map$|__pycache__|\.ipynb_checkpoints|^\.git|^runs\//.test(file))).toEqual([]);
  });

  test("model and data that are free to pass on, and no others", () => {
    const folders = new Set(paths(packageMembers()).map((path) => path.split("/")[2]));
    for (const { package: name, version } of askedWheels) expect(folders).not.toContain(`${name}-${version}`);
    for (const folder of folders) expect(dataWheels.map(({ package: name, version }) => `${name}-${version}`)).toContain(folder);
    expect(licences()).toMatch(/Do-Not-Answer.*CC-BY-NC-SA-4.0/);
  });

  test("of a run what is read, not what training would go on from; nothing of MovieLens", () => {
    for (const file of ["run.json", "1-sft/adapter_model.safetensors", "1-sft/checkpoint-9/state.json", "2-dpo/checkpoint-3/state.json"])
      write(`runs/quick/${file}`, "{}");
    write("runs/quick/methods/reason4rec/results.json", "{}");
    write("runs/quick/methods/rose/rows.jsonl", "");
    expect(paths(runMembers(join(place, "runs/quick"), "quick"))).toEqual(
      ["1-sft/adapter_model.safetensors", "2-dpo/checkpoint-3/state.json", "methods/rose/rows.jsonl", "run.json"].map(
        (file) => `runs/quick/${file}`,
      ),
    );
  });

  test("a run of a model with terms of its own is refused, by name and by its file", () => {
    const run = (model: object) => {
      write("gemma/run.json", JSON.stringify({ model }));
      return () => checkRun(join(place, "gemma"));
    };
    expect(run({ name: "gemma-3-270m" })).toThrow(/made with gemma-3-270m, which a bundle cannot pass on \(the Gemma Terms of Use\)/);
    const sha256 = askedWheels.find(({ joined }) => joined)!.joined!.sha256;
    expect(run({ name: "../copy.gguf", sha256 })).toThrow(/cannot pass on/);
    expect(run({ name: "smollm2-135m-instruct" })).not.toThrow();
    expect(() => checkRun(place)).toThrow(/no run: it has no run.json/);
  });

  test("Node and native TensorFlow; where one is left out, a line says why and what to do", async () => {
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    const bin = process.platform === "win32" ? "own" : "own/bin";
    const node = { execPath: join(place, bin, "node"), config: { ...process.config, variables: {} } as NodeJS.ProcessConfig };
    expect(nodeMembers(log, node)).toEqual([]);
    write("own/LICENSE", "");
    expect(paths(nodeMembers(log, node))).toContain("node/LICENSE");
    const shared = { ...node.config, variables: { node_shared_zlib: true } } as unknown as NodeJS.ProcessConfig;
    expect(nodeMembers(log, { ...node, config: shared })).toEqual([]);
    expect(await nativeMembers(log, "darwin-arm64")).toEqual([]);
    vi.stubEnv("ERPO_BACKEND", "wasm");
    expect(await nativeMembers(log)).toEqual([]);
    vi.stubEnv("ERPO_BACKEND", undefined);
    vi.stubEnv("ERPO_CACHE", join(place, "no-cache"));
    expect(await nativeMembers(log, "linux-arm64")).toEqual([]);
    vi.unstubAllEnvs();
    const left = `Node is not in the bundle, and each laptop needs Node 20.19 or newer: ${node.execPath} was left out, since`;
    const slower = "native TensorFlow is not in the bundle, and laptops compute with WebGPU or WebAssembly, which is slower:";
    expect(lines).toEqual([
      `${left} its LICENSE is not in ${join(place, "own")}; to bring it, bundle with a Node from https://nodejs.org`,
      `${left} it uses shared libraries of this machine; to bring it, bundle with a Node from https://nodejs.org`,
      `${slower} there is no pinned TensorFlow library for darwin-arm64`,
      `${slower} ERPO_BACKEND is wasm: unset it, and bundle again`,
      expect.stringMatching(`^${slower} the native TensorFlow library is not set up; `),
    ]);
  });

  test("the command of a bundle, for each platform", () => {
    expect(launcher("linux")).toMatchObject({ path: "erpo", executable: true, text: expect.stringMatching(/^#!\/bin\/sh\n/) });
    expect(launcher("darwin").path).toBe("erpo");
    const windows = launcher("win32");
    expect(windows).toMatchObject({ path: "erpo.cmd", text: expect.stringContaining('"%~dp0src\\setup\\bootstrap.mjs" %*\r\n') });
  });
});

test("an archive unpacks with modes, links, long names and large files, and its digest is beside it", async () => {
  const long = `${"deep/".repeat(30)}${"n".repeat(90)}.txt`;
  write("large.bin", "0123456789".repeat(500_000));
  const members: Member[] = [
    { path: "erpo", text: "#!/bin/sh\necho started\n", executable: true },
    { path: long, text: "far" },
    { path: "node_modules/.bin/tool", link: "../tool/main.js" },
    { path: "cache/large.bin", from: join(place, "large.bin") },
  ];
  const archive = join(place, "small.tar.gz");
  expect(await writeArchive(archive, members)).toBe(statSync(archive).size);
  const out = join(place, "out");
  mkdirSync(out);
  expect(spawnSync("tar", ["xzf", archive, "-C", out], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  expect(spawnSync(join(out, "erpo/erpo"), { encoding: "utf8" }).stdout).toBe("started\n");
  expect(readFileSync(join(out, "erpo", long), "utf8")).toBe("far");
  expect(readlinkSync(join(out, "erpo/node_modules/.bin/tool"))).toBe("../tool/main.js");
  expect(statSync(join(out, "erpo/cache/large.bin")).size).toBe(5_000_000);
  const check = spawnSync("sha256sum", ["-c", "small.tar.gz.sha256"], { cwd: place, encoding: "utf8" });
  if (!check.error) expect(check.stdout).toBe("small.tar.gz: OK\n");
  const { files, platform, glibc } = JSON.parse(readFileSync(join(out, "erpo/bundle.json"), "utf8"));
  expect(Object.keys(files)).toEqual(["erpo", long, "cache/large.bin"]);
  expect({ platform, glibc }).toEqual({ platform: `${process.platform}-${process.arch}`, glibc: null });
});

const lacking =
  lackOf("a machine without network", "run the tests as root of a machine that lets them", () => {
    const outcome = spawnSync("unshare", ["-n", "true"], { encoding: "utf8" });
    return outcome.status === 0 ? undefined : failure(outcome);
  }) ??
  lackOf("native TensorFlow, the data, and a C++ compiler", "`erpo setup` brings them", () =>
    typeof findBinding() === "string" || packageMembers().length === 0 ? "they are not set up" : undefined,
  );

/** A laptop: an empty home, no network, and what was unpacked. What is large and never written to is linked from where it lies here. */
describe.skipIf(lacking)(`on a laptop without network${skipped(lacking)}`, () => {
  const home = join(place, "laptop");
  const root = join(home, "erpo");
  const on = async (program: string, ...words: string[]) => {
    const env = { HOME: home, PATH: "/usr/bin:/bin", TMPDIR: join(home, "tmp"), NO_COLOR: "1" };
    const run = promisify(execFile)("unshare", ["-n", program, ...words], { cwd: root, env, maxBuffer: 1 << 24 });
    return run.then(
      (done) => ({ ...done, code: 0 }),
      (error) => error as { stdout: string; stderr: string; code: number },
    );
  };
  const erpo = (...words: string[]) => on("./erpo", ...words);
  const isLarge = (path: string) => path.startsWith("node_modules/") || /\/libtensorflow_cc\.so/.test(path);

  beforeAll(async () => {
    if (!(await findCompiler())) throw new Error("no C++ compiler");
    await openTiny(join(place, "tiny-runs/class"));
    const members = [
      ...checkoutMembers(),
      ...packageMembers(),
      ...(await nativeMembers(() => {})),
      ...nodeMembers(() => {}),
      ...runMembers(join(place, "tiny-runs/class"), "class"),
      launcher(process.platform),
    ];
    await writeArchive(
      join(place, "erpo.tar.gz"),
      members.filter(({ path }) => !isLarge(path)),
    );
    mkdirSync(join(home, "tmp"), { recursive: true });
    await promisify(execFile)("tar", ["xzf", join(place, "erpo.tar.gz"), "-C", home]);
    symlinkSync(join(import.meta.dirname, "../../node_modules"), join(root, "node_modules"));
    for (const member of members)
      if ("from" in member && /libtensorflow_cc/.test(member.path)) symlinkSync(member.from, join(root, member.path));
  }, 600_000);

  test("the first command reads all files once; later ones do not", async () => {
    const first = await erpo("--version");
    expect(first).toMatchObject({
      code: 0,
      stdout: "0.1.0\n",
      stderr: expect.stringMatching(/^erpo: reading the bundle's \d+ files, once\n$/),
    });
    expect(await erpo("--version")).toMatchObject({ code: 0, stderr: "" });
  }, 300_000);

  test("doctor finds all there, in the bundle's own cache, and computes with its kernels", async () => {
    const { stdout } = await erpo("doctor", "--json");
    const { ok, device, cache, packages, programs } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(device).toMatchObject({ kind: "tensorflow", library: expect.stringContaining("with our kernels") });
    expect(cache.folder).toBe(join(root, "cache"));
    expect(packages.every(({ ready }: { ready: boolean }) => ready)).toBe(true);
    const kernels = readdirSync(join(root, "cache/native"), { recursive: true, encoding: "utf8" }).filter((file) =>
      /erpo-kernels.*\.so$/.test(file),
    );
    expect(kernels.every((file) => /erpo-kernels-[a-z]\w+/.test(file))).toBe(true);
    expect(programs).not.toHaveProperty("pip"); // nor what else only set-up needs
    expect(programs).not.toHaveProperty("g++");
    expect((await erpo("doctor")).stdout).toContain(`The main job can run: ${process.platform === "win32" ? ".\\erpo" : "./erpo"} start\n`);
  }, 300_000);

  test("the kernel is installed with the bundle's Node, and a notebook runs", async () => {
    expect(await erpo("kernel", "install")).toMatchObject({ code: 0 });
    const { argv } = JSON.parse(readFileSync(join(home, ".local/share/jupyter/kernels/erpo/kernel.json"), "utf8"));
    if (nodeMembers(() => {}).length > 0) expect(argv[0]).toBe(join(root, "node/bin/node"));
    const source = `import { loadModel, openRun } from "erpo";
const model = await loadModel("../test/fixtures/llama-tiny");
const run = await openRun("../runs/class", { model, profile: "tiny" });
console.log(model.config.numLayers, run.profile.name);`;
    const notebook = {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { kernelspec: { name: "erpo", display_name: "TypeScript (ERPO)", language: "typescript" } },
      cells: [{ cell_type: "code", id: "a", metadata: {}, execution_count: null, outputs: [], source }],
    };
    writeFileSync(join(root, "notebooks/lesson.ipynb"), JSON.stringify(notebook));
    const { code, stderr } = await erpo("execute", "notebooks/lesson.ipynb");
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const [cell] = JSON.parse(readFileSync(join(root, "notebooks/lesson.ipynb"), "utf8")).cells;
    expect(cell.outputs.map(({ text }: { text: string | string[] }) => [text].flat().join(""))).toEqual(["2 tiny\n"]);
  }, 300_000);

  test("the tests run, and the run is there", async () => {
    const { code, stdout } = await erpo("test", "test/objectives/dpo.test.ts");
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/Tests +\d+ passed/) });
    expect((await erpo("runs")).stdout).toContain("class");
  }, 300_000);

  test("a change of one's own is kept; each damaged file is named before anything starts", async () => {
    writeFileSync(join(root, "notebooks/references.bib"), "");
    const model = readdirSync(join(root, "cache/packages"), { recursive: true, encoding: "utf8" }).find((file) => file.endsWith(".gguf"))!;
    const bytes = readFileSync(join(root, "cache/packages", model));
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(join(root, "cache/packages", model), bytes);
    rmSync(join(root, "node/LICENSE"), { force: true });
    const { code, stderr } = await erpo("start");
    const damaged = [`cache/packages/${model}`, ...(nodeMembers(() => {}).length > 0 ? ["node/LICENSE"] : [])];
    for (const file of damaged) expect(stderr).toContain(`erpo: ${file} is damaged or missing\n`);
    expect(stderr).toContain("of the bundle");
    expect(stderr).not.toContain("references.bib");
    expect(code).toBe(1);
    expect(existsSync(join(root, "runs/quick"))).toBe(false);
  }, 300_000);
});
