import { pick } from "../document/cell-options.js";
import type { CodeCell, Notebook } from "../notebook/types.js";

/** A number or a text that a cell has named by `value("val-...", ...)`. */
export interface NamedValue {
  /** As reports show it. */
  text: string;
  /** Undefined for texts and for what is not finite. */
  number: number | undefined;
}

/** All values of an executed notebook by their labels; of one that is given twice, the last. */
export function namedValues(notebook: Notebook): Map<string, NamedValue> {
  const outputs = notebook.cells.filter((cell): cell is CodeCell => cell.cell_type === "code").flatMap((cell) => cell.outputs);
  const found = new Map<string, NamedValue>();
  for (const output of outputs) {
    if (output.output_type !== "display_data" && output.output_type !== "execute_result") continue;
    const { label } = pick(output.metadata);
    const { text } = output.metadata;
    if (!label?.startsWith("val-")) continue;
    const content = output.data["application/json"];
    found.set(label, {
      text: typeof text === "string" ? text : String(content),
      number: typeof content === "number" ? content : undefined,
    });
  }
  return found;
}
