import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { describe as describeRun } from "../../src/cli/dry-run.js";
import { plan } from "../../src/methods/erpo/plan.js";
import { checkModel } from "../../src/model/load.js";
import { profile } from "../../src/runs/profile.js";
import { variants } from "../../src/setup/binding.js";

const root = resolve(import.meta.dirname, "../..");
const tiny = join(root, "test/fixtures/llama-tiny");
const scratch = mkdtempSync(join(tmpdir(), "erpo-dry-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("start --dry-run says what the full profile would compute and writes nothing", () => {
  const args = ["start", "--profile", "full", "--dry-run", "--model", tiny, "--run", join(scratch, "run")];
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "src/setup/bootstrap.mjs"), ...args], { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  for (const { notebook, work } of plan(profile("full"))) {
    expect(stdout).toContain(`\n${notebook}\n`);
    for (const { name, tokens } of work) expect(stdout).toMatch(new RegExp(`\n  ${name} .* ${tokens.toLocaleString("en")} `));
  }
  expect(stdout).toMatch(/\ntime {6}about \d+ (s|min|h).* at [\d.]+ GFLOP\/s/);
  expect(stdout).toMatch(/; fits the [\d.]+ GB of the device\n/);
  expect(existsSync(join(scratch, "run")) || readdirSync(scratch).length > 0).toBe(false);
});

test("before set-up, start --dry-run says that its numbers are of another device", () => {
  const args = [join(root, "src/setup/bootstrap.mjs"), "start", "--profile", "tiny", "--dry-run", "--model", tiny];
  const fresh = { ...process.env, ERPO_CACHE: join(scratch, "no-cache"), ERPO_BACKEND: undefined };
  const said = /^set-up {4}the native TensorFlow library is not set up: .* run `npm run erpo -- setup` first, and this again$/m;
  const dry = (env: NodeJS.ProcessEnv) => spawnSync(process.execPath, args, { encoding: "utf8", env }).stdout;
  if (variants().length > 0) expect(dry(fresh)).toMatch(said);
  expect(dry({ ...fresh, ERPO_BACKEND: "wasm" })).toMatch(/^disk .*\n$/m);
}, 120_000);

test("start --dry-run takes a profile's file", () => {
  const file = join(scratch, "mine.json");
  writeFileSync(file, '{"extends": "tiny", "stage3": {"rounds": 1}}');
  const args = ["start", "--profile", file, "--dry-run", "--model", tiny];
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "src/setup/bootstrap.mjs"), ...args], { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/^profile {3}mine$/m);
  expect(stdout).toContain("3-length-controlled/round-1");
  expect(stdout).not.toContain("3-length-controlled/round-2");
});

test("whether a device's memory holds the job", async () => {
  const config = await checkModel(tiny);
  const machine = { device: { name: "NVIDIA GPU", precision: "bf16" }, gflops: 1, second: false, busy: null, unready: null } as const;
  const on = (memory: number | null, gflops = 1) => describeRun(profile("full"), "m", config, { ...machine, memory, gflops });
  expect(on(16e9)).toContain("fits the 16.0 GB of the device");
  expect(on(5e8)).toContain("does not fit the 500 MB of the device");
  expect(on(null)).toContain("the device does not say how much it has");
  const time = (gflops: number) => /^time +about (.*) at /m.exec(on(16e9, gflops))![1];
  expect([time(2), time(100)]).toEqual(["51 min", "61 s"]);
  expect(on(16e9)).toContain("GFLOP/s, if nothing else runs\n");
  const busy = describeRun(profile("full"), "m", config, { ...machine, memory: 16e9, busy: "1.4 of 2 cores busy" });
  expect(busy).toContain("GFLOP/s, while other work keeps 1.4 of 2 cores busy, and less when that ends\n");
});
