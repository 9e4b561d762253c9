import fs from "node:fs";
import Module from "node:module";
import { dirname, join, resolve } from "node:path";
import { isTraced, noteFile } from "./file-notes.js";

const { statSync } = fs; // Node's own
const { _extensions: extensions } = Module as unknown as { _extensions: Record<string, unknown> };

/**
 * Notes where Node looks for a module, whether it finds it or not: Node itself looks past `node:fs`. Looks nowhere where nobody has asked.
 * @param folders in which it looks, in this order
 */
export function noteLookup(request: string, folders: readonly string[]): void {
  if (!isTraced) return;
  const isPath = /^(\.|\/)/.test(request);
  for (const folder of folders) {
    if (!isPath) notePackageFile(join(folder, packageOf(request)));
    if (folder !== "" && !isA("isDirectory", folder)) noteFile("probe", folder);
    else if (noteCandidates(resolve(folder, request))) return;
  }
}

/** Notes where Node looks for the package of a module. @param file that names it */
export function notePackage(name: string, file: string): void {
  noteLookup(packageOf(name), (Module as unknown as { _nodeModulePaths(from: string): string[] })._nodeModulePaths(dirname(file)));
}

/** The files that a path may mean for `require`. @returns whether one of them is there */
function noteCandidates(path: string): boolean {
  const endings = Object.keys(extensions);
  const isFound = [path, ...endings.map((ending) => path + ending)].some(isFile);
  if (isFound || !isA("isDirectory", path)) return isFound;
  return notePackageFile(path) || endings.map((ending) => join(path, `index${ending}`)).some(isFile);
}

/** @returns whether the folder has one */
function notePackageFile(folder: string): boolean {
  const file = join(folder, "package.json");
  if (isA("isDirectory", folder)) noteFile("read", file);
  return isA("isFile", file);
}

/** `@a/b` of `@a/b/c`. */
const packageOf = (name: string) => name.split("/", name.startsWith("@") ? 2 : 1).join("/");

function isFile(path: string): boolean {
  noteFile("probe", path);
  return isA("isFile", path);
}

function isA(type: "isFile" | "isDirectory", path: string): boolean {
  try {
    return statSync(path)[type]();
  } catch {
    return false;
  }
}
