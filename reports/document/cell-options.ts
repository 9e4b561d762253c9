/** Quarto's keys of a cell: how its output is labelled and described. */
export interface CellOptions {
  label?: string;
  "fig-cap"?: string;
  "fig-alt"?: string;
  "tbl-cap"?: string;
}

const KEYS = ["label", "fig-cap", "fig-alt", "tbl-cap"] as const;

/** The `//| key: value` lines (`#|` in Python) at the top of a cell, and the code without them. */
export function readOptionLines(source: string): { options: CellOptions; code: string } {
  const options: Record<string, string> = {};
  const lines = source.split("\n");
  let count = 0;
  for (const line of lines) {
    const found = /^(?:\/\/|#)\|\s*([\w-]+):(.*)$/.exec(line);
    if (!found) break;
    options[found[1]!] = unquote(found[2]!.trim());
    count++;
  }
  return { options: pick(options), code: lines.slice(count).join("\n") };
}

const LABEL = /^(?:fig|tbl|val)-[A-Za-z0-9_-]+$/;

/** Quarto's keys of some metadata; what is no text, or no label, is left out. */
export function pick(metadata: Record<string, unknown>): CellOptions {
  const known = KEYS.filter((key) => {
    const value = metadata[key];
    return typeof value === "string" && (key === "label" ? LABEL.test(value) : value !== "");
  });
  return Object.fromEntries(known.map((key) => [key, metadata[key]]));
}

/** The first that has a key wins it: output metadata, cell metadata, option lines. */
export function combine(...sources: CellOptions[]): CellOptions {
  return Object.assign({}, ...[...sources].reverse());
}

function unquote(text: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$|^'((?:[^']|'')*)'$/.exec(text);
  if (!quoted) return text;
  return quoted[1] !== undefined ? quoted[1].replace(/\\(.)/g, "$1") : quoted[2]!.replaceAll("''", "'");
}
