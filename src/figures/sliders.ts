import type { Displayable } from "../frontend/formats.js";
import { display } from "../frontend/index.js";
import { DISPLAY } from "../frontend/shown.js";
import { widget } from "../frontend/widget.js";
import { checkDrawn } from "./check.js";
import type { FigureOptions } from "./figure.js";
import { checkLabel, FigureError, type VegaLiteSpec } from "./spec.js";

/** A number that a reader sets, and what it is when nobody has. */
export interface Slider {
  min: number;
  max: number;
  step: number;
  value: number;
  /** What stands beside it; its name unless told. */
  title?: string;
}

/** What the page and the cells share. */
interface State {
  sliders: Record<string, Slider>;
  values: Record<string, number>;
  /** An SVG document, drawn by the kernel. */
  picture: string;
}

/** A figure with sliders, which is shown where it was made: as a cell's value it adds nothing. */
export interface SliderFigure<Name extends string> extends Displayable {
  /** Where the sliders are. */
  values(): Record<Name, number>;
  /** Moves sliders, as a reader would, and resolves when the picture shows it. @throws FigureError as `sliders` */
  move(values: Partial<Record<Name, number>>): Promise<void>;
  /** The picture as SVG. */
  picture(): string;
}

/**
 * Shows a figure with sliders under it. Where a kernel runs it is drawn anew as a slider moves; a report or a saved notebook has the picture of the values it began with.
 *
 *     await sliders({ beta: { min: 0.01, max: 1, step: 0.01, value: 0.1 } }, ({ beta }) => ({ ... }), { label: "fig-beta", caption, alt })
 *
 * @param controls by name
 * @param spec the figure at these values, as `figure` takes it
 * @param options label, caption and alternative text
 * @throws FigureError when the label is not `fig-...`, a slider's value is outside of its range, or the specification is wrong or draws nothing
 */
export async function sliders<Name extends string>(
  controls: Record<Name, Slider>,
  spec: (values: Record<Name, number>) => VegaLiteSpec,
  options: FigureOptions = {},
): Promise<SliderFigure<Name>> {
  const { label, caption, alt } = options;
  if (label !== undefined) checkLabel(label, "fig");
  const initial = Object.fromEntries(Object.entries<Slider>(controls).map(([name, slider]) => [name, slider.value]));
  checkValues(controls, initial);

  const { render, themed } = await import("./render.js");
  const drawn = async (values: Record<string, number>, png = false) => {
    const specification = themed(spec({ ...values } as Record<Name, number>));
    const result = await render(specification, { png, ...(alt !== undefined && { alt }) });
    checkDrawn(specification, result.drawn);
    return { specification, ...result };
  };
  const still = await drawn(initial, true);
  const shown = widget<State>({ esm: page, css, state: { sliders: controls, values: initial, picture: still.svg } });

  let drawing: Promise<void> | undefined;
  /** One picture at a time: values that come meanwhile are drawn next, and those between are left out. */
  const redraw = (): Promise<void> => {
    drawing ??= (async () => {
      try {
        for (let done: State["values"] | undefined; done !== shown.get("values"); ) {
          done = shown.get("values");
          shown.set("picture", (await drawn(done)).svg);
        }
      } finally {
        drawing = undefined;
      }
    })();
    return drawing;
  };
  let last: State["values"] = initial;
  shown.on("change", ({ values }) => {
    if (values === undefined) return;
    if (wrongValue(controls, values) !== undefined) return shown.set("values", last); // a page has sent what no slider can say
    last = values;
    void redraw();
  });

  const metadata = { ...(label && { label }), ...(caption && { "fig-cap": caption }), ...(alt && { "fig-alt": alt }) };
  const pictures = {
    "application/vnd.vegalite.v6+json": still.specification,
    "image/svg+xml": still.svg,
    "image/png": Buffer.from(still.png!).toString("base64"),
    "text/plain": [`[${label ?? "figure"}: ${inWords(initial)}]`, caption, alt].filter(Boolean).join("\n"),
  };
  display({ [DISPLAY]: () => ({ data: { ...shown[DISPLAY](), ...pictures }, metadata }) });
  return {
    values: () => ({ ...shown.get("values") }) as Record<Name, number>,
    async move(values) {
      const moved = { ...shown.get("values"), ...(values as Record<string, number>) };
      checkValues(controls, moved);
      shown.set("values", moved);
      await redraw();
    },
    picture: () => shown.get("picture"),
    [DISPLAY]: () => ({ data: {}, metadata: {} }),
  };
}

/** The name of a slider whose value is missing, no number, or outside of its range. */
const wrongValue = (controls: Record<string, Slider>, values: State["values"] | null): string | undefined =>
  Object.keys(controls).find((name) => {
    const { min, max } = controls[name]!;
    const value: unknown = values?.[name];
    return !(typeof value === "number" && value >= min && value <= max);
  });

function checkValues(controls: Record<string, Slider>, values: State["values"]): void {
  const unknown = Object.keys(values).find((name) => !Object.hasOwn(controls, name));
  if (unknown !== undefined) throw new FigureError(`sliders: there is no "${unknown}", only ${Object.keys(controls).join(", ")}`);
  const name = wrongValue(controls, values);
  if (name === undefined) return;
  const { min, max } = controls[name]!;
  throw new FigureError(`sliders: ${name} is ${values[name]}, which is not between ${min} and ${max}`);
}

const inWords = (values: State["values"]) =>
  Object.entries(values)
    .map(([name, value]) => `${name} = ${value}`)
    .join(", ");

const css = `.erpo-sliders { background: white; color: #24292f; padding: 4px; max-width: 640px; }
.erpo-sliders svg { max-width: 100%; height: auto; }
.erpo-sliders label { display: flex; align-items: center; gap: 0.75em; font: 14px sans-serif; margin: 0.4em 0; }
.erpo-sliders input { flex: 1; min-width: 6em; }
.erpo-sliders output { min-width: 3.5em; text-align: right; font-variant-numeric: tabular-nums; }`;

/** The page's side. The picture comes from the kernel that the reader runs. */
const page = `export default { render({ model, el }) {
  el.classList.add("erpo-sliders");
  const picture = document.createElement("div");
  const draw = () => { picture.innerHTML = model.get("picture"); };
  const shown = [];
  el.append(picture);
  for (const [name, { min, max, step, title }] of Object.entries(model.get("sliders"))) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "range", min, max, step });
    input.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes the arrow keys for itself
    const output = document.createElement("output");
    const show = () => { output.textContent = input.value = String(model.get("values")[name]); };
    input.oninput = () => {
      output.textContent = input.value;
      model.set("values", { ...model.get("values"), [name]: Number(input.value) });
      model.save_changes();
    };
    label.append(title ?? name, input, output);
    el.append(label);
    shown.push(show);
    show();
  }
  model.on("change:picture", draw);
  model.on("change:values", () => shown.forEach((show) => show()));
  draw();
} };`;
