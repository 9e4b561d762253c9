import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { canonicalJson, digestOf, type Identity, type IdentityValue, identityDifferences } from "../../src/data/identity.js";
import { claim, keptResults } from "../../src/runs/claim.js";
import { keep } from "../../src/runs/keep.js";
import { contentSha256, contentsNow, currentSha256, staleReason } from "../../src/runs/stale.js";
import { removeLeftovers } from "../../src/setup/atomic.js";
import { removeAbandonedLocks } from "../../src/setup/lock.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "erpo-keep-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = (name: string, ...parents: string[]) => ({ dir: join(root, name), parents: parents.map((parent) => join(root, parent)) });
const never = () => Promise.reject(new Error("computed again"));

test("the same identity is read, another one is named with its two ways out, and nothing is written over", async () => {
  const run = at("run");
  expect(await keep(run, "a/score.json", { beta: 0.1, rows: "x" }, async () => ({ auc: 0.5 }))).toEqual({ auc: 0.5 });
  expect(await keep(run, "a/score.json", { rows: "x", beta: 0.1 }, never)).toEqual({ auc: 0.5 });
  await expect(keep(run, "a/score.json", { beta: 0.5, rows: "x" }, never)).rejects.toThrow(
    `a/score.json was made with beta 0.1, not 0.5: use a branch (run.branch) or another folder, or remove ${join(root, "run/a/score.json")}`,
  );
  expect(JSON.parse(readFileSync(join(root, "run/a/score.json"), "utf8"))).toEqual({ auc: 0.5 });
  rmSync(join(root, "run/a/score.json")); // the second way out
  expect(await keep(run, "a/score.json", { beta: 0.5, rows: "x" }, async () => ({ auc: 0.7 }))).toEqual({ auc: 0.7 });
});

test("a result that is taken up again is noted anew, so that it shows as under way", async () => {
  const run = at("run");
  const killed = () => Promise.reject(new Error("killed"));
  await expect(keep(run, "a/score.json", { beta: 0.1 }, killed)).rejects.toThrow("killed");
  const record = join(root, "run/a/score.identity.json");
  utimesSync(record, 1, 1);
  const begun = Date.now();
  await expect(keep(run, "a/score.json", { beta: 0.1 }, killed)).rejects.toThrow("killed");
  expect(statSync(record).mtimeMs).toBeGreaterThan(begun - 5000);
});

test("a plain value is named before the digests that follow from it, and the others after it", async () => {
  const run = at("run");
  const of = (beta: number, lr: number) => ({ objective: { beta }, optimizer: { learningRate: lr }, batches: digestOf([beta, lr]) });
  await keep(run, "score.json", of(0.1, 1), async () => ({}));
  await expect(keep(run, "score.json", of(0.1, 2), never)).rejects.toThrow("score.json was trained with learningRate 1, not 2: use");
  await expect(keep(run, "score.json", of(0.5, 2), never)).rejects.toThrow("with beta 0.1, not 0.5, and with another learningRate: use");
});

test("a record that was changed by hand is named as such", async () => {
  const run = at("changed");
  await keep(run, "a.json", { version: 3 }, async () => ({ a: 1 }));
  const file = join(root, "changed/a.identity.json");
  writeFileSync(file, readFileSync(file, "utf8").replace('"version": 3', '"version": 4'));
  await expect(keep(run, "a.json", { version: 4 }, async () => ({ a: 2 }))).rejects.toThrow(
    "a.json: the record of what it was made from was changed by hand: use a branch",
  );
});

test("a result without a record is named as too old", async () => {
  const run = at("run");
  await keep(run, "score.json", {}, async () => ({}));
  rmSync(join(root, "run/score.identity.json"));
  await expect(keep(run, "score.json", {}, never)).rejects.toThrow(
    "was kept by a version of erpo that did not note what it was made from: use a branch",
  );
});

test("a killed computation leaves nothing that stops another one", async () => {
  const run = at("run");
  await expect(keep(run, "score.json", { beta: 1 }, () => Promise.reject(new Error("killed")))).rejects.toThrow("killed");
  expect(await keep(run, "score.json", { beta: 2 }, async () => ({ beta: 2 }))).toEqual({ beta: 2 });
});

test("a branch shares by hard link what has the same identity, and computes the rest", async () => {
  await keep(at("run"), "score.json", { beta: 1 }, async () => ({ from: "run" }));
  const branch = at("branch", "run");
  expect(await keep(branch, "score.json", { beta: 1 }, never)).toEqual({ from: "run" });
  expect(statSync(join(root, "branch/score.json")).ino).toBe(statSync(join(root, "run/score.json")).ino);
  expect(await keep(at("other", "run"), "score.json", { beta: 2 }, async () => ({ from: "other" }))).toEqual({ from: "other" });
  rmSync(join(root, "run"), { recursive: true }); // the branch keeps its own name of the file
  expect(await keep(branch, "score.json", { beta: 1 }, never)).toEqual({ from: "run" });
});

test("a branch of a branch whose results are links shares the file itself, not what the link's path leads to from its own folder", async () => {
  await keep(at("run"), "score.json", { beta: 1 }, async () => ({ from: "run" }));
  await keep(at("elsewhere/run"), "score.json", { beta: 2 }, async () => ({ from: "another run of that name" }));
  await keep(at("branch", "run"), "score.json", { beta: 1 }, never);
  rmSync(join(root, "branch/score.json"));
  symlinkSync("../run/score.json", join(root, "branch/score.json")); // as on a file system without hard links
  expect(await keep(at("elsewhere/branch", "branch", "run"), "score.json", { beta: 1 }, never)).toEqual({ from: "run" });
});

/** A disk that hard links from the temporary folder do not reach. */
const otherDisk = ["/dev/shm"].find((place) => existsSync(place) && statSync(place).dev !== statSync(tmpdir()).dev);

test.skipIf(!otherDisk)("a branch on another disk, in a folder that a link leads to, shares by a link that is right there", async () => {
  const disk = mkdtempSync(join(otherDisk!, "erpo-keep-"));
  try {
    mkdirSync(join(disk, "deeper"));
    symlinkSync(join(disk, "deeper"), join(root, "branches"));
    await keep(at("run"), "score.json", { beta: 1 }, async () => ({ from: "run" }));
    expect(await keep(at("branches/one", "run"), "score.json", { beta: 1 }, never)).toEqual({ from: "run" });
    expect(lstatSync(join(root, "branches/one/score.json")).isSymbolicLink()).toBe(true);
  } finally {
    rmSync(disk, { recursive: true });
  }
});

test("a copy of a result in the folder, and a run that lies in it, are none of its results", async () => {
  const run = at("run");
  const made = (dir: string, text: string) => {
    mkdirSync(join(root, dir), { recursive: true });
    for (const name of ["stage.json", "adapter_model.safetensors"]) writeFileSync(join(root, dir, name), text);
  };
  const place = (folder: ReturnType<typeof at>, beta: number) => claim(folder, "2-dpo", ["2-dpo/stage.json"], { objective: { beta } });
  place(run, 0.1);
  made("run/2-dpo", "0.1");
  await keep(run, "2-dpo/dev.json", { beta: 0.1 }, async () => ({}));
  const own = keptResults(run.dir);
  expect(own.map(({ path }) => path)).toEqual(["2-dpo/dev.json", "2-dpo"]);
  cpSync(join(run.dir, "2-dpo"), join(run.dir, "2-dpo-before"), { recursive: true });
  cpSync(join(run.dir, "2-dpo/dev.identity.json"), join(run.dir, "2-dpo/dev copy.identity.json"));
  const inside = at("run/sweep/runs/beta=0.5");
  place(inside, 0.5);
  made("run/sweep/runs/beta=0.5/2-dpo", "0.5");
  await keep(inside, "2-dpo/dev.json", { beta: 0.5 }, async () => ({}));
  expect(keptResults(run.dir)).toEqual(own);
});

test("a folder is read although another process makes and removes folders in it, as training does with checkpoints", async () => {
  const { dir } = at("run");
  for (let i = 0; i < 300; i++) mkdirSync(join(dir, `${i}`), { recursive: true }); // reading takes so long that one vanishes
  const churn = "for (;;) { fs.mkdirSync('checkpoint-1'); console.log(1); fs.rmdirSync('checkpoint-1'); }";
  const other = spawn(process.execPath, ["-e", churn], { cwd: dir });
  await once(other.stdout, "data");
  other.stdout.resume();
  for (let i = 0; i < 3; i++) {
    expect(keptResults(dir)).toEqual([]);
    removeLeftovers(dir);
    removeAbandonedLocks(dir);
    await new Promise((resolve) => setTimeout(resolve, 5)); // takes what the other one says
  }
  other.kill("SIGKILL");
  await once(other, "exit");
});

test("what stands on a replaced result is stale, through any number of steps", async () => {
  const run = at("run");
  await keep(run, "a.json", { version: 1 }, async () => ({ a: 1 }));
  const made = async (path: string, from: string) =>
    keep(run, path, { from: { [from]: currentSha256(run, from) } }, async () => ({ path }));
  await made("b.json", "a.json");
  await made("c.json", "b.json");
  expect(staleReason(run.dir, "c.json")).toBeUndefined();
  writeFileSync(join(root, "run/a.json"), '{"a":2}\n');
  expect(staleReason(run.dir, "b.json")).toBe("a.json is another one than it was made from");
  expect(() => currentSha256(run, "c.json")).toThrow("c.json is stale: b.json, which it was made from, is stale: a.json is another one");
  rmSync(join(root, "run/a.json"));
  expect(staleReason(run.dir, "b.json")).toBe("a.json, which it was made from, is not there");
  expect(contentSha256(run.dir, "a.json")).toBeUndefined();
  expect(existsSync(join(root, "run/b.json"))).toBe(true);
});

test("of several results that one is made from each counts, and of two runs each has its own", async () => {
  const [run, other] = [at("run"), at("other")];
  for (const it of [run, other]) {
    for (const name of ["a.json", "b.json"]) await keep(it, name, {}, async () => ({ name }));
    const from = Object.fromEntries(["a.json", "b.json"].map((name) => [name, currentSha256(it, name)]));
    await keep(it, "c.json", { from }, async () => ({}));
  }
  for (const name of ["a.json", "b.json"]) {
    const before = readFileSync(join(other.dir, name));
    writeFileSync(join(other.dir, name), "{}");
    const now = contentsNow();
    expect(staleReason(run.dir, "c.json", now)).toBeUndefined();
    expect(staleReason(other.dir, "c.json", now)).toBe(`${name} is another one than it was made from`);
    writeFileSync(join(other.dir, name), before);
  }
});

test("a policy's folder is its adapter, the adapter's configuration and its policy.json", () => {
  const write = (name: string, text: string) => {
    mkdirSync(join(root, "folder"), { recursive: true });
    writeFileSync(join(root, "folder", name), text);
    return contentSha256(root, "folder");
  };
  expect(write("adapter_config.json", '{"r":2,"lora_alpha":4}')).toBeUndefined();
  const whole = write("adapter_model.safetensors", "weights");
  expect(write("adapter_config.json", '{ "lora_alpha": 4, "r": 2, "base_model_name_or_path": "a" }')).toBe(whole);
  const all = [
    whole,
    write("adapter_config.json", '{"r":2,"lora_alpha":400}'),
    write("adapter_config.json", '{"r":2,'),
    write("policy.json", "{}"),
  ];
  expect(new Set(all).size).toBe(4);
});

const leaf = fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null));
const identity = fc.dictionary(
  fc.string(),
  fc.oneof(leaf, fc.array(leaf, { maxLength: 3 }), fc.dictionary(fc.string(), leaf, { maxKeys: 3 })),
) as fc.Arbitrary<Identity>;

test("the order of keys and undefined fields change no identity; any single change of a value does, and is found", () => {
  fc.assert(
    fc.property(identity, fc.nat(), leaf, (value, pick, other) => {
      const entries = Object.entries(value);
      expect(digestOf(Object.fromEntries([...entries].reverse().concat([["undefined field", undefined]])) as IdentityValue)).toBe(
        digestOf(value as IdentityValue),
      );
      expect(identityDifferences(value as IdentityValue, value as IdentityValue)).toEqual([]);
      const [name, was] = entries[pick % Math.max(1, entries.length)] ?? ["new", undefined];
      if (canonicalJson(was) === canonicalJson(other) && entries.length > 0) return;
      const changed = { ...value, [name]: other } as IdentityValue;
      expect(digestOf(changed)).not.toBe(digestOf(value as IdentityValue));
      expect(identityDifferences(value as IdentityValue, changed).length).toBeGreaterThan(0);
    }),
  );
});

test("a branch whose link has lost its run computes in its own folder, and writes nothing into the other", async () => {
  await keep(at("run"), "score.json", { beta: 1 }, async () => ({ from: "run" }));
  await keep(at("branch", "run"), "score.json", { beta: 1 }, never);
  rmSync(join(root, "branch/score.json"));
  symlinkSync("../run/score.json", join(root, "branch/score.json")); // as on a file system without hard links
  rmSync(join(root, "run/score.json"));
  expect(await keep(at("branch"), "score.json", { beta: 1 }, async () => ({ from: "branch" }))).toEqual({ from: "branch" });
  expect(lstatSync(join(root, "branch/score.json")).isFile()).toBe(true);
  expect(existsSync(join(root, "run/score.json"))).toBe(false);
});

test("the way out names each file of the result that is there, and leads on", async () => {
  const run = at("run");
  const files = ["a/score.json", "a/score.jsonl", "a/score.jsonl.partial"] as const;
  const place = (beta: number) => claim(run, files[0], [...files], { beta });
  place(0.1);
  for (const file of files.slice(1)) writeFileSync(join(run.dir, file), "");
  const [, rows, partial] = files.map((file) => join(run.dir, file));
  expect(() => place(0.5)).toThrow(new RegExp(`or remove ${rows} and ${partial}$`));
  for (const file of [rows!, partial!]) rmSync(file);
  expect(place(0.5)).toBe("open");
});

test("a result that is made from another one than before is named by both", async () => {
  const run = at("run");
  const from = (path: string) => ({ recipe: "last", from: { [path]: digestOf(path) } });
  await keep(run, "last.json", from("2-dpo"), async () => ({}));
  await expect(keep(run, "last.json", from("1-sft"), never)).rejects.toThrow("last.json was made from 2-dpo, not from 1-sft: use a branch");
});

test("a list is refused before it is written", async () => {
  const run = at("run");
  await expect(keep(run, "list.json", {}, async () => [1, 2])).rejects.toThrow("list.json: what is kept is an object");
  expect(await keep(run, "list.json", {}, async () => ({ rows: [1, 2] }))).toEqual({ rows: [1, 2] });
});
