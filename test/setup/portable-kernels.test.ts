import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findBinding } from "../../src/setup/binding.js";
import { findCompiler, kernelsFile, portableKernels } from "../../src/setup/kernels.js";
import { cacheDir } from "../../src/setup/paths.js";

/** Kernels that were compiled for other processors, beside those for this one: the same work in processes that find nothing but one of them. */

const binding = findBinding();
const here = typeof binding === "string" || binding.origin !== "built" ? undefined : binding;
const note =
  here && (await findCompiler())
    ? ""
    : " (skipped: native TensorFlow that set-up has built, and a C++ compiler; `erpo setup` brings the one)";
const root = join(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "erpo-portable-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** What on-device.mjs says of the tiny models. */
interface Result {
  device: { library: string };
  batch: number[][];
  drawn: number[][];
  [numbers: string]: unknown;
}

/** A cache with TensorFlow and no kernels but the given ones. */
function cacheWith(name: string, kernels: string): string {
  const folder = dirname(here!.file);
  const cache = join(scratch, name);
  const native = join(cache, folder.slice(cacheDir().length + 1));
  mkdirSync(native, { recursive: true });
  symlinkSync(join(folder, "..", "manifest.json"), join(native, "..", "manifest.json"));
  const files = readdirSync(folder).filter((file) => !file.startsWith("erpo-kernels-"));
  for (const file of [...files, basename(kernels)]) symlinkSync(join(folder, file), join(native, file));
  return cache;
}

const product = `
  import * as tf from "@tensorflow/tfjs";
  import { openDevice } from "./dist/src/backend/device.js";
  import { pack, packedProduct } from "./dist/src/backend/ops/packed.js";
  await openDevice();
  const [x, w] = [[13, 577], [577, 130]].map((shape, seed) => tf.randomNormal(shape, 0, 1, "float32", seed + 1));
  pack(w);
  console.log(JSON.stringify([...(await packedProduct(x, w).data())]));`;

async function results(name: string, kernels: string): Promise<[Result, number[]]> {
  const env = { ...process.env, ERPO_CACHE: cacheWith(name, kernels), ERPO_BACKEND: "tensorflow" };
  const run = async (words: string[]) => JSON.parse((await promisify(execFile)(process.execPath, words, { cwd: root, env })).stdout);
  return [
    await run([join(root, "test/backend/on-device.mjs"), join(scratch, `${name}-scratch`)]),
    await run(["--input-type=module", "-e", product]),
  ];
}

/** All numbers of a value, one after the other. */
const numbers = (value: unknown): number[] =>
  typeof value === "number" ? [value] : typeof value === "object" && value !== null ? Object.values(value).flatMap(numbers) : [];

/** The largest difference between two values' numbers, relative where they are larger than 1. */
function difference(ours: unknown, theirs: unknown): number {
  const [a, b] = [numbers(ours), numbers(theirs)];
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]!) / Math.max(1, Math.abs(b[i]!))));
}

let portable: string[];
let native: [Result, number[]];
beforeAll(async () => {
  if (note) return;
  portable = (await portableKernels(here!, () => {})).filter((file) => file.endsWith(".so"));
  const own = kernelsFile(here!)!;
  native = await results("own", existsSync(own) ? own : portable.at(-1)!);
}, 600_000);

test.skipIf(note || process.arch !== "x64")(
  `kernels for AVX2 alone give the numbers of this processor's own${note}`,
  async () => {
    const avx2 = portable.find((file) => basename(file).includes("-avx2-"))!;
    const [[ours, ourProduct], [theirs, theirProduct]] = [await results("avx2", avx2), native];
    expect(ours.device.library).toContain("with our kernels");
    expect(ours.batch).toEqual(theirs.batch);
    expect(ours.drawn).toEqual(theirs.drawn);
    for (const part of ["llama", "qwen3", "sft", "reference", "preference"])
      expect(difference(ours[part], theirs[part]), part).toBeLessThan(1.5e-5);
    expect(difference(ours.trained, theirs.trained)).toBeLessThan(2.5e-5); // AdamW makes much of a small gradient's rounding
    expect(difference(ourProduct, theirProduct)).toBeLessThan(2e-5); // in BF16: sums of 577 products, each of which float32 holds exactly
  },
  600_000,
);
