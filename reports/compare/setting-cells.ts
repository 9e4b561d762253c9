import type { Row } from "../../src/figures/spec.js";
import { pieces } from "../../src/setup/lists.js";
import { codeSpan } from "../markdown/escape.js";
import type { Cell } from "../notebook/types.js";
import { count, folded, markdown, table } from "./cells.js";
import { type Setting, type Settings, written } from "./parameters.js";

/** Settings beside the run's name in one table at most: more go into further tables. */
const COLUMNS = 4;

/**
 * Settings that differ as tables with a row per run, and those that all runs share behind one line.
 * @param label of the tables, `tbl-...`
 * @param what the settings are called in the plural, such as "parameters"
 */
export function settingCells({ differing, same }: Settings, runs: readonly string[], label: string, what: string): Cell[] {
  const cells = pieces(differing, COLUMNS).map((piece, i, { length }) => {
    const part = length > 1 ? `, ${i + 1} of ${length}` : "";
    return table(rowsOf(piece, runs), i === 0 ? label : `${label}-${i + 1}`, `The ${what} in which runs differ${part}.`);
  });
  if (differing.length === 0) cells.push(markdown(`No ${what} differ.`));
  if (same.length > 0) {
    const rows = same.map(({ name, values }) => ({ [what]: name, value: written(values[0]) }));
    cells.push(folded(`${same.length} ${what} are the same in all runs`, rows));
  }
  return cells;
}

const rowsOf = (settings: readonly Setting[], runs: readonly string[]): Row[] =>
  runs.map((run, i) => ({ run, ...Object.fromEntries(settings.map(({ name, values }) => [name, written(values[i])])) }));

/** The parameters that differ in words, the first few: of two runs with their values, of more with the number of values. */
export function inWords({ differing }: Settings): string {
  const shown = differing.slice(0, 5).map(({ name, values }) => {
    if (values.length === 2) return `${codeSpan(name)} (${values.map(written).map(codeSpan).join(" and ")})`;
    const known = values.filter((value) => value !== undefined);
    const lacking = values.length - known.length;
    return `${codeSpan(name)} (${count(new Set(known.map(written)).size, "value")}${lacking > 0 ? `, ${count(lacking, "run")} without` : ""})`;
  });
  if (shown.length === 0) return "No parameters differ.";
  const rest = differing.length - shown.length;
  return `Parameters that differ: ${shown.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}.`;
}
