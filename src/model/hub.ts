import { createHash } from "node:crypto";
import {
  constants,
  copyFileSync,
  createReadStream,
  createWriteStream,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { setTimeout as sleep } from "node:timers/promises";
import type { ListFileEntry } from "@huggingface/hub";
import { writeAtomic } from "../setup/atomic.js";
import { cacheError, inBytes, type Log, makeFolder, needSpace } from "../setup/files.js";
import { withLock } from "../setup/lock.js";
import { cacheDir } from "../setup/paths.js";
import { configFromJson } from "./config.js";
import { WeightsError } from "./errors.js";
import { HubUnreachable, hubFetch, hubUrl, pythonCache } from "./hub-client.js";
import { readJson } from "./tokenizer-files.js";

/** A model by its name on the hub: `owner/name`, or `owner/name@revision` with a branch, a tag or a commit. */
export interface HubId {
  repository: string;
  /** "main" where none is named. */
  revision: string;
}

/** A repository's model files at one commit, whole and checked, in the cache. */
export interface HubSnapshot {
  /** A Hugging Face style directory. */
  dir: string;
  commit: string;
}

/** What `snapshot.json` says; it is written when all files are there and their digests are the hub's. */
interface SnapshotRecord extends Omit<HubSnapshot, "dir"> {
  repository: string;
  endpoint: string;
  files: Record<string, { size: number; digest: string }>;
}

const ID = /^([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w./-]+))?$/;
const COMMIT = /^[0-9a-f]{40,64}$/;
const NEEDED = ["config.json", "tokenizer.json", "tokenizer_config.json"];
/** Taken where a repository has them. The model card has the licence. */
const BESIDE = ["chat_template.jinja", "generation_config.json", "README.md"];
const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** The library, loaded where a hub is asked: it takes as long as all else that a model needs. */
const library = () => import("@huggingface/hub");

/** Parts of a model's name on the hub; undefined where the text cannot be one, as for a file of weights. */
export function parseHubId(text: string): HubId | undefined {
  const [, repository, revision = "main"] = ID.exec(text) ?? [];
  return repository === undefined || /\.(gguf|safetensors)$/.test(repository) ? undefined : { repository, revision };
}

const home = ({ repository }: HubId) => join(cacheDir(), "hub", repository.replace("/", "--"));
const refFile = (id: HubId) => join(home(id), "refs", encodeURIComponent(id.revision));

/** The snapshot that the cache has of a model; undefined where it has none. Asks nobody. */
export function cachedModel(id: HubId): HubSnapshot | undefined {
  try {
    const commit = COMMIT.test(id.revision) ? id.revision : readFileSync(refFile(id), "utf8");
    const dir = join(home(id), commit);
    const { files } = JSON.parse(readFileSync(join(dir, "snapshot.json"), "utf8")) as SnapshotRecord;
    const whole = Object.entries(files).every(([name, { size }]) => statSync(join(dir, name)).size === size);
    return whole ? { dir, commit } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The snapshot of a model: from the cache where it has the commit, else from the hub that `HF_ENDPOINT` names (huggingface.co). `HF_TOKEN`,
 * or the token that `hf auth login` has stored, opens gated and private repositories. A download that breaks goes on where it was, in this
 * call or the next; every file is compared with the hub's SHA-256, small ones with git's digest. Callers in several processes wait for each other.
 *
 * @throws WeightsError when there is no such repository or revision, it is gated, it has no safetensors, or of a family that erpo does not
 *   run; when the hub cannot be reached and the cache has nothing; when a digest differs. SetupError when the cache cannot take it.
 */
export async function fetchModel(id: HubId, log: Log = () => {}): Promise<HubSnapshot> {
  const kept = cachedModel(id);
  if (kept?.commit === id.revision) return kept;
  const access = { repo: id.repository, hubUrl: hubUrl(), fetch: hubFetch(id) };
  let commit: string;
  const { modelInfo } = await library();
  try {
    const { sha } = await modelInfo({ ...access, name: id.repository, revision: id.revision, additionalFields: ["sha"] });
    commit = sha;
  } catch (error) {
    if (!(error instanceof HubUnreachable) || !kept) throw error;
    log(`${error.reason}: taking commit ${kept.commit.slice(0, 12)} of ${id.repository}, which was fetched before`);
    return kept;
  }
  if (!COMMIT.test(commit)) throw new WeightsError(id.repository, `${access.hubUrl} does not say its commit`, "check HF_ENDPOINT");
  const dir = join(home(id), commit);
  try {
    await withLock(
      `${home(id)}.lock`,
      async () => {
        if (!cachedModel({ ...id, revision: commit })) await download({ ...access, revision: commit }, dir, log);
        writeAtomic(refFile(id), [commit]);
      },
      () => log(`waiting for another process that fetches ${id.repository}`),
    );
  } catch (error) {
    throw cacheError(error, dir);
  }
  return { dir, commit };
}

/** Where files come from: the library's own arguments. */
interface Access {
  repo: string;
  revision: string;
  hubUrl: string;
  fetch: typeof fetch;
}

/** Fills `dir.part`, where a later call goes on, and renames it when it is whole. What is small comes first: it says whether the weights are worth having. */
async function download(access: Access, dir: string, log: Log): Promise<void> {
  const { repo, revision: commit, hubUrl: endpoint } = access;
  const { listFiles } = await library();
  const listed = new Map<string, ListFileEntry>();
  for await (const entry of listFiles(access)) if (entry.type === "file") listed.set(entry.path, entry);
  const place = `${repo}@${commit.slice(0, 12)}`;
  const weights = [SINGLE, INDEX].find((name) => listed.has(name));
  if (!weights) {
    const gguf = [...listed.keys()].some((name) => name.endsWith(".gguf"));
    throw new WeightsError(place, `no safetensors in it`, gguf ? "download a .gguf file of it and give its path" : "take another model");
  }
  const entry = (name: string): ListFileEntry => {
    const found = listed.get(name);
    if (!found) throw new WeightsError(place, `no ${name} in it`, "erpo needs the layout of transformers; take another model");
    return found;
  };
  const small = [...NEEDED, ...BESIDE.filter((name) => listed.has(name)), ...(weights === INDEX ? [INDEX] : [])].map(entry);
  const staging = `${dir}.part`;
  makeFolder(staging);
  for (const file of small) await fetchFile(access, file, staging);
  configFromJson(await readJson(join(staging, "config.json")), `${place}/config.json`);
  const large = (weights === SINGLE ? [SINGLE] : await shards(join(staging, INDEX), place)).map(entry);

  const all = [...small, ...large];
  const total = all.reduce((sum, { size }) => sum + size, 0);
  const done = () => all.reduce((sum, { path }) => sum + sizeOf(join(staging, path)), 0);
  needSpace(staging, total - done(), `downloading ${repo}`);
  log(`downloading ${place} (${inBytes(total)}) from ${endpoint}`);
  const progress = setInterval(() => log(`downloading ${repo}: ${inBytes(done())} of ${inBytes(total)}`), 10_000);
  try {
    for (const file of large) await fetchFile(access, file, staging);
  } finally {
    clearInterval(progress);
  }
  const files = Object.fromEntries(all.map((file) => [file.path, { size: file.size, digest: digestOf(file) }]));
  const record: SnapshotRecord = { repository: repo, commit, endpoint, files };
  writeFileSync(join(staging, "snapshot.json"), `${JSON.stringify(record, null, 2)}\n`, { flush: true });
  rmSync(dir, { recursive: true, force: true });
  renameSync(staging, dir);
  log(`downloaded ${repo}`);
}

/** The weights files that an index names, in its own folder. */
async function shards(index: string, place: string): Promise<string[]> {
  const { weight_map: map } = await readJson(index);
  const names = [...new Set(Object.values(map ?? {}))];
  const wrong = names.find((name) => typeof name !== "string" || basename(name) !== name);
  if (names.length > 0 && wrong === undefined) return names as string[];
  throw new WeightsError(`${place}/${INDEX}`, 'field "weight_map" does not map tensors to files of the same folder', "take another model");
}

/** Attempts in a row that bring nothing, before a download is given up. */
const ATTEMPTS = 4;

/** One file, from what is there of it on; what `huggingface_hub` for Python keeps of it is copied. */
async function fetchFile(access: Access, file: ListFileEntry, staging: string): Promise<void> {
  const path = join(staging, file.path);
  const theirs = join(pythonCache(), `models--${access.repo.replace("/", "--")}`, "blobs", file.lfs?.oid ?? file.oid ?? "");
  if (!existsSync(path) && sizeOf(theirs) === file.size) {
    copyFileSync(theirs, path, constants.COPYFILE_FICLONE);
    if ((await digest(path, file)) !== digestOf(file)) rmSync(path);
  }
  if (sizeOf(path) > file.size) rmSync(path);
  for (let idle = 0; sizeOf(path) < file.size; ) {
    const before = sizeOf(path);
    const error = await append(access, file.path, path, before);
    idle = sizeOf(path) > before ? 0 : idle + 1;
    if (idle === ATTEMPTS) {
      if (error instanceof HubUnreachable) throw error;
      const cause = error === undefined ? "the hub sends nothing" : error instanceof Error ? error.message : String(error);
      throw new WeightsError(access.repo, `${file.path} breaks off at byte ${before} (${cause})`, "the same command goes on there");
    }
    if (idle > 0) await sleep(250 * 2 ** (idle - 1));
  }
  const found = await digest(path, file);
  if (found === digestOf(file)) return;
  rmSync(path);
  throw new WeightsError(access.repo, `${file.path} has ${found}, not the hub's ${digestOf(file)}`, "it was removed; try again");
}

/** Adds what a file has from a byte on. @returns why it broke off, undefined where it did not @throws what another attempt cannot mend */
async function append(access: Access, name: string, path: string, from: number): Promise<unknown> {
  const { downloadFile } = await library();
  try {
    const blob = await downloadFile({ ...access, path: name, xet: false }); // plain HTTP has ranges, so it can go on
    const rest = blob!.slice(from).stream() as ReadableStream<Uint8Array>;
    await pipeline(Readable.fromWeb(rest), createWriteStream(path, { flags: "a", flush: true }));
    return undefined;
  } catch (error) {
    if (error instanceof WeightsError && !(error instanceof HubUnreachable)) throw error;
    if ((error as NodeJS.ErrnoException | undefined)?.code === "ENOSPC") throw error;
    return error;
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** The hub's digest of a file: SHA-256 where it is kept as a large one, else git's of a blob. */
const digestOf = ({ lfs, oid }: ListFileEntry): string => (lfs ? `SHA-256 ${lfs.oid}` : `git SHA-1 ${oid}`);

async function digest(path: string, { lfs, size }: ListFileEntry): Promise<string> {
  const hash = createHash(lfs ? "sha256" : "sha1");
  if (!lfs) hash.update(`blob ${size}\0`);
  if (existsSync(path)) await pipeline(createReadStream(path), hash);
  return `${lfs ? "SHA-256" : "git SHA-1"} ${hash.digest("hex")}`;
}
