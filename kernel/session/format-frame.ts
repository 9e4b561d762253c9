/** What is used of a danfo DataFrame or Series. */
interface Frame {
  columns: unknown[];
  index: unknown[];
  shape: [number, number];
  values: unknown[] | unknown[][];
}

const HEAD = 10;
const TAIL = 5;
const MAX_COLUMNS = 40;

/** Danfo's classes, by what they offer: a notebook may hold another copy of the package. */
export function isFrame(value: unknown): value is Frame {
  if (typeof value !== "object" || value === null) return false;
  const name = value.constructor?.name;
  if (name !== "DataFrame" && name !== "Series") return false;
  const frame = value as Partial<Frame>;
  return Array.isArray(frame.columns) && Array.isArray(frame.index) && Array.isArray(frame.shape) && Array.isArray(frame.values);
}

/** An HTML table: all rows of a small frame, head and tail of a long one, and its shape. Every text is escaped. */
export function frameHTML(frame: Frame): string {
  const rows = frame.values;
  const [length] = frame.shape;
  const columns = frame.columns.slice(0, MAX_COLUMNS);
  const cells = (row: unknown) => (Array.isArray(row) ? row : [row]).slice(0, MAX_COLUMNS);
  const line = (i: number) =>
    `<tr><th scope="row">${escapeHTML(frame.index[i])}</th>${cells(rows[i])
      .map((cell) => `<td>${escapeHTML(shown(cell))}</td>`)
      .join("")}</tr>`;
  const more = frame.columns.length - columns.length;
  const all = length <= HEAD + TAIL + 1;
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i));
  const gap = `<tr><th scope="row">…</th>${columns.map(() => "<td>…</td>").join("")}</tr>`;
  const body = all ? range(0, length) : [...range(0, HEAD), gap, ...range(length - TAIL, length)];
  const shape = `${length} row${length === 1 ? "" : "s"} × ${frame.columns.length} column${frame.columns.length === 1 ? "" : "s"}`;
  return [
    '<table class="dataframe">',
    `<thead><tr><th></th>${columns.map((name) => `<th scope="col">${escapeHTML(name)}</th>`).join("")}</tr></thead>`,
    `<tbody>${body.join("\n")}</tbody>`,
    "</table>",
    `<p>${shape}${more > 0 ? ` (the first ${MAX_COLUMNS} columns are shown)` : ""}</p>`,
  ].join("\n");
}

function shown(cell: unknown): string {
  if (typeof cell === "number" && Number.isFinite(cell) && !Number.isInteger(cell)) return String(Number(cell.toPrecision(6)));
  if (cell === null || cell === undefined) return "";
  return String(cell);
}

export function escapeHTML(value: unknown): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return String(value).replace(/[&<>"']/g, (character) => entities[character]!);
}
