import { createTwoFilesPatch } from "diff";
import { grouped } from "../../src/setup/lists.js";
import { codeBlock, codeSpan } from "../markdown/escape.js";
import type { Cell } from "../notebook/types.js";
import { markdown } from "./cells.js";
import type { RunFolder } from "./run-folder.js";

/** Lines of a notebook's changes that are shown. */
const SHOWN_LINES = 60;

/** Changes of the notebooks' code to the baseline's, parameters left aside: one cell for each version that runs have. */
export function notebookChanges(runs: readonly RunFolder[]): Cell[] {
  const [baseline, ...others] = runs as [RunFolder, ...RunFolder[]];
  const cells = baseline.notebooks.flatMap(({ stem, code }) => {
    const versions = grouped(others, ({ notebooks }) => notebooks.find((notebook) => notebook.stem === stem)?.code);
    return [...versions].flatMap(([version, runs]) => {
      if (version === undefined || version === code) return [];
      const names = runs.map(({ name }) => codeSpan(name)).join(", ");
      return markdown(`Code of ${codeSpan(`${stem}.ipynb`)} in ${names}, against ${codeSpan(baseline.name)}:\n\n${patch(code, version)}`);
    });
  });
  return cells.length > 0 ? cells : [markdown("The notebooks that runs share have the same code in their cells, parameters left aside.")];
}

function patch(before: string, after: string): string {
  const lines = createTwoFilesPatch("", "", before, after, "", "", { context: 1 }).split("\n").slice(4);
  const shown = lines.slice(0, SHOWN_LINES).join("\n").trimEnd();
  const more = lines.length > SHOWN_LINES ? `\n… ${lines.length - SHOWN_LINES} more lines` : "";
  return codeBlock(`${shown}${more}`, "diff");
}
