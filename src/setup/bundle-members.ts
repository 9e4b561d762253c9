import { existsSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { type Binding, builtBinding, nvidiaDriver, type Variant } from "./binding.js";
import type { Log } from "./files.js";
import { portableKernels } from "./kernels.js";
import { wheelLicences } from "./licences.js";
import { cacheDir, erpoCommand, packageRoot } from "./paths.js";
import { withoutNative } from "./ready.js";
import { dataWheels, tensorflowWheels } from "./wheels.js";

/** A file of a bundle, by its path in the unpacked folder: one of this machine, a text that is made for it, or a link. */
export type Member = { path: string; executable?: boolean } & ({ from: string } | { text: string } | { link: string });

const platform = `${process.platform}-${process.arch}`;

const CHECKOUT = ["dist", "src", "kernel", "reports", "notebooks", "test"];
const TEXTS = [
  ...["package.json", "package-lock.json", "tsconfig.json", ".npmrc"],
  ...["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"],
];

/** What nobody needs to work with a bundle: what tools leave behind, source maps, the formatter, and other machines' binaries. */
const isLeftOut = (path: string): boolean =>
  /^dist\/\.|(^|\/)(\.ipynb_checkpoints|__pycache__)\//.test(path) ||
  /\.[cm]?[jt]s\.map$/.test(path) ||
  /^node_modules\/(@biomejs|\.vite|\.cache)\//.test(path) ||
  isOthers(path, /^node_modules\/webgpu\/dist\/(\w+)-(\w+)\//) ||
  isOthers(path, /^node_modules\/zeromq\/build\/(\w+)\/(\w+)\//);

function isOthers(path: string, binary: RegExp): boolean {
  const [, platform, arch] = binary.exec(path) ?? [];
  return platform !== undefined && (platform !== process.platform || (arch !== process.arch && arch !== "universal"));
}

/** What runs here: the checkout with its build, and what npm has installed. */
export const checkoutMembers = (): Member[] => [
  ...TEXTS.map((path) => ({ path, from: join(packageRoot(), path) })),
  ...[...CHECKOUT, "node_modules"].flatMap((folder) => below(join(packageRoot(), folder), folder)),
];

/** The model and the data that are given without terms of their own. */
export const packageMembers = (): Member[] =>
  dataWheels.flatMap(({ package: name, version }) => {
    const folder = `packages/${name}-${version}`;
    return below(join(cacheDir(), folder), `cache/${folder}`);
  });

/**
 * TensorFlow for the processor, with kernels for other processors too; nothing where this machine has no build of it, or another device is asked for: a line says so then.
 * @param machine as `linux-x64`
 */
export async function nativeMembers(log: Log, machine: string = platform): Promise<Member[]> {
  const found = withoutNative() ? `ERPO_BACKEND is ${process.env.ERPO_BACKEND}: unset it, and bundle again` : builtFor(machine);
  if (typeof found === "string") {
    log(`native TensorFlow is not in the bundle, and laptops compute with WebGPU or WebAssembly, which is slower: ${found}`);
    return [];
  }
  const folder = dirname(found.file);
  const libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"].map((name) => join(folder, name));
  const files = [join(folder, "..", "manifest.json"), ...libraries, found.file, found.loader!, ...(await portableKernels(found, log))];
  return files.map((from) => ({ path: `cache/${relative(cacheDir(), from).split(sep).join("/")}`, from }));
}

/** The build for a machine's processor; where there is none, why, and what to do. */
function builtFor(machine: string): Binding | string {
  if (!(machine in tensorflowWheels)) return `there is no pinned TensorFlow library for ${machine}`;
  const found = builtBinding(machine as Variant);
  if (typeof found !== "string") return found;
  const onGpu = "set-up takes CUDA's where it finds NVIDIA's driver: bundle on a machine without it";
  return `${found}; ${nvidiaDriver() ? onGpu : `${erpoCommand()} doctor says what is missing`}`;
}

/** The licence texts of what comes from Python wheels. */
export async function licenceMembers(log: Log): Promise<Member[]> {
  const members: Member[] = [];
  const native = platform in tensorflowWheels && !withoutNative() ? [tensorflowWheels[platform as Variant]] : [];
  for (const wheel of [...dataWheels, ...native])
    members.push(...below(await wheelLicences(wheel, log), `licences/${wheel.package}-${wheel.version}`));
  return members;
}

/** Node itself with its licence; none where it stands on shared libraries of this machine, or without its licence: a line says so then. */
export function nodeMembers(log: Log, { execPath, config }: Pick<NodeJS.Process, "execPath" | "config"> = process): Member[] {
  const shared = Object.entries(config.variables).some(([name, value]) => /^node_shared/.test(name) && value === true);
  const windows = process.platform === "win32";
  const folder = windows ? dirname(execPath) : join(dirname(execPath), "..");
  const licence = ["LICENSE", "share/doc/nodejs/LICENSE", "share/doc/node/LICENSE"].map((path) => join(folder, path)).find(existsSync);
  if (shared || licence === undefined) {
    const why = shared ? "it uses shared libraries of this machine" : `its LICENSE is not in ${folder}`;
    log(
      `Node is not in the bundle, and each laptop needs Node 20.19 or newer: ${execPath} was left out, since ${why}; to bring it, bundle with a Node from https://nodejs.org`,
    );
    return [];
  }
  return [
    { path: windows ? "node/node.exe" : "node/bin/node", from: execPath, executable: true },
    { path: "node/LICENSE", from: licence },
  ];
}

/** The one command of a bundle: `./erpo ...`, on Windows `erpo ...`. It takes the bundle's Node where that runs, else the one on the PATH. */
export function launcher(platform: NodeJS.Platform): Member {
  const [path, newline] = platform === "win32" ? ["erpo.cmd", "\r\n"] : ["erpo", "\n"];
  const lines =
    platform === "win32"
      ? [
          "@echo off",
          'set "NODE=%~dp0node\\node.exe"',
          'if not exist "%NODE%" set NODE=node',
          '"%NODE%" "%~dp0src\\setup\\bootstrap.mjs" %*',
        ]
      : [
          "#!/bin/sh",
          'here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)',
          'node="$here/node/bin/node"',
          '"$node" --version >/dev/null 2>&1 || node=node',
          'command -v "$node" >/dev/null || { echo "erpo: Node 20.19 or newer is not installed" >&2; exit 1; }',
          'exec "$node" "$here/src/setup/bootstrap.mjs" "$@"',
        ];
  return { path, executable: true, text: lines.map((line) => line + newline).join("") };
}

/** A run, without the checkpoints of finished stages, which nothing goes on from, and without what MovieLens' terms keep from being passed on. */
export function runMembers(dir: string, name: string): Member[] {
  const finished = (stage: string) => existsSync(join(dir, stage, "adapter_model.safetensors"));
  return below(dir, `runs/${name}`).filter(({ path }) => {
    const within = path.slice(`runs/${name}/`.length);
    const stage = /^(.*)\/checkpoint-\d+\//.exec(within)?.[1];
    return !within.startsWith("methods/reason4rec/") && (stage === undefined || !finished(stage));
  });
}

/** All files below a folder, in the order of their names. */
function below(folder: string, path: string): Member[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry): Member[] => {
      const [from, to] = [join(folder, entry.name), `${path}/${entry.name}`];
      if (isLeftOut(to)) return [];
      if (entry.isDirectory()) return below(from, to);
      if (entry.isSymbolicLink()) return [{ path: to, link: readlinkSync(from) }];
      return entry.isFile() ? [{ path: to, from, executable: (lstatSync(from).mode & 0o100) !== 0 }] : [];
    });
}
