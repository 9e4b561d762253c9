/** A notebook file, nbformat 4 (https://nbformat.readthedocs.io/en/latest/format_description.html). */
export interface Notebook {
  nbformat: 4;
  nbformat_minor: number;
  metadata: NotebookMetadata;
  cells: Cell[];
}

export interface NotebookMetadata {
  title?: unknown;
  authors?: unknown;
  kernelspec?: { name?: string; display_name?: string; language?: string };
  language_info?: { name?: string; version?: string };
  /** What this package notes: see `ExecutionRecord`. */
  erpo?: Record<string, unknown>;
  [key: string]: unknown;
}

export type Cell = CodeCell | TextCell;

interface CellBase {
  id?: string;
  source: string;
  metadata: CellMetadata;
}

export interface CellMetadata {
  tags?: string[];
  /** JupyterLab's times of the cell's last run, ISO 8601. */
  execution?: Record<string, string>;
  [key: string]: unknown;
}

export interface CodeCell extends CellBase {
  cell_type: "code";
  execution_count: number | null;
  outputs: Output[];
}

export interface TextCell extends CellBase {
  cell_type: "markdown" | "raw";
  attachments?: Record<string, Record<string, string>>;
}

export type Output = StreamOutput | DisplayOutput | ErrorOutput;

export interface StreamOutput {
  output_type: "stream";
  name: "stdout" | "stderr";
  text: string;
}

export interface DisplayOutput {
  output_type: "display_data" | "execute_result";
  /** By MIME type: text as one string, JSON types as values. */
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
  execution_count?: number | null;
}

export interface ErrorOutput {
  output_type: "error";
  ename: string;
  evalue: string;
  traceback: string[];
}

/** A notebook that cannot be read, run, rendered or written. The message is one line that begins with the file's name. */
export class NotebookError extends Error {
  override name = "NotebookError";
}

/** The tags of a cell; anything that is not a list of texts counts as none. */
export function cellTags(cell: Cell): readonly string[] {
  const { tags } = cell.metadata;
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
}

/** A code cell as it was before it was run: without outputs, count and times. Others stay as they are. */
export function withoutOutputs(cell: Cell): Cell {
  if (cell.cell_type !== "code") return cell;
  const { execution: _, ...metadata } = cell.metadata;
  return { ...cell, metadata, outputs: [], execution_count: null };
}
