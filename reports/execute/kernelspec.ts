import { readFileSync } from "node:fs";
import { join } from "node:path";
import { kernelspec, listKernels } from "../../kernel/install.js";
import { NotebookError } from "../notebook/types.js";

/** How a kernel is started. */
export interface Kernelspec {
  name: string;
  language: string;
  /** Command with `{connection_file}` and perhaps `{resource_dir}`. */
  argv: string[];
  env: Record<string, string>;
  interruptMode: "signal" | "message";
  folder: string;
}

/**
 * Finds a kernel by name. `erpo` is always this package's own, installed or not; others are looked up where Jupyter looks.
 * @throws NotebookError with the kernels that there are
 */
export function findKernel(name: string): Kernelspec {
  if (name === "erpo") return parse(name, "", kernelspec());
  const kernels = listKernels();
  const found = kernels.find((kernel) => kernel.name === name);
  if (!found) {
    const names = [...new Set(["erpo", ...kernels.map((kernel) => kernel.name)])].join(", ");
    throw new NotebookError(`kernel "${name}" is not installed; there are: ${names} (choose with --kernel)`);
  }
  try {
    return parse(name, found.folder, JSON.parse(readFileSync(join(found.folder, "kernel.json"), "utf8")));
  } catch {
    throw new NotebookError(`kernel "${name}": ${join(found.folder, "kernel.json")} is not valid`);
  }
}

function parse(name: string, folder: string, spec: Record<string, unknown>): Kernelspec {
  if (!Array.isArray(spec.argv) || spec.argv.length === 0) throw new Error("argv");
  return {
    name,
    language: String(spec.language ?? "").toLowerCase(),
    argv: spec.argv.map(String),
    env: (spec.env as Record<string, string>) ?? {},
    interruptMode: spec.interrupt_mode === "message" ? "message" : "signal",
    folder,
  };
}
