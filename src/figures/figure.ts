import { currentFrontend, type MimeBundle, type Shown } from "../frontend/frontend.js";
import { type DisplayHandle, display } from "../frontend/index.js";
import { DISPLAY } from "../frontend/shown.js";
import { captioned } from "./captioned.js";
import { checkDrawn } from "./check.js";
import { describe } from "./describe.js";
import { checkLabel, FigureError, type Row, type VegaLiteSpec, withoutStack } from "./spec.js";

/** How a figure is referred to and read. Each may instead stand as `//| key: value` at the top of the cell. */
export interface FigureOptions {
  /** `fig-...`, referred to in text as `@fig-...`. */
  label?: string;
  /** Stands under the figure. Markdown. */
  caption?: string;
  /** What the figure shows, for readers who do not see it; of a standard figure its numbers, unless told. */
  alt?: string;
}

/** A shown figure whose data can grow. */
export interface Figure {
  /** Adds one row or several and redraws in place, about twice a second at most. The last state is always drawn. */
  push(rows: Row | readonly Row[]): void;
  /** Resolves when the last state is drawn and shown. @throws FigureError when the specification is wrong */
  done(): Promise<void>;
  /**
   * Writes the last state for a paper: vectors with fonts, or a bitmap of 300 dpi, in the size that it is shown in.
   * @param path ends in `.pdf`, `.svg` or `.png`; from the folder that the notebook runs in
   * @throws FigureError when the ending is another one, or as `done()`; FileError when the file cannot be written
   */
  save(path: string): Promise<void>;
}

/** Where nobody looks on, as when `erpo execute` runs the notebook (`ERPO_UNATTENDED=1`), a figure is drawn ten times less often. */
const SLOWER = process.env.ERPO_UNATTENDED === "1" ? 10 : 1;
const INTERVAL_MS = 500 * SLOWER;
const MAX_INTERVAL_MS = 2000 * SLOWER;

/**
 * Shows a Vega-Lite figure at this place of the output: as Vega-Lite for frontends that draw it, SVG, PNG and text.
 *
 * Drawing goes on in the background; a cell ends only when its figures are drawn. Drawing takes about a tenth of the time at most.
 *
 * @param spec Vega-Lite 6 with inline data (`data.values`), which `push` adds to; nothing is ever loaded from a URL or file
 * @throws FigureError when the label is not `fig-...`, or `data.values` is no array; a specification that is wrong or draws nothing is told in the figure's place, and by `done()`, else as its cell's error
 */
export function figure(spec: VegaLiteSpec, options: FigureOptions = {}): Figure {
  if (options.label !== undefined) checkLabel(options.label, "fig");
  const metadata: Record<string, string> = {};
  if (options.label !== undefined) metadata.label = options.label;
  if (options.caption !== undefined) metadata["fig-cap"] = options.caption;
  if (options.alt !== undefined) metadata["fig-alt"] = options.alt;
  return new LiveFigure(spec, metadata);
}

class LiveFigure implements Figure {
  private readonly rows: Row[];
  private readonly handle: DisplayHandle;
  private dirty = false;
  private working: Promise<void> | undefined;
  /** `done()` tells what went wrong. */
  private asked = false;
  /** Ends the wait before the next drawing. */
  private hurry: (() => void) | undefined;
  private hurried = false;
  private drawnAt = 0;
  private pause = 0;
  private failure: unknown;

  constructor(
    private readonly spec: VegaLiteSpec,
    private readonly metadata: Record<string, string>,
  ) {
    const { values = [] } = spec.data ?? {};
    if (!Array.isArray(values)) throw new FigureError("figure: data.values must be an array of rows");
    this.rows = [...values];
    this.handle = display(this.view({ "text/plain": this.text() }));
    this.draw();
  }

  push(rows: Row | readonly Row[]): void {
    for (const row of [rows].flat() as Row[]) this.rows.push(row);
    this.draw();
  }

  async done(): Promise<void> {
    this.asked = true;
    this.hurried = true;
    this.hurry?.();
    while (this.working) await this.working;
    this.hurried = false;
    if (this.failure) throw this.failure;
  }

  async save(path: string): Promise<void> {
    const { saveFigure } = await import("./save.js");
    await this.done();
    await saveFigure(await this.full(), path);
  }

  /** A figure is shown where it was made: as a cell's value it adds nothing. */
  [DISPLAY](): Shown {
    return { data: {}, metadata: {} };
  }

  private draw(): void {
    this.dirty = true;
    this.working ??= this.hold(this.loop());
  }

  private async loop(): Promise<void> {
    try {
      while (this.dirty) {
        await this.rest();
        this.dirty = false;
        await this.drawOnce();
      }
    } finally {
      this.working = undefined;
    }
  }

  private async drawOnce(): Promise<void> {
    try {
      const bundle = await this.bundle();
      this.failure = undefined;
      this.drawnAt = performance.now();
      this.handle.update(this.view(bundle));
    } catch (error) {
      this.failure = withoutStack(error);
      this.handle.update(this.view({ "text/plain": String(error) }));
    }
  }

  private rest(): Promise<void> {
    const left = this.drawnAt + this.pause - performance.now();
    if (left <= 0 || this.hurried) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, left);
      this.hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Makes the running cell wait, and fail where the figure cannot be drawn: frontends await what a value's display method promises. */
  private hold(work: Promise<void>): Promise<void> {
    const drawn = async () => {
      await work;
      if (this.failure && !this.asked) throw this.failure;
      return { data: {}, metadata: {} };
    };
    const held = currentFrontend().format({ [DISPLAY]: drawn });
    if (held instanceof Promise) held.catch(() => {}); // it stands in the figure's place too
    return work;
  }

  /** The specification with the rows so far. */
  private async full(): Promise<VegaLiteSpec> {
    const { themed } = await import("./render.js");
    const own = this.spec.data;
    const values = [...this.rows]; // more may be pushed while these are drawn
    const spec = themed({ ...this.spec, data: own !== undefined && !own.values && values.length === 0 ? own : { ...own, values } });
    const alt = this.metadata["fig-alt"] ?? describe(spec);
    if (alt) spec.description ??= alt;
    return spec;
  }

  private async bundle(): Promise<MimeBundle> {
    const { loadEngine, render, SCHEMA } = await import("./render.js");
    const spec = await this.full();
    const alt = spec.description;
    const { label, "fig-cap": caption } = this.metadata;
    await loadEngine(); // not counted as drawing
    const started = performance.now();
    const { svg, png, drawn } = await render(spec, { png: true, ...(alt && { alt }) });
    if (spec.data?.values?.length !== 0) checkDrawn(spec, drawn); // one without rows waits for them
    this.pause = Math.min(MAX_INTERVAL_MS, Math.max(INTERVAL_MS, 10 * (performance.now() - started)));
    return {
      "application/vnd.vegalite.v6+json": spec,
      "application/vnd.vegalite.v5+json": { ...captioned(spec, label, caption), $schema: SCHEMA.v5 },
      "image/svg+xml": svg,
      "image/png": Buffer.from(png!).toString("base64"),
      "text/plain": this.text(),
    };
  }

  private text(): string {
    const { label = "figure", "fig-cap": caption, "fig-alt": alt } = this.metadata;
    return [`[${label}: ${this.rows.length} rows]`, caption, alt].filter(Boolean).join("\n");
  }

  private view(data: MimeBundle): object {
    return { [DISPLAY]: (): Shown => ({ data, metadata: this.metadata }) };
  }
}
