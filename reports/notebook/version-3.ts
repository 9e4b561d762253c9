import { isRecord } from "../../src/setup/json.js";

/**
 * Notebooks of nbformat 3 (IPython 1 and 2) in the shape of nbformat 4, as nbformat's own `upgrade` makes it. Three things differ: no ids are drawn for cells, JSON is
 * parsed, which `upgrade` means to do and does not, and the language, which nbformat 3 notes in each cell and `upgrade` drops, goes where nbformat 4 has it. What is not as
 * it should be stays as it is: whoever checks the result finds it.
 */

type Fields = Record<string, unknown>;

/** The types of an output's data, by their names in nbformat 3. */
const MIME_TYPES: Record<string, string> = {
  text: "text/plain",
  html: "text/html",
  svg: "image/svg+xml",
  png: "image/png",
  jpeg: "image/jpeg",
  latex: "text/latex",
  json: "application/json",
  javascript: "application/javascript",
};

/** Kernels whose names are not their languages'. */
const KERNELS = new Map([
  ["python", { name: "python3", display_name: "Python 3" }],
  ["R", { name: "ir", display_name: "R" }],
]);

/** @param notebook the JSON of a file whose nbformat is 3 */
export function fromVersion3({ worksheets, metadata, nbformat_minor, orig_nbformat, orig_nbformat_minor, ...others }: Fields): Fields {
  const { name, signature, ...kept } = isRecord(metadata) ? metadata : {};
  const origin = { orig_nbformat: orig_nbformat ?? 3, orig_nbformat_minor: orig_nbformat_minor ?? 0 };
  const sheets = Array.isArray(worksheets) ? worksheets : undefined;
  const cells = sheets?.flatMap((sheet) => (isRecord(sheet) && Array.isArray(sheet.cells) ? sheet.cells : [undefined]));
  return {
    ...others,
    nbformat: 4,
    nbformat_minor: 4,
    metadata: { ...languageOf(cells ?? []), ...kept, ...origin },
    cells: cells?.map(cellFrom3),
  };
}

/** The kernel that runs the notebook, and what it speaks, by the first code cell that says it. */
function languageOf(cells: readonly unknown[]): Fields {
  const language = cells.filter(isRecord).find((cell) => cell.cell_type === "code" && typeof cell.language === "string")?.language;
  if (typeof language !== "string" || language === "") return {};
  const { name, display_name } = KERNELS.get(language) ?? { name: language, display_name: language };
  return { kernelspec: { name, display_name, language }, language_info: { name: language } };
}

function cellFrom3(cell: unknown): unknown {
  if (!isRecord(cell)) return cell;
  const { cell_type, metadata = {} } = cell;
  if (cell_type === "heading") {
    const { level = 1, source, ...others } = cell;
    const line = text(source).split(/\r?\n/).join(" ").trim();
    return { ...others, cell_type: "markdown", metadata, source: `${"#".repeat(Math.min(6, Math.max(1, Number(level) || 1)))} ${line}` };
  }
  if (cell_type === "html") return { ...cell, cell_type: "markdown", metadata };
  if (cell_type !== "code") return { ...cell, metadata };
  const { input = "", prompt_number, language, collapsed, outputs = [], ...others } = cell;
  return {
    ...others,
    metadata: collapsed === undefined ? metadata : { ...(metadata as Fields), collapsed },
    source: input,
    execution_count: prompt_number ?? null,
    outputs: Array.isArray(outputs) ? outputs.map(outputFrom3) : outputs,
  };
}

function outputFrom3(output: unknown): unknown {
  if (!isRecord(output)) return output;
  const { output_type, ...others } = output;
  if (output_type === "pyerr") return { output_type: "error", ...others };
  if (output_type === "stream") {
    const { stream = "stdout", ...text } = others;
    return { output_type, name: stream, ...text };
  }
  if (output_type !== "pyout" && output_type !== "display_data") return output;
  const { metadata = {}, prompt_number, ...data } = others;
  const parsed = { ...data, ...(data.json !== undefined && { json: ofJSON(text(data.json)) }) };
  return {
    ...(output_type === "pyout" ? { output_type: "execute_result", execution_count: prompt_number ?? null } : { output_type }),
    metadata: isRecord(metadata) ? byMimeType(metadata) : metadata,
    data: byMimeType(parsed),
  };
}

const byMimeType = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [MIME_TYPES[name] ?? name, value]));

/** What a JSON text says; the text itself where it is none. */
function ofJSON(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** A text, or a list of pieces of it. */
const text = (value: unknown): string => (Array.isArray(value) ? value.join("") : String(value ?? ""));
