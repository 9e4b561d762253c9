import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { canonicalJson, type IdentityValue } from "../data/identity.js";
import { isRegular } from "../setup/files.js";
import { finishedStages, isJson, KeptError, type KeptFolder, readRecord, whatIsThere } from "./claim.js";

/** SHA-256 of a kept result: of its JSON file, or of what a policy in its folder is read from (an adapter, a policy.json or both); undefined where it is not there. */
export function contentSha256(dir: string, path: string): string | undefined {
  const at = join(dir, path);
  const files = (isJson(path) ? [at] : ["adapter_model.safetensors", "policy.json"].map((name) => join(at, name))).filter(isRegular);
  if (files.length === 0) return undefined;
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  const config = join(at, "adapter_config.json");
  if (!isJson(path) && isRegular(config)) hash.update(adapterConfig(readFileSync(config, "utf8")));
  return hash.digest("hex");
}

/** An adapter's configuration without its base model's name, which changes no number; as it stands where it is broken. */
function adapterConfig(text: string): string {
  try {
    const { base_model_name_or_path: _, ...config } = JSON.parse(text);
    return canonicalJson(config as IdentityValue);
  } catch {
    return text;
  }
}

/** `contentSha256` that reads each file once: for questions about many results at one moment. */
export function contentsNow(): typeof contentSha256 {
  const known = new Map<string, string | undefined>();
  return (dir, path) => {
    const key = join(dir, path);
    if (!known.has(key)) known.set(key, contentSha256(dir, path));
    return known.get(key);
  };
}

/**
 * Why a result no longer stands on what it was made from, in words; undefined where it does.
 * @param sha256Of the contents of results now
 */
export function staleReason(dir: string, path: string, sha256Of = contentSha256): string | undefined {
  const from = readRecord(dir, path)?.identity.from as Record<string, string> | undefined;
  for (const [other, sha256] of Object.entries(from ?? {})) {
    const now = sha256Of(dir, other);
    if (now === undefined) return `${other}, which it was made from, is not there`;
    if (now !== sha256) return `${other} is another one than it was made from`;
    const reason = staleReason(dir, other, sha256Of);
    if (reason) return `${other}, which it was made from, is stale: ${reason}`;
  }
  return undefined;
}

/** What a folder of another name may have been meant for. */
function othersThan(dir: string, path: string): string {
  const there = isJson(path) ? [] : finishedStages(dir);
  return there.length > 0 ? `; there is: ${there.join(", ")}` : "";
}

/**
 * Checks that a result is there and stands on what is in the folder now.
 * @returns its SHA-256
 * @throws KeptError when it is missing or stale
 */
export function currentSha256({ dir }: KeptFolder, path: string): string {
  const sha256 = contentSha256(dir, path);
  if (sha256 === undefined) throw new KeptError(`${join(dir, path)}: is not there: train or compute it first${othersThan(dir, path)}`);
  const reason = staleReason(dir, path);
  if (reason)
    throw new KeptError(
      `${join(dir, path)} is stale: ${reason}: remove ${whatIsThere(dir, path)} to compute it again, or bring back what it was made from`,
    );
  return sha256;
}
