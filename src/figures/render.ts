import { createRequire } from "node:module";
import { isRecord } from "../setup/json.js";
import { checkSpec } from "./check.js";
import { FigureError, type VegaLiteSpec } from "./spec.js";
import { FONT, theme } from "./theme.js";

/** A figure, drawn. */
export interface Rendered {
  /** Self-contained SVG: text stays text, no links, coordinates to a hundredth of a pixel. */
  svg: string;
  /** The same at twice the size. Undefined when not asked for. */
  png?: Uint8Array;
  /** Number of marks that stand for data: points, bars, corners of lines. 0 where only axes and titles are drawn. */
  drawn: number;
}

/** Vega-Lite's version in the `$schema` of what is shown. */
export const SCHEMA = { v6: "https://vega.github.io/schema/vega-lite/v6.json", v5: "https://vega.github.io/schema/vega-lite/v5.json" };

/** The specification with the package's theme under its own configuration. */
export function themed(spec: VegaLiteSpec): VegaLiteSpec {
  return { $schema: SCHEMA.v6, ...spec, config: merge(theme, spec.config ?? {}) };
}

/**
 * Draws a specification as SVG and, if asked, PNG, with the widths of real text (Arimo).
 *
 * Data must be inline: nothing is loaded, neither from the network nor from files. The same specification gives the same bytes.
 *
 * @param spec a Vega-Lite 6 (or 5) specification; the theme is not added here (see `themed`)
 * @param options.png draw the PNG too
 * @param options.alt text for readers who do not see the figure, as `aria-label`
 * @throws FigureError with Vega-Lite's or Vega's reason
 */
export async function render(spec: VegaLiteSpec, options: { png?: boolean; alt?: string } = {}): Promise<Rendered> {
  return draw(spec, async (view, vega) => {
    vega.resetSVGDefIds();
    const svg = finish(await view.toSVG(), options.alt);
    const png = options.png ? await drawPNG(view) : undefined;
    return { svg, ...(png && { png }), drawn: marksOfData(view) };
  });
}

/** How many marks of a specification would stand for data, without the picture. @throws FigureError as `render` does */
export const count = (spec: VegaLiteSpec): Promise<number> => draw(spec, async (view) => marksOfData(view));

/** Compiles a specification whose data is elsewhere. @throws FigureError with Vega-Lite's reason */
export async function compileOnly(spec: VegaLiteSpec): Promise<void> {
  const { vegaLite } = await loadEngine();
  compile(
    vegaLite,
    spec,
    quietLogger(() => {}),
  );
}

type VegaView = import("vega").View;

/** Runs a specification and takes something of its view. */
async function draw<T>(spec: VegaLiteSpec, take: (view: VegaView, vega: Vega) => Promise<T>): Promise<T> {
  const { vega, vegaLite, expressionInterpreter } = await loadEngine();
  const complaints: string[] = [];
  const complain = (text: string) => complaints.push(text);
  const logger = quietLogger(complain);
  try {
    const compiled = compile(vegaLite, spec, logger);
    const runtime = vega.parse(compiled, undefined, { ast: true }); // expressions are interpreted: none becomes code
    const view = new vega.View(runtime, { renderer: "none", loader: closedLoader(vega, complain), logger, expr: expressionInterpreter });
    try {
      await view.runAsync();
      if (complaints.length) throw new FigureError(`figure: ${complaints[0]}`);
      return await take(view, vega);
    } finally {
      view.finalize();
    }
  } catch (error) {
    if (error instanceof FigureError) throw error;
    throw new FigureError(`figure: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A group of marks in Vega's scene. */
interface SceneMark {
  marktype: string;
  role?: string;
  items: { items?: SceneMark[]; defined?: boolean }[];
}

function marksOfData(view: VegaView): number {
  const inside = ({ marktype, role, items }: SceneMark): number => {
    if (marktype === "group") return items.reduce((sum, item) => sum + (item.items ?? []).reduce((n, mark) => n + inside(mark), 0), 0);
    return role === "mark" ? items.filter(({ defined }) => defined !== false).length : 0; // a line is not defined at a missing value
  };
  return inside((view.scenegraph() as unknown as { root: SceneMark }).root);
}

function compile(vegaLite: Engine["vegaLite"], spec: VegaLiteSpec, logger: import("vega").LoggerInterface) {
  checkSpec(spec);
  try {
    return vegaLite.compile(spec as never, { config: { aria: false }, logger }).spec;
  } catch (error) {
    throw new FigureError(`figure: Vega-Lite cannot compile the specification (${error instanceof Error ? error.message : error})`);
  }
}

type Vega = typeof import("vega") & {
  resetSVGDefIds(): void;
  textMetrics: { width(item: { text?: unknown; limit?: number }, text?: unknown): number; height(item: object): number };
};
interface Engine {
  vega: Vega;
  vegaLite: typeof import("vega-lite");
  expressionInterpreter: typeof import("vega-interpreter").expressionInterpreter;
}
let loading: Promise<Engine> | undefined;

/** Vega is an ES module with top-level await and takes a quarter of a second to load: once, at the first figure. */
export function loadEngine(): Promise<Engine> {
  loading ??= (async () => {
    const { GlobalFonts } = (await import("canvas")) as typeof import("canvas");
    const require = createRequire(import.meta.url);
    for (const face of ["400Regular/Arimo_400Regular", "400Regular_Italic/Arimo_400Regular_Italic", "700Bold/Arimo_700Bold"]) {
      GlobalFonts.registerFromPath(require.resolve(`@expo-google-fonts/arimo/${face}.ttf`), "Arimo");
    }
    const [vega, vegaLite, { expressionInterpreter }] = await Promise.all([
      import("vega"),
      import("vega-lite"),
      import("vega-interpreter"),
    ]);
    measureSquares(vega as unknown as Vega);
    return { vega: vega as unknown as Vega, vegaLite, expressionInterpreter };
  })();
  return loading;
}

/** Characters that take a square, in em; pictures a little more. */
const SQUARES = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\u3000-\u303f\uff01-\uff60]|\p{Emoji_Presentation}/gu;
const em = (square: string) => (/\p{Emoji_Presentation}/u.test(square) ? 1.25 : 1);

/** Makes Vega give Chinese, Japanese, Korean and emoji their width, for which Arimo has a narrow box only: the same on every machine, whichever fonts it has. */
function measureSquares({ textMetrics }: Vega): void {
  const { width, height } = textMetrics;
  textMetrics.width = (item, text = item.text) => {
    const whole = { ...item, limit: 0 }; // Vega asks this very function where it cuts to a limit
    const squares = (typeof text === "string" && text.match(SQUARES)) || [];
    const rest = squares.length ? String(text).replace(SQUARES, "") : text;
    const sum = width(whole, rest) + height(item) * squares.reduce((total, square) => total + em(square), 0);
    return item.limit ? Math.min(sum, item.limit) : sum;
  };
}

/** A loader that loads nothing, so that a specification from a stranger cannot read files or call home. */
function closedLoader(vega: Vega, complain: (text: string) => void): import("vega").Loader {
  const refuse = async (uri: string): Promise<never> => {
    const reason = `data from ${JSON.stringify(uri)} is not loaded; put the rows into data.values`;
    complain(reason); // Vega itself only warns
    throw new Error(reason);
  };
  return Object.assign(vega.loader(), { load: refuse, sanitize: refuse, http: refuse, file: refuse });
}

/** Vega's errors are collected; its warnings (a null in the data, say) are no news to a reader. */
function quietLogger(onError: (text: string) => void): import("vega").LoggerInterface {
  const logger: import("vega").LoggerInterface = {
    level: ((value?: number) => (value === undefined ? 1 : logger)) as never,
    error: (...parts: readonly unknown[]) => {
      onError(parts.map((part) => (part instanceof Error ? part.message : String(part))).join(" "));
      return logger;
    },
    warn: () => logger,
    info: () => logger,
    debug: () => logger,
  };
  return logger;
}

async function drawPNG(view: VegaView): Promise<Uint8Array> {
  const canvas = (await view.toCanvas(2)) as unknown as import("canvas").Canvas;
  return canvas.encode("png");
}

const INSIDE_TAGS = /<[^>]*>/g;
const LONG_NUMBER = /-?\d+\.\d{3,}(?:e-?\d+)?/g;
const IDLE_ATTRIBUTE =
  / (?:pointer-events="none"|opacity="1"|aria-hidden="true"|role="graphics-object"|aria-roledescription="[^"]*"|class="[^"]*")/g;
const IDLE_PATH = /<path(?: transform="[^"]*")?(?: d="(?:M0,0h[\d.]+v[\d.]+h-?[\d.]+Z)?")?(?: display="none")?(?:\/>|><\/path>)/g;

const TEXT = /<text[^<]*<\/text>/g;

/** What nearly all texts share is said once, at the root. */
const TEXT_STYLE = ` font-family="${FONT}" font-size="12px"`;

/** Rounds coordinates, drops what draws nothing, and names the picture for screen readers. */
function finish(svg: string, alt: string | undefined): string {
  const name = alt ? ` aria-label="${escapeAttribute(alt)}"` : "";
  return svg
    .replace(INSIDE_TAGS, (tag) =>
      tag.replace(LONG_NUMBER, (digits) => String(Math.round(Number(digits) * 100) / 100)).replace(IDLE_ATTRIBUTE, ""),
    )
    .replace(IDLE_PATH, "")
    .replace(TEXT, (text) => (text.slice(0, text.indexOf(">")).includes(' opacity="0"') ? "" : text)) // labels that would overlap others
    .replaceAll(TEXT_STYLE, "")
    .replace("<svg ", () => `<svg role="img"${name}${TEXT_STYLE} `);
}

const escapeAttribute = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function merge(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = result[key];
    result[key] = isRecord(before) && isRecord(value) ? merge(before, value) : value;
  }
  return result;
}
