import type { Message } from "../../kernel/wire/messages.js";
import { overprint } from "../document/plain-output.js";
import type { CodeCell, DisplayOutput, Output } from "../notebook/types.js";

/**
 * Puts what a kernel sends on iopub into the cells' outputs, as nbclient does: neighbouring streams grow together, updates of a display
 * reach every place with its id, a `clear_output` that waits clears at the next output. A late output goes to the cell that caused it.
 */
export class OutputCollector {
  private readonly cells = new Map<string, CodeCell>();
  private readonly displays = new Map<string, DisplayOutput[]>();
  private readonly clearing = new Set<CodeCell>();

  /** Makes outputs of the request `id` go to `cell`. */
  watch(id: string, cell: CodeCell): void {
    this.cells.set(id, cell);
  }

  /** @returns the text to show as the newest line of progress, if the message has any */
  receive({ header, parentHeader, content }: Message): string | undefined {
    if (header.msg_type === "update_display_data") {
      for (const place of this.displays.get(content.transient?.display_id) ?? [])
        Object.assign(place, { data: content.data, metadata: content.metadata ?? {} });
      return progressOf(content);
    }
    const cell = this.cells.get(parentHeader.msg_id ?? "");
    if (!cell) return undefined;
    switch (header.msg_type) {
      case "clear_output":
        if (content.wait) this.clearing.add(cell);
        else cell.outputs = [];
        return undefined;
      case "stream":
        this.clear(cell);
        this.stream(cell, content.name === "stderr" ? "stderr" : "stdout", String(content.text));
        return String(content.text);
      case "display_data":
      case "execute_result": {
        if (Object.keys(content.data ?? {}).length === 0) return undefined;
        this.clear(cell);
        const output: DisplayOutput = { output_type: header.msg_type, data: content.data, metadata: content.metadata ?? {} };
        if (header.msg_type === "execute_result") output.execution_count = content.execution_count ?? null;
        this.remember(content.transient?.display_id, output);
        cell.outputs.push(output);
        return progressOf(content);
      }
      case "error":
        this.clear(cell);
        cell.outputs.push({
          output_type: "error",
          ename: String(content.ename),
          evalue: String(content.evalue),
          traceback: (content.traceback ?? []).map(String),
        });
        return undefined;
      default:
        return undefined;
    }
  }

  private clear(cell: CodeCell): void {
    if (this.clearing.delete(cell)) cell.outputs = [];
  }

  private stream(cell: CodeCell, name: "stdout" | "stderr", text: string): void {
    const last: Output | undefined = cell.outputs.at(-1);
    if (last?.output_type === "stream" && last.name === name) last.text = overprint(last.text + text);
    else cell.outputs.push({ output_type: "stream", name, text: overprint(text) });
  }

  private remember(id: string | undefined, output: DisplayOutput): void {
    if (id !== undefined) this.displays.set(id, [...(this.displays.get(id) ?? []), output]);
  }
}

/** The text of what a cell shows. A figure's own describes the picture, and says nothing of where the cell stands: not that of a picture, nor of one that is not drawn yet. */
function progressOf({ data = {}, metadata = {} }: Message["content"]): string | undefined {
  const pictured = Object.keys(data).some((type) => /^image\/|^application\/vnd\.(?:vega|plotly)/.test(type));
  const named = Object.keys(metadata).some((key) => key.startsWith("fig-")) || /^fig-/.test(String(metadata.label ?? ""));
  const text = data["text/plain"];
  return typeof text === "string" && !pictured && !named ? text : undefined;
}
