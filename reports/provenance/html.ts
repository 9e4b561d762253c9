import { escapeHTML } from "../html/escape.js";
import type { Provenance } from "./collect.js";

/** The block at a report's end: readable, and the same as JSON. */
export function provenanceHTML(provenance: Provenance): string {
  const rows = facts(provenance).map(([name, value]) => `<tr><th scope="row">${escapeHTML(name)}</th><td>${escapeHTML(value)}</td></tr>`);
  const timed = provenance.cells.filter(({ seconds }) => seconds !== undefined);
  const times = timed.map(
    ({ cell, execution_count, seconds }) =>
      `<tr><td class="number">${cell}</td><td class="number">${execution_count ?? "–"}</td><td class="number">${seconds!.toFixed(2)}</td></tr>`,
  );
  const cells = times.length
    ? `<details><summary>Time of each cell</summary>\n<div class="scroll" tabindex="0" role="group" aria-label="Time of each cell"><table>\n<thead><tr><th scope="col" class="number">cell</th><th scope="col" class="number">run</th><th scope="col" class="number">seconds</th></tr></thead>\n<tbody>\n${times.join("\n")}\n</tbody></table></div>\n</details>`
    : "";
  const json = `<details><summary>As JSON</summary>\n<pre id="provenance-json" tabindex="0">${escapeHTML(JSON.stringify(provenance, null, 1))}</pre>\n</details>`;
  return `<section class="provenance" aria-labelledby="provenance">\n<h2 id="provenance">Provenance</h2>\n<div class="scroll" tabindex="0" role="group" aria-label="Provenance"><table>\n<tbody>\n${rows.join("\n")}\n</tbody></table></div>\n${cells}\n${json}\n</section>`;
}

/** What a reader asks about a report's numbers, as names and texts. */
export function facts({ notebook, execution, run, manifests, rendered, complete }: Provenance): [string, string][] {
  const rows: [string, unknown][] = [["Notebook", `${notebook.file}, SHA-256 ${notebook.sha256}`]];
  if (execution) {
    const { environment } = execution;
    rows.push(
      [
        "Run",
        `${execution.started}, ${execution.seconds} s, kernel ${execution.kernel}${complete ? "" : "; not run to the end, or with errors"}`,
      ],
      [
        "Parameters",
        Object.entries(execution.parameters ?? {})
          .map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
          .join(", "),
      ],
      ["Source as run", execution.source_sha256 && `SHA-256 ${execution.source_sha256}`],
      ["Code", environment?.commit && `commit ${environment.commit}${environment.dirty ? ", with uncommitted changes" : ""}`],
      ["Lockfile", environment?.lockfile_sha256 && `SHA-256 ${environment.lockfile_sha256}`],
      ["Software", environment && `erpo ${environment.erpo}, Node ${environment.node}, V8 ${environment.v8}, ${environment.platform}`],
      ["Processor", environment?.cpu],
    );
  } else rows.push(["Run", complete ? "times and environment were not noted" : "not run, or with errors"]);
  if (run) {
    const { record } = run;
    const model = record.model as { name?: string; sha256?: string } | undefined;
    rows.push(
      ["Experiment", `${run.file}, SHA-256 ${run.sha256}`],
      ["Profile", record.profile],
      ["Seed", record.seed],
      ["Model", model && `${model.name}, SHA-256 ${model.sha256}`],
      ...devices(record).map((device): [string, string] => ["Device", device]),
    );
  }
  for (const { file, sha256 } of manifests) rows.push(["Data", `${file}, SHA-256 ${sha256}`]);
  rows.push(["Rendered", `erpo ${rendered.erpo}, Node ${rendered.node}`]);
  return rows
    .filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false)
    .map(([name, value]) => [name, String(value)]);
}

function devices(record: Record<string, unknown>): string[] {
  const environments = Array.isArray(record.environments) ? record.environments : [];
  return environments.map(({ device, library, precision, node, platform }) =>
    [device, library, precision, node && `Node ${node}`, platform].filter(Boolean).join(", "),
  );
}
