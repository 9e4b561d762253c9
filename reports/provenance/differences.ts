import { isRecord } from "../../src/setup/json.js";
import { isJSONType } from "../notebook/read.js";
import { type CodeCell, cellTags, type DisplayOutput, type Notebook, type Output, type StreamOutput } from "../notebook/types.js";
import { compareText, isProgress } from "./text.js";

/** Where two runs of a notebook differ: a place in an output of a cell, and what each has there. */
export interface Difference {
  /** From 1 up, counted over all cells of the reported run. */
  cell: number;
  /** A label, `display 2`, `printed text`, `error`. */
  output: string;
  /** `data.values[3].loss`, `line 2`. */
  place: string;
  reported: string;
  found: string;
}

/** Whether two numbers agree within a tolerance T: `|a - b| <= T * max(|a|, |b|)`, or `|a - b| <= T / 1000` near zero. */
export const agree = (a: number, b: number, tolerance: number): boolean =>
  a === b || Math.abs(a - b) <= Math.max(tolerance * Math.max(Math.abs(a), Math.abs(b)), tolerance / 1000);

/**
 * Compares the outputs of two runs of a notebook, in order.
 *
 * Numbers agree within the tolerance, everything else must be equal. Figures, tables and values are compared by their data (their JSON), other
 * outputs by all their texts, pictures without data by their bytes; printed text and text in outputs word by word, with numbers as
 * numbers. Left out are what a clock or a place decides: durations, rates a second and moments in text, and fields of data whose names
 * say such a thing (`step_seconds`, `latency (s)`, `val-latency`); progress bars; paths; tracebacks. So are cells that one of the runs did not reach.
 */
export function differences(reported: Notebook, found: Notebook, tolerance: number): Difference[] {
  const again = codeCells(found);
  return codeCells(reported).flatMap(({ cell, number }, i) => {
    if (isUnreached(cell) || again[i]?.cell.execution_count === null) return [];
    const [before, after] = [parts(cell), parts(again[i]?.cell)];
    return Array.from({ length: Math.max(before.length, after.length) }, (_, k) => {
      const [a, b] = [before[k], after[k]];
      const output = (a ?? b)!.name;
      const tell = (place: string, x: unknown, y: unknown): Difference[] => [
        { cell: number, output, place, reported: inWords(x), found: inWords(y) },
      ];
      if (!a || !b || a.name !== b.name) return tell("", a && brief(a), b && brief(b));
      return [...compare(a.content, b.content, "", { tolerance, tell })];
    }).flat();
  });
}

/** Numbers that stand in a cell without a count are numbers all the same: other programs take counts away. */
const isUnreached = ({ execution_count, outputs }: CodeCell): boolean => execution_count === null && outputs.length === 0;

/** Parameters are injected again, so their cell may be another one. */
const codeCells = ({ cells }: Notebook) =>
  cells.flatMap((cell, i) =>
    cell.cell_type === "code" && !cellTags(cell).includes("injected-parameters") ? [{ cell, number: i + 1 }] : [],
  );

/** What is compared of a cell: what it printed on each stream, its displays one by one, its error. */
interface Part {
  name: string;
  content: unknown;
}

/** An error's own words, another output's name. */
const brief = ({ name, content }: Part) => (typeof content === "string" ? content : name);

function parts(cell: CodeCell | undefined): Part[] {
  const outputs = cell?.outputs ?? [];
  const printed = (name: "stdout" | "stderr") =>
    outputs.map((output) => (output.output_type === "stream" && output.name === name ? output.text : "")).join("");
  const streams = [
    { name: "printed text", content: printed("stdout") },
    { name: "text on standard error", content: printed("stderr") },
  ];
  return [...streams, ...outputs.filter((output) => output.output_type !== "stream").flatMap(shownPart)];
}

/** @param index among what the cell has shown: how streams lie between is a matter of chance */
function shownPart(output: Exclude<Output, StreamOutput>, index: number): Part[] {
  if (output.output_type === "error") return [{ name: "error", content: `${output.ename}: ${output.evalue}` }];
  const { label, "fig-cap": figure, "tbl-cap": table, "fig-alt": alt } = output.metadata;
  if (typeof label === "string" && label.startsWith("val-") && TIMED.test(label)) return [];
  const data = dataOf(output);
  if (Object.values(data).every((text) => typeof text === "string" && isProgress(text))) return [];
  return [{ name: typeof label === "string" ? label : `display ${index + 1}`, content: { ...data, figure, table, alt } }];
}

/** The JSON of an output; where there is none its texts; else all there is. Vega-Lite 5 stands beside 6 and says the same. */
function dataOf({ data }: DisplayOutput): Record<string, unknown> {
  const entries = Object.entries(data);
  const json = entries.filter(
    ([mime]) => isJSONType(mime) && !(mime.includes("vegalite.v5") && "application/vnd.vegalite.v6+json" in data),
  );
  if (json.length) return json.length === 1 ? asRecord(json[0]![1]) : Object.fromEntries(json);
  const texts = entries.filter(([mime]) => mime.startsWith("text/") || mime === "image/svg+xml");
  const onlyPlain = texts.every(([mime]) => mime === "text/plain"); // which then names a picture, or is all there is
  return Object.fromEntries(onlyPlain ? entries : texts);
}

const asRecord = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : { value });

/** Fields that a clock decides, or the machine's memory. */
const TIMED =
  /(?:^|[^a-z])(?:(?:seconds|duration|elapsed|latency|time|timestamp|per[ _-]second|rss)(?:[^a-z]|$)|times$)|\((?:ns|µs|ms|s|min|h)\)/i;

interface Comparison {
  tolerance: number;
  tell(place: string, reported: unknown, found: unknown): Difference[];
}

function* compare(a: unknown, b: unknown, place: string, comparison: Comparison): Generator<Difference> {
  const { tolerance, tell } = comparison;
  if (typeof a === "number" && typeof b === "number") {
    if (!agree(a, b, tolerance)) yield* tell(place, a, b);
  } else if (typeof a === "string" && typeof b === "string") {
    for (const { line, reported, found } of compareText(a, b, (x, y) => agree(x, y, tolerance)))
      yield* tell([place, line && `line ${line}`].filter(Boolean).join(", "), reported, found);
  } else if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) yield* tell(place, `${a.length} items`, `${b.length} items`);
    for (let i = 0; i < Math.min(a.length, b.length); i++) yield* compare(a[i], b[i], `${place}[${i}]`, comparison);
  } else if (isRecord(a) && isRecord(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (TIMED.test(key) && key in a && key in b) continue;
      yield* compare(a[key], b[key], place ? `${place}.${key}` : key, comparison);
    }
  } else if (a !== b) yield* tell(place, a, b);
}

/** A value in at most 80 characters. */
function inWords(value: unknown): string {
  const text = value === undefined ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
