import { escapeHTML } from "../html/escape.js";
import type { Provenance } from "./collect.js";
import { UNSEALED } from "./seal.js";

/** Has the SHA-256 of all prompt files. */
const MANIFEST = "data/manifest.json";

/** The block at a report's end: readable, with a place for the same as JSON, which `sealPage` fills. */
export function provenanceHTML(provenance: Provenance): string {
  const rows = facts(provenance).map(([name, value]) => `<tr><th scope="row">${escapeHTML(name)}</th><td>${escapeHTML(value)}</td></tr>`);
  const table = `<div class="scroll" tabindex="0" role="group" aria-label="Provenance"><table>\n<tbody>\n${rows.join("\n")}\n</tbody></table></div>`;
  const json = `<details><summary>As JSON</summary>\n${UNSEALED}\n</details>`;
  return `<section class="provenance" aria-labelledby="report-provenance">\n<h2 id="report-provenance">Provenance</h2>\n${table}\n${cellsHTML(provenance)}\n${json}\n</section>`;
}

/** The code cells, folded: their times and the beginnings of their outputs' SHA-256. */
function cellsHTML({ cells }: Provenance): string {
  if (!cells.length) return "";
  const rows = cells.map(({ cell, execution_count, seconds, outputs }) => {
    const digests = outputs.map((digest) => digest.slice(0, 12)).join(" ");
    return `<tr><td class="number">${cell}</td><td class="number">${execution_count ?? "–"}</td><td class="number">${seconds?.toFixed(2) ?? "–"}</td><td>${digests}</td></tr>`;
  });
  const head = `<tr>${["cell", "run", "seconds"].map((name) => `<th scope="col" class="number">${name}</th>`).join("")}<th scope="col">SHA-256 of its outputs</th></tr>`;
  return `<details><summary>Each cell</summary>\n<div class="scroll" tabindex="0" role="group" aria-label="Each cell"><table>\n<thead>${head}</thead>\n<tbody>\n${rows.join("\n")}\n</tbody></table></div>\n</details>`;
}

/** What a reader asks about a report's numbers, as names and texts. */
export function facts({ notebook, execution, run, compared, rendered, complete }: Provenance): [string, string][] {
  const rows: [string, unknown][] = [["Notebook", `${notebook.file}, SHA-256 ${notebook.sha256}`]];
  if (execution) {
    const { environment, device, parameters } = execution;
    rows.push(
      [
        "Run",
        `${execution.started}, ${execution.seconds} s, kernel ${execution.kernel}${complete ? "" : "; not run to the end, or with errors"}`,
      ],
      ["Cache", execution.cached && `nothing that it depends on had changed at ${execution.cached}: taken from the cache, not run again`],
      [
        "Parameters",
        Object.entries(parameters ?? {})
          .map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
          .join(", "),
      ],
      ["Source as run", execution.source_sha256 && `SHA-256 ${execution.source_sha256}`],
      ["Code", environment && codeInWords(environment)],
      ["Lockfile", environment?.lockfile_sha256 && `SHA-256 ${environment.lockfile_sha256}`],
      ["Software", environment && `erpo ${environment.erpo}, Node ${environment.node}, V8 ${environment.v8}, ${environment.platform}`],
      ["Processor", environment?.cpu],
      ["Computed on", device && [device.name, device.library, device.precision].filter(Boolean).join(", ")],
    );
  } else rows.push(["Run", complete ? "times and environment were not noted" : "not run, or with errors"]);
  if (run) {
    const { record } = run;
    const model = record.model as { name?: string; sha256?: string; digest?: string } | undefined;
    const rules = record.rules as { name?: string; digest?: string } | undefined;
    rows.push(
      ["Experiment", `${run.file}, SHA-256 ${run.sha256}`],
      ["Experiment's files", `${Object.keys(run.files).length}; the HTML report's JSON has the SHA-256 of each`],
      ["Data", run.files[MANIFEST] && `${MANIFEST}, SHA-256 ${run.files[MANIFEST]}`],
      ["Profile", record.profile],
      ["Seed", record.seed],
      [
        "Model",
        model &&
          `${model.name}, SHA-256 ${model.sha256}${model.digest ? `; with its configuration, tokenizer and template ${model.digest}` : ""}`,
      ],
      ["Rules", rules && `${rules.name}, SHA-256 ${rules.digest}`],
      ...devices(record).map((device): [string, string] => ["Device", device]),
    );
  } else rows.push(["Seed", execution?.parameters?.seed]);
  if (compared) rows.push(["Compared", `${compared.length} files of the runs; the HTML report's JSON has the SHA-256 of each`]);
  rows.push(["Rendered", `erpo ${rendered.erpo}, Node ${rendered.node}`]);
  return rows
    .filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false)
    .map(([name, value]) => [name, String(value)]);
}

/** `commit 1a2b..., with uncommitted changes; SHA-256 of the files 3c4d...`. */
function codeInWords({ commit, dirty, code_sha256 }: { commit?: string; dirty?: boolean; code_sha256?: string }): string {
  const version = commit && `commit ${commit}${dirty ? ", with uncommitted changes" : ""}`;
  return [version, code_sha256 && `SHA-256 of the files ${code_sha256}`].filter(Boolean).join("; ");
}

function devices(record: Record<string, unknown>): string[] {
  const environments = Array.isArray(record.environments) ? record.environments : [];
  return environments.map(({ device, library, precision, node, platform }) =>
    [device, library, precision, node && `Node ${node}`, platform].filter(Boolean).join(", "),
  );
}
