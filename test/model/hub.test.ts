import { createHash } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fetchModel, parseHubId } from "../../src/model/hub.js";
import { checkModel, loadModel, modelDigests } from "../../src/model/load.js";
import { tensorShapes } from "../../src/model/weights.js";
import { fixture } from "./open.js";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const gitSha1 = (bytes: Buffer) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

let dir: string;
let hub: Server;
/** What the repository me/tiny holds. */
let files: Record<string, Buffer>;
/** Paths that were asked for, with the range where one was. */
let asked: string[];
/** Answers in place of the hub's own, when it answers. */
let instead: (request: IncomingMessage, response: ServerResponse) => boolean;

/** The hub's endpoints as huggingface.co has them: model info, tree, and files by ranges; weights are large files with a SHA-256. */
function answer(request: IncomingMessage, response: ServerResponse): unknown {
  const url = new URL(request.url!, "http://hub");
  asked.push(`${url.pathname}${request.headers.range ? ` ${request.headers.range}` : ""}`);
  if (instead(request, response)) return undefined;
  const json = (value: unknown) => response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
  if (/^\/api\/models\/me\/tiny\/revision\/(main|v1|0123456789abcdef.*)$/.test(url.pathname))
    return json({ _id: "1", id: "me/tiny", sha: COMMIT, gated: false });
  if (url.pathname === `/api/models/me/tiny/tree/${COMMIT}`) {
    const entry = ([path, bytes]: [string, Buffer]) => {
      const lfs = path.endsWith(".safetensors") && { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } };
      return { type: "file", path, size: bytes.length, oid: gitSha1(bytes), ...lfs };
    };
    return json(Object.entries(files).map(entry));
  }
  const bytes = files[url.pathname.replace(`/me/tiny/resolve/${COMMIT}/`, "")];
  if (!bytes) return response.writeHead(404, { "X-Error-Code": "RepoNotFound" }).end("Repository not found");
  const [, from, to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
  const part = from === undefined ? bytes : bytes.subarray(Number(from), to ? Number(to) + 1 : undefined);
  const range = from === undefined ? {} : { "Content-Range": `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}` };
  return response.writeHead(from === undefined ? 200 : 206, { ETag: '"x"', "Content-Length": part.length, ...range }).end(part);
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "erpo-hub-"));
  files = {};
  for (const name of readdirSync(fixture("llama-tiny"))) files[name] = readFileSync(join(fixture("llama-tiny"), name));
  asked = [];
  instead = () => false;
  hub = createServer(answer).listen(0, "127.0.0.1");
  await once(hub, "listening");
  vi.stubEnv("HF_TOKEN", undefined);
  vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${(hub.address() as AddressInfo).port}/`);
  vi.stubEnv("HF_HOME", join(dir, "python"));
  vi.stubEnv("ERPO_CACHE", join(dir, "cache"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  hub.closeAllConnections();
  hub.close();
  rmSync(dir, { recursive: true, force: true });
});

const kept = (...names: string[]) => join(dir, "cache/hub/me--tiny", ...names);
const host = () => new URL(process.env.HF_ENDPOINT!).host;
const isWeights = (request: IncomingMessage) => request.url!.endsWith("/model.safetensors") && request.headers.range !== "bytes=0-0";

test("what is a name on the hub, and what is not", () => {
  expect(parseHubId("HuggingFaceTB/SmolLM2-135M")).toEqual({ repository: "HuggingFaceTB/SmolLM2-135M", revision: "main" });
  expect(parseHubId("a/b.c@refs/pr/1")).toEqual({ repository: "a/b.c", revision: "refs/pr/1" });
  for (const text of ["gpt2", "../a/b", "./a", "/a/b", "a/b/c", "a/b.gguf", "a/model.safetensors", "a/b@", "a/.b"])
    expect(parseHubId(text), text).toBeUndefined();
});

test("a repository is the model that its folder is; its commit and digest are known, and the second time nothing is downloaded", async () => {
  expect(await modelDigests("me/tiny")).toBeUndefined();
  expect(asked).toEqual([]);
  const model = await loadModel("me/tiny");
  expect(model).toMatchObject({ name: "me/tiny", hub: { repository: "me/tiny", commit: COMMIT }, source: kept(COMMIT) });
  expect(model.sha256).toBe(sha256(files["model.safetensors"]!));
  model.dispose();
  asked = [];
  expect((await modelDigests("me/tiny"))?.digest).toBe(model.digest);
  expect(await checkModel(`me/tiny@${COMMIT}`)).toEqual(model.config);
  expect(asked).toEqual([]);
  await checkModel("me/tiny");
  expect(asked).toEqual(["/api/models/me/tiny/revision/main"]);
  const tagged = await loadModel("me/tiny@v1");
  tagged.dispose();
  expect((await modelDigests(tagged.name))?.digest).toBe(model.digest); // the name loads it again
});

test("what a repository says of the ends of completions is fetched with it", async () => {
  files["generation_config.json"] = Buffer.from('{"eos_token_id": [2, 7]}');
  expect((await checkModel("me/tiny")).eosTokenIds).toEqual([2, 7]);
});

test("a folder of that name comes before the hub", async () => {
  const before = process.cwd();
  mkdirSync(join(dir, "me/tiny"), { recursive: true });
  process.chdir(dir);
  try {
    await expect(checkModel("me/tiny")).rejects.toThrow("me/tiny: no model.safetensors");
    expect(asked).toEqual([]);
  } finally {
    process.chdir(before);
  }
});

test("a download that breaks in the middle goes on where it was", async () => {
  const bytes = files["model.safetensors"]!;
  let broken = false;
  instead = (request, response) => {
    if (broken || !isWeights(request)) return false;
    broken = true;
    response
      .writeHead(200, { "Content-Length": bytes.length })
      .write(bytes.subarray(0, 40_000), () => setTimeout(() => response.destroy(), 50));
    return true;
  };
  const { dir: folder } = await fetchModel({ repository: "me/tiny", revision: "main" });
  expect(readFileSync(join(folder, "model.safetensors")).equals(bytes)).toBe(true);
  expect(asked).toContain(`/me/tiny/resolve/${COMMIT}/model.safetensors bytes=40000-${bytes.length - 1}`);
});

test("what a stopped process has of a download is gone on with, and does not look whole before", async () => {
  const bytes = files["model.safetensors"]!;
  instead = (request, response) => isWeights(request) && !!response.writeHead(503).end();
  await expect(fetchModel({ repository: "me/tiny", revision: "main" })).rejects.toThrow(
    `${host()} answers with status 503; try again later`,
  );
  expect(await modelDigests("me/tiny")).toBeUndefined();
  expect(existsSync(kept(COMMIT))).toBe(false);
  writeFileSync(kept(`${COMMIT}.part`, "model.safetensors"), bytes.subarray(0, 99_000));
  instead = () => false;
  asked = [];
  await checkModel("me/tiny");
  expect(asked.filter((path) => path.includes("/resolve/"))).toEqual([
    `/me/tiny/resolve/${COMMIT}/model.safetensors bytes=0-0`,
    `/me/tiny/resolve/${COMMIT}/model.safetensors bytes=99000-${bytes.length - 1}`,
  ]);
  expect(readdirSync(kept()).sort()).toEqual([COMMIT, "refs"]);
}, 20_000);

test.each(["model.safetensors", "config.json"])("a %s with another digest than the hub's is refused and removed", async (name) => {
  instead = (request, response) => {
    if (!request.url!.endsWith(`/${name}`) || request.headers.range === "bytes=0-0") return false;
    const wrong = Buffer.from(files[name]!);
    wrong[wrong.length - 2]! ^= 1;
    return !!response.writeHead(200).end(wrong);
  };
  const pattern = new RegExp(`me/tiny: ${name} has (SHA-256|git SHA-1) [0-9a-f]+, not the hub's .+; it was removed; try again`);
  await expect(checkModel("me/tiny")).rejects.toThrow(pattern);
  expect(existsSync(kept(`${COMMIT}.part`, name))).toBe(false);
  instead = () => false;
  await checkModel("me/tiny");
});

test("callers at the same time download once", async () => {
  const id = { repository: "me/tiny", revision: "main" };
  const [a, b] = await Promise.all([fetchModel(id), fetchModel(id)]);
  expect(a).toEqual(b);
  expect(asked.filter((path) => path.endsWith("/model.safetensors"))).toHaveLength(1);
});

test("shards are those that the index names, and nothing else is downloaded", async () => {
  files["model-00001-of-00001.safetensors"] = files["model.safetensors"]!;
  const map = [...tensorShapes(await checkModel(fixture("llama-tiny"))).keys()].map((name) => [name, "model-00001-of-00001.safetensors"]);
  files["model.safetensors.index.json"] = Buffer.from(JSON.stringify({ weight_map: Object.fromEntries(map) }));
  delete files["model.safetensors"];
  files["consolidated.safetensors"] = Buffer.alloc(100);
  await checkModel("me/tiny");
  expect(readdirSync(kept(COMMIT))).not.toContain("consolidated.safetensors");
  expect((await modelDigests("me/tiny"))?.sha256).toBe(sha256(files["model-00001-of-00001.safetensors"]));
});

test("an index that leads out of its folder is refused, and nothing is written there", async () => {
  delete files["model.safetensors"];
  files["../evil.safetensors"] = Buffer.alloc(8);
  files["model.safetensors.index.json"] = Buffer.from(JSON.stringify({ weight_map: { a: "../evil.safetensors" } }));
  await expect(checkModel("me/tiny")).rejects.toThrow(
    'me/tiny@0123456789ab/model.safetensors.index.json: field "weight_map" does not map tensors to files of the same folder',
  );
  expect(existsSync(kept("evil.safetensors"))).toBe(false);
});

test("a hub that sends nothing is given up", async () => {
  instead = (request, response) => isWeights(request) && !!response.writeHead(200).end();
  await expect(checkModel("me/tiny")).rejects.toThrow(
    "me/tiny: model.safetensors breaks off at byte 0 (the hub sends nothing); the same command goes on there",
  );
}, 20_000);

test("what Python's huggingface_hub has of it is copied, unless it is damaged", async () => {
  const blobs = join(dir, "python/hub/models--me--tiny/blobs");
  mkdirSync(blobs, { recursive: true });
  copyFileSync(join(fixture("llama-tiny"), "model.safetensors"), join(blobs, sha256(files["model.safetensors"]!)));
  writeFileSync(join(blobs, gitSha1(files["config.json"]!)), Buffer.alloc(files["config.json"]!.length));
  await checkModel("me/tiny");
  const resolved = asked.map((path) => path.split("/").at(-1));
  expect(resolved).not.toContain("model.safetensors");
  expect(resolved).toContain("config.json");
});

test("without the hub, what was fetched before is taken and named; a file shorter than it was is not", async () => {
  await checkModel("me/tiny");
  hub.closeAllConnections();
  hub.close();
  const lines: string[] = [];
  await checkModel("me/tiny", { log: (line) => lines.push(line) });
  expect(lines.join()).toMatch(
    /^127\.0\.0\.1:\d+ cannot be reached \(\w+\): taking commit 0123456789ab of me\/tiny, which was fetched before$/,
  );
  writeFileSync(kept(COMMIT, "model.safetensors"), "torn");
  await expect(checkModel("me/tiny")).rejects.toThrow(
    `me/tiny: no such file or directory, and ${host()} cannot be reached (ECONNREFUSED); give a folder or a .gguf file of this machine`,
  );
});

const coded = (status: number, code: string) => (_: IncomingMessage, response: ServerResponse) =>
  !!response.writeHead(status, { "X-Error-Code": code }).end("Invalid username or password.");

test.each([
  [
    "a name that nobody has",
    coded(401, "RepoNotFound"),
    undefined,
    "nor a repository at http://HOST; check the name; a private one needs HF_TOKEN",
  ],
  [
    "the same with a token",
    coded(404, "RepoNotFound"),
    "hf_x",
    "nor a repository at http://HOST; check the name; a private one the token may not read",
  ],
  ["a revision that is not there", coded(404, "RevisionNotFound"), undefined, "no revision main at http://HOST; check the name behind @"],
  ["a gated one", coded(401, "GatedRepo"), undefined, "the repository is gated; ask for access at http://HOST/me/tiny, then set HF_TOKEN"],
  [
    "a gated one for this account",
    coded(403, "GatedRepo"),
    "hf_x",
    "the repository is gated, and the token's account has not been let in; ask for access at http://HOST/me/tiny",
  ],
  ["a hub that is down", coded(500, ""), undefined, "HOST answers with status 500; try again later, or give a folder"],
] as const)("%s ends in one line", async (_, respond, token, line) => {
  vi.stubEnv("HF_TOKEN", token);
  instead = respond;
  const error: Error = await checkModel("me/tiny").then(String, (e) => e);
  expect(error).toMatchObject({ name: "WeightsError" });
  expect(error.message).toMatch(/^me\/tiny: [^\n]+$/);
  expect(error.message).toContain(line.replace("HOST", host()));
});

test("a repository without safetensors, or of a family that erpo does not run, is refused before weights are downloaded", async () => {
  const weights = files["model.safetensors"]!;
  delete files["model.safetensors"];
  files["tiny.gguf"] = Buffer.alloc(10);
  await expect(checkModel("me/tiny")).rejects.toThrow(
    "me/tiny@0123456789ab: no safetensors in it; download a .gguf file of it and give its path",
  );
  files["model.safetensors"] = weights;
  files["config.json"] = Buffer.from(JSON.stringify({ ...JSON.parse(files["config.json"]!.toString()), model_type: "mamba" }));
  await expect(checkModel("me/tiny")).rejects.toThrow(/me\/tiny@0123456789ab\/config.json: field "model_type"/);
  expect(asked.filter((path) => path.endsWith("/model.safetensors"))).toEqual([]);
});

test("a cache that cannot be written is named", async () => {
  vi.stubEnv("ERPO_CACHE", "/proc/erpo");
  await expect(checkModel("me/tiny")).rejects.toThrow(/^\/proc\/erpo.* cannot be written: set ERPO_CACHE to a folder that can$/);
});

test("the token goes to the hub, and not to the server that it sends us to", async () => {
  vi.stubEnv("HF_TOKEN", "any-form");
  const seen: (string | undefined)[] = [];
  const storage = createServer((request, response) => {
    seen.push(request.headers.authorization);
    request.url = `/me/tiny/resolve/${COMMIT}/model.safetensors`;
    instead = () => false;
    answer(request, response);
    instead = redirect;
  }).listen(0, "127.0.0.1");
  await once(storage, "listening");
  const redirect: typeof instead = (request, response) => {
    if (request.headers.authorization !== "Bearer any-form") return !!response.writeHead(401).end();
    if (!request.url!.endsWith("/model.safetensors")) return false;
    return !!response.writeHead(302, { Location: `http://127.0.0.1:${(storage.address() as AddressInfo).port}/blob` }).end();
  };
  instead = redirect;
  await checkModel("me/tiny");
  expect(seen).toEqual([undefined, undefined]);
  storage.closeAllConnections();
  storage.close();
});
