import { createTwoFilesPatch } from "diff";
import type { Cell } from "../notebook/types.js";
import { literal, markdown } from "./cells.js";
import type { RunFolder } from "./run-folder.js";

/** Lines of a notebook's changes that are shown. */
const SHOWN_LINES = 60;

/** Changes of the notebooks' code to the baseline's, parameters left aside: one cell for each version that runs have. */
export function notebookChanges(runs: readonly RunFolder[]): Cell[] {
  const [baseline, ...others] = runs as [RunFolder, ...RunFolder[]];
  const cells = baseline.notebooks.flatMap(({ stem, code }) => {
    const versions = new Map<string, string[]>();
    for (const { name, notebooks } of others) {
      const version = notebooks.find((notebook) => notebook.stem === stem)?.code;
      if (version !== undefined && version !== code) versions.set(version, [...(versions.get(version) ?? []), name]);
    }
    return [...versions].map(([version, names]) =>
      markdown(
        `Code of ${literal(`${stem}.ipynb`)} in ${names.map(literal).join(", ")}, against ${literal(baseline.name)}:\n\n${patch(code, version)}`,
      ),
    );
  });
  return cells.length > 0 ? cells : [markdown("The notebooks that runs share have the same code in their cells, parameters left aside.")];
}

function patch(before: string, after: string): string {
  const lines = createTwoFilesPatch("", "", before, after, "", "", { context: 1 }).split("\n").slice(4);
  const shown = lines.slice(0, SHOWN_LINES).join("\n").trimEnd();
  const more = lines.length > SHOWN_LINES ? `\n… ${lines.length - SHOWN_LINES} more lines` : "";
  const fence = "`".repeat(3 + Math.max(0, ...[...shown.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length)));
  return `${fence}diff\n${shown}${more}\n${fence}`;
}
