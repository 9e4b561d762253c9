import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { contentOf, treeOf } from "../../kernel/session/file-states.js";
import { packageRoot } from "../../src/setup/paths.js";
import { type Notebook, NotebookError } from "../notebook/types.js";
import { notebookText } from "../notebook/write.js";
import { sha256 } from "../provenance/digests.js";
import { environment } from "../provenance/environment.js";
import type { Kernelspec } from "./kernelspec.js";
import { commonVariables } from "./variables.js";

/** What a notebook's results depend on and is known before it is run. */
export interface KeyParts {
  /** As it is going to be run: parameters set, without outputs. */
  notebook: Notebook;
  /** The notebook's, where its kernel is started. */
  folder: string;
  spec: Kernelspec;
  allowErrors: boolean;
  /** Hashes of the executed notebooks that come before it in the same job. */
  after: readonly string[];
}

const LOCKFILES = [
  "package-lock.json",
  "npm-shrinkwrap.json",
  "yarn.lock",
  "pnpm-lock.yaml",
  "bun.lock",
  "uv.lock",
  "poetry.lock",
  "requirements.txt",
];

/**
 * SHA-256 of all parts.
 * @throws NotebookError when a file that the notebook's `erpo.inputs` names is not there
 */
export function cacheKey({ notebook, folder, spec, allowErrors, after }: KeyParts): string {
  const { commit: _, dirty: __, ...machine } = environment(); // the compiled code itself is hashed
  const parts = {
    notebook: notebookText(notebook),
    inputs: inputs(notebook, folder),
    folder,
    spec,
    allowErrors,
    after,
    machine,
    erpo: ownCode(),
    locks: locks(folder),
    variables: commonVariables(),
  };
  return sha256(JSON.stringify(parts));
}

function inputs(notebook: Notebook, folder: string): [string, string][] {
  const named = notebook.metadata.erpo?.inputs ?? [];
  if (!Array.isArray(named) || named.some((name) => typeof name !== "string")) {
    throw new NotebookError("metadata erpo.inputs: must be a list of files and folders");
  }
  return named.map((name): [string, string] => {
    const path = resolve(folder, name);
    if (!existsSync(path)) throw new NotebookError(`metadata erpo.inputs: ${name}: no such file or folder`);
    return [name, treeOf(path)];
  });
}

/** The lockfiles of the notebook's folder and of all above it. */
function locks(folder: string): [string, string][] {
  const found = LOCKFILES.map((name) => join(folder, name)).filter((file) => existsSync(file));
  const here = found.map((file): [string, string] => [file, contentOf(file)]);
  return dirname(folder) === folder ? here : [...here, ...locks(dirname(folder))];
}

let own: string | undefined;

/** Of the kernel, the library and the executor, as compiled; read once a process. */
function ownCode(): string {
  own ??= treeOf(join(packageRoot(), "dist"));
  return own;
}
