import { createHash } from "node:crypto";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { writeAtomic, writeAtomicFrom } from "./atomic.js";
import {
  checkoutMembers,
  launcher,
  licenceMembers,
  type Member,
  nativeMembers,
  nodeMembers,
  packageMembers,
  runMembers,
} from "./bundle-members.js";
import { inBytes, type Log, SetupError } from "./files.js";
import { isCheckout, packageRoot } from "./paths.js";
import { makeReady } from "./ready.js";

/** What is used of npm's `tar-stream`. */
interface Pack extends NodeJS.ReadableStream {
  entry(header: Header, content: Buffer, done: (error: Error | null) => void): void;
  entry(header: Header): NodeJS.WritableStream;
  finalize(): void;
  destroy(error: unknown): void;
}
interface Header {
  name: string;
  mode: number;
  mtime: Date;
  size?: number;
  type?: "symlink";
  linkname?: string;
}
const require = createRequire(import.meta.url);
const { pack } = require("tar-stream") as { pack(): Pack };

/** What a bundle says of itself in bundle.json. `unpacked.mjs` holds what was unpacked to it. */
interface BundleManifest {
  /** as `linux-x64` */
  platform: string;
  /** the GNU C library that its programs need at least, such as 2.34; null where they need none */
  glibc: string | null;
  /** SHA-256 of each file by its path */
  files: Record<string, string>;
}

export interface BundleOptions {
  /** a run's folder, which is unpacked as `runs/NAME` */
  run?: { dir: string; name: string };
  /** LICENCES.md */
  licences: string;
}

/**
 * Writes what a machine of this platform needs into one archive: this checkout with its build, npm's packages, Node, native TensorFlow with kernels for other processors, the model,
 * the data, and a run.
 *
 * @throws SetupError where this is no checkout, or the machine cannot be made ready
 */
export async function bundle(file: string, { run, licences }: BundleOptions, log: Log): Promise<void> {
  if (!isCheckout()) throw new SetupError(`${packageRoot()}: only a checkout can be bundled`);
  await makeReady(log);
  const members: Member[] = [
    ...checkoutMembers(),
    ...packageMembers(),
    ...(await nativeMembers(log)),
    ...(await licenceMembers(log)),
    ...nodeMembers(log),
    ...(run ? runMembers(run.dir, run.name) : []),
    { path: "LICENCES.md", text: licences },
    launcher(process.platform),
  ];
  log(`packing ${members.length.toLocaleString("en")} files (some minutes)`);
  const bytes = await writeArchive(file, members);
  const unpacked = members.reduce((sum, member) => sum + ("from" in member ? statSync(member.from).size : 0), 0);
  log(`${file}: ${inBytes(bytes)}; unpacked ${inBytes(unpacked)}`);
}

/**
 * Writes files as an archive (tar, gzip) that unpacks into the folder `erpo`, with their digests in bundle.json, and the archive's own SHA-256 beside it in `FILE.sha256`.
 * @returns the archive's bytes
 */
export async function writeArchive(file: string, members: readonly Member[]): Promise<number> {
  const files: Record<string, string> = {};
  const archive = pack();
  const fill = async () => {
    for (const member of members) await add(archive, member, files);
    const manifest: BundleManifest = { platform: `${process.platform}-${process.arch}`, glibc: neededGlibc(members), files };
    await add(archive, { path: "bundle.json", text: `${JSON.stringify(manifest, null, 1)}\n` }, {});
    archive.finalize();
  };
  const whole = createHash("sha256");
  let bytes = 0;
  async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      whole.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  await Promise.all([
    fill().catch((error) => archive.destroy(error)),
    pipeline(archive, createGzip(), (chunks: AsyncIterable<Buffer>) => writeAtomicFrom(file, counted(chunks))),
  ]);
  writeAtomic(`${file}.sha256`, [`${whole.digest("hex")}  ${basename(file)}\n`]);
  return bytes;
}

/** Larger files are not read as a whole. */
const LARGE = 4e6; // bytes

/** Appends a file to the archive, and its digest to `files`. */
async function add(archive: Pack, member: Member, files: Record<string, string>): Promise<void> {
  const header: Header = { name: `erpo/${member.path}`, mode: member.executable ? 0o755 : 0o644, mtime: new Date() };
  const entry = (header: Header, content: Buffer) =>
    new Promise<void>((done, fail) => archive.entry(header, content, (error) => (error ? fail(error) : done())));
  if ("link" in member) return entry({ ...header, type: "symlink", linkname: member.link }, Buffer.alloc(0));
  const hash = createHash("sha256");
  const { size, mtime } = "from" in member ? statSync(member.from) : { size: 0, mtime: header.mtime };
  if ("from" in member && size > LARGE) {
    const read = createReadStream(member.from, { highWaterMark: 1 << 20 });
    read.on("data", (chunk) => hash.update(chunk));
    await pipeline(read, archive.entry({ ...header, size, mtime }));
  } else {
    const content = "from" in member ? readFileSync(member.from) : Buffer.from(member.text);
    hash.update(content);
    await entry({ ...header, size: content.length, mtime }, content);
  }
  files[member.path] = hash.digest("hex");
}

/** The newest version of the GNU C library whose symbols a bundle's compiled programs name. */
function neededGlibc(members: readonly Member[]): string | null {
  const minors = members.flatMap((member) => {
    if (!("from" in member) || !/^(cache\/native|node)\/.*(\.node|\.so|\/node)$/.test(member.path)) return [];
    const names = readFileSync(member.from)
      .toString("latin1")
      .matchAll(/GLIBC_2\.(\d+)/g);
    return [...names].map(([, minor]) => Number(minor));
  });
  return minors.length === 0 ? null : `2.${Math.max(...minors)}`;
}
