import { isRecord } from "../setup/json.js";
import { FigureError, type VegaLiteSpec } from "./spec.js";

export type View = Record<string, unknown>;

const MARKS = new Set(
  "arc area bar boxplot circle errorband errorbar geoshape image line point rect rule square text tick trail".split(" "),
);
const TYPES = new Set(["quantitative", "temporal", "ordinal", "nominal", "geojson"]);
/** Where views stand within a view. */
export const PARTS = ["layer", "concat", "hconcat", "vconcat"];

/**
 * Checks what Vega-Lite's compiler passes over or has no clear word for: that there is a mark, and that marks and types of fields are its.
 * @throws FigureError that names the place in the specification
 */
export function checkSpec(spec: VegaLiteSpec): void {
  const marked = [...views(spec, "")].filter(({ view }) => view.mark !== undefined);
  if (marked.length === 0) throw new FigureError("figure: draws nothing, since the specification has no mark");
  for (const { view, place } of marked) {
    const name = isRecord(view.mark) ? view.mark.type : view.mark;
    if (!MARKS.has(name as string)) throw wrong(`${place}mark${isRecord(view.mark) ? ".type" : ""}`, name, MARKS);
  }
  for (const { channel, place } of channels(spec)) {
    if (channel.type !== undefined && !isType(channel.type)) throw wrong(`${place}.type`, channel.type, TYPES);
  }
}

const isType = (type: unknown) => typeof type === "string" && (TYPES.has(type.toLowerCase()) || /^[qton]$/i.test(type));

const wrong = (place: string, found: unknown, known: ReadonlySet<string>) =>
  new FigureError(`figure: ${place} is ${JSON.stringify(found)}; Vega-Lite knows ${[...known].join(", ")}`);

/**
 * Checks that a figure shows something.
 * @param drawn number of the marks that stand for data, see `Rendered`
 * @throws FigureError that says what is missing, as far as the rows tell
 */
export function checkDrawn(spec: VegaLiteSpec, drawn: number): void {
  if (drawn === 0) throw new FigureError(`figure: draws nothing, ${reason(spec)}`);
}

function reason(spec: VegaLiteSpec): string {
  const rows = spec.data?.values;
  if (!Array.isArray(rows)) return "since no row of its data comes to a mark";
  if (rows.length === 0) return "since data.values has no rows";
  const transforms = [...views(spec, "")].flatMap(({ view }) => (Array.isArray(view.transform) ? view.transform.filter(isRecord) : []));
  const made = new Set(transforms.flatMap(madeFields));
  const read = [
    ...transforms.flatMap(({ fold }) => (Array.isArray(fold) ? fold : [])).map((field: unknown) => ({ field, place: "a fold" })),
    ...channels(spec).map(({ channel: { field }, place }) => ({ field, place })),
  ];
  const missing = read.find(
    ({ field }) => typeof field === "string" && /^[\w/]+$/.test(field) && !made.has(field) && !rows.some((row) => has(row, field)),
  );
  if (missing) return `since no row has the field ${JSON.stringify(missing.field)} of ${missing.place}`;
  return `since none of the ${rows.length} rows comes to a mark; look at its filters and at what the fields hold`;
}

/** The fields that a transform gives its rows. */
function madeFields(transform: View): string[] {
  const parts = ["aggregate", "joinaggregate", "window"].flatMap((name) => transform[name] ?? []).filter(isRecord);
  return [transform, ...parts].flatMap(({ as }) => as ?? []).filter((name): name is string => typeof name === "string");
}

const has = (row: unknown, field: string) => isRecord(row) && Object.hasOwn(row, field);

/** The views of a specification, itself included, with their places: "layer[1]." and the like. */
export function* views(view: View, place: string): Generator<{ view: View; place: string }> {
  yield { view, place };
  for (const part of PARTS) {
    const children = view[part];
    if (!Array.isArray(children)) continue;
    for (const [i, child] of children.entries()) if (isRecord(child)) yield* views(child, `${place}${part}[${i}].`);
  }
  if (isRecord(view.spec)) yield* views(view.spec, `${place}spec.`);
}

/** Everything that encodes a field or a value. */
function channels(spec: View): { channel: View; place: string }[] {
  return [...views(spec, "")].flatMap(({ view, place }) =>
    Object.entries(isRecord(view.encoding) ? view.encoding : {}).flatMap(([name, channel]) =>
      (Array.isArray(channel) ? channel : [channel]).filter(isRecord).map((each) => ({ channel: each, place: `${place}encoding.${name}` })),
    ),
  );
}
