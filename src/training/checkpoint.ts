import { existsSync, readdirSync } from "node:fs";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { z } from "zod";
import { type IdentityDifference, type IdentityValue, identityDifferences } from "../data/identity.js";
import { loadAdapter, saveAdapter } from "../model/adapter-io.js";
import type { DecoderConfig } from "../model/config.js";
import { openRanges, sha256 } from "../model/files.js";
import type { Lora } from "../model/lora.js";
import { readSafetensors, writeSafetensors } from "../model/safetensors.js";
import { isAlive } from "../setup/alive.js";
import { removeLeftovers, writeJson } from "../setup/atomic.js";
import { TrainingError } from "./errors.js";
import type { AdamWState } from "./optimizer.js";

/** What decides a run's numbers; a checkpoint is good only for the same. Values are plain JSON. */
export type RunSettings = Record<string, unknown>;

/** Where a run stands: everything beside the adapter that the next step needs. */
export interface TrainingState {
  /** Finished steps: also the position in the plan of batches. */
  step: number;
  /** Real tokens so far. */
  numTokens: number;
  settings: RunSettings;
  /** The stored step that is the best so far, where the run looks for one. */
  best?: { step: number; value: number };
  optimizer: AdamWState;
}

/** A checkpoint whose files are all there and unchanged. */
export interface Checkpoint extends TrainingState {
  dir: string;
}

const manifestSchema = z.object({
  format: z.literal(1),
  files: z.record(z.string(), z.object({ bytes: z.number(), sha256: z.string() })),
});
type Manifest = z.infer<typeof manifestSchema>;

/**
 * Writes `DIR/checkpoint-N/`: the adapter in PEFT's format, optimizer.safetensors, state.json, and manifest.json with the SHA-256 of each. It is made beside its
 * place, synced, files and folders, and renamed: a crash leaves the whole checkpoint or none. Then the others are removed but the newest and the best.
 * @param base the model that the adapter is for
 * @param keep.limit how many are kept, this one included
 * @param keep.before step of the whole checkpoint that the run has gone on from, or has stored last, 0 for none: those between it and this one are broken
 * @param dropout that the adapter is trained with
 */
export async function saveCheckpoint(
  dir: string,
  state: TrainingState,
  lora: Lora,
  base: string,
  keep: { limit: number; before: number },
  dropout?: number,
): Promise<string> {
  const target = join(dir, `checkpoint-${state.step}`);
  const beside = join(dir, `tmp-checkpoint-${state.step}-${process.pid}`);
  await rm(beside, { recursive: true, force: true });
  try {
    await writeCheckpoint(beside, state, lora, base, dropout);
  } catch (error) {
    await rm(beside, { recursive: true, force: true }); // such as on a full disk
    throw error;
  }
  await rm(target, { recursive: true, force: true }); // only a broken one can be there
  await rename(beside, target);
  await syncFolder(dir);
  const older = steps(dir).filter((step) => step <= keep.before);
  const kept = [state.step, ...older.slice(0, keep.limit - 1), state.best?.step];
  for (const step of steps(dir).filter((step) => !kept.includes(step)))
    await rm(join(dir, `checkpoint-${step}`), { recursive: true, force: true });
  return target;
}

async function writeCheckpoint(beside: string, state: TrainingState, lora: Lora, base: string, dropout?: number): Promise<void> {
  await saveAdapter(beside, lora, base, { dropout });
  const { optimizer, ...rest } = state;
  await writeSafetensors(join(beside, "optimizer.safetensors"), [
    { name: "exp_avg", shape: [optimizer.m.length], data: () => optimizer.m },
    { name: "exp_avg_sq", shape: [optimizer.v.length], data: () => optimizer.v },
  ]);
  writeJson(join(beside, "state.json"), { ...rest, optimizer: { step: optimizer.step } });
  const manifest: Manifest = { format: 1, files: {} };
  for (const file of readdirSync(beside).sort()) {
    const path = join(beside, file);
    manifest.files[file] = { bytes: (await stat(path)).size, sha256: await sha256(path) };
  }
  writeJson(join(beside, "manifest.json"), manifest);
  await syncFolder(beside);
}

/**
 * The newest checkpoint of a folder whose files are all as its manifest says, or null. Reads only.
 * @returns also the broken ones that were skipped, a line each: `FOLDER: cause`
 */
export async function newestCheckpoint(dir: string): Promise<{ checkpoint: Checkpoint | null; broken: string[] }> {
  const broken: string[] = [];
  if (!existsSync(dir)) return { checkpoint: null, broken };
  for (const step of steps(dir)) {
    const folder = join(dir, `checkpoint-${step}`);
    try {
      return { checkpoint: await readCheckpoint(folder), broken };
    } catch (error) {
      broken.push(`${folder}: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  return { checkpoint: null, broken };
}

/** Removes what processes that have ended left half-written in a folder; what belongs to a living one stays. */
export async function removeUnfinished(dir: string): Promise<void> {
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir)) {
    const pid = /^tmp-checkpoint-\d+-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(dir, name), { recursive: true, force: true });
  }
  removeLeftovers(dir);
}

/** Removes a folder's checkpoints, whole or not, to start over. */
export async function removeCheckpoints(dir: string): Promise<void> {
  if (!existsSync(dir)) return;
  for (const step of steps(dir)) await rm(join(dir, `checkpoint-${step}`), { recursive: true, force: true });
}

/** Puts a checkpoint's adapter into the variables of the one that is trained. @throws TrainingError when they differ in shape or place */
export async function restoreAdapter(checkpoint: Checkpoint, lora: Lora, config: DecoderConfig): Promise<void> {
  const stored = await loadAdapter(checkpoint.dir, config);
  try {
    const same = stored.names().join() === lora.names().join() && stored.config.r === lora.config.r && stored.scale === lora.scale;
    if (!same)
      throw new TrainingError(`${checkpoint.dir}: another adapter's checkpoint: remove the folder, or use another one, to start over`);
    const values = stored.variables();
    lora.variables().forEach((variable, i) => {
      tf.tidy(() => variable.assign(tf.clone(values[i]!)));
    });
  } finally {
    stored.dispose();
  }
}

/**
 * Checks that a checkpoint belongs to the run that wants to go on from it.
 * @throws TrainingError naming all settings that differ
 */
export function checkSettings(checkpoint: Checkpoint, settings: RunSettings): void {
  const plain = JSON.parse(JSON.stringify(settings)) as IdentityValue;
  const differences = identityDifferences(checkpoint.settings as IdentityValue, plain);
  if (differences.length === 0) return;
  const [first, ...more] = differences.map(inWords).sort((a, b) => Number(a.isLong) - Number(b.isLong));
  const words = more.reduce((list, { text }, i) => `${list}${i === more.length - 1 ? " and " : ", "}${text}`, first!.text);
  throw new TrainingError(
    `${checkpoint.dir}: made with ${words}: use another folder, or remove its checkpoints to start over ("resume": false in a RUN.json does)`,
  );
}

/** `steps 4 (now 6)`; of digests and other long values only that they differ: they mostly follow from the others. */
function inWords({ field, was, now }: IdentityDifference): { text: string; isLong: boolean } {
  const [before, after] = [was, now].map((value) => JSON.stringify(value) ?? "none");
  const isLong = `${before}${after}`.length > 80;
  return { text: isLong ? `another ${field}` : `${field} ${before} (now ${after})`, isLong };
}

/** The checkpoint of a step. @throws TrainingError when it is not there, or not whole */
export async function openCheckpoint(dir: string, step: number): Promise<Checkpoint> {
  const folder = join(dir, `checkpoint-${step}`);
  try {
    return await readCheckpoint(folder);
  } catch (error) {
    throw new TrainingError(`${folder}: ${(error as Error).message.split("\n")[0]}: start the run over`);
  }
}

async function readCheckpoint(dir: string): Promise<Checkpoint> {
  const manifest = await readManifest(join(dir, "manifest.json"));
  for (const needed of ["adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors", "state.json"]) {
    const entry = manifest.files[needed];
    if (!entry) throw new Error(`manifest.json does not list ${needed}`);
    const path = join(dir, needed);
    if (!existsSync(path)) throw new Error(`${needed} is missing`);
    const { size } = await stat(path);
    if (size !== entry.bytes) throw new Error(`${needed} has ${size} bytes instead of ${entry.bytes}`);
    if ((await sha256(path)) !== entry.sha256) throw new Error(`${needed} is not what manifest.json says: its SHA-256 differs`);
  }
  const state = JSON.parse(await readFile(join(dir, "state.json"), "utf8"));
  if (`checkpoint-${state.step}` !== basename(dir)) throw new Error(`state.json is of step ${state.step}`);
  const file = openRanges(join(dir, "optimizer.safetensors"));
  try {
    const stored = readSafetensors(file);
    const optimizer = { step: state.optimizer.step, m: stored.read("exp_avg").data, v: stored.read("exp_avg_sq").data };
    return { dir, step: state.step, numTokens: state.numTokens, settings: state.settings, best: state.best, optimizer };
  } finally {
    file.close();
  }
}

async function readManifest(path: string): Promise<Manifest> {
  if (!existsSync(path)) throw new Error("manifest.json is missing");
  try {
    return manifestSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    throw new Error("manifest.json is damaged");
  }
}

/** Steps of the folder's checkpoints, newest first. */
function steps(dir: string): number[] {
  return readdirSync(dir)
    .flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, "r");
  await folder.sync().catch(() => {}); // some file systems cannot sync a folder
  await folder.close();
}
