import { Parser } from "htmlparser2";
import type { FigureBlock } from "./model.js";

/** What an SVG consists of, as far as showing it within a page goes. */
export interface SVGParts {
  /** Something in it draws. */
  draws: boolean;
  /** Names of elements that no page takes in, and without which it looks different. */
  lost: string[];
}

const DRAWN = new Set("path rect line circle ellipse polyline polygon text use image".split(" "));
const NOT_TAKEN = new Set("marker mask pattern filter foreignObject textPath".split(" "));

/** Elements that a picture draws, those that `use` repeats counted each time: more take a browser too long. */
const MOST_DRAWN = 200_000;

/** Elements and uses that an element has in it. */
interface Content {
  elements: number;
  /** Of its uses in the list of all. */
  from: number;
  to: number;
}

/**
 * Looks through an SVG for what it draws.
 * @throws Error where it repeats its parts so often that no browser draws it in time
 */
export function svgParts(svg: string): SVGParts {
  const lost = new Set(styleRules(svg).others ? ["style"] : []);
  const byId = new Map<string, Content>();
  const uses: string[] = [];
  const open: { id: string | undefined; elements: number; from: number }[] = [];
  let draws = false;
  let elements = 0;
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        const href = attributes.href ?? attributes["xlink:href"] ?? "";
        open.push({ id: attributes.id, elements, from: uses.length });
        elements++;
        if (DRAWN.has(name)) draws = true;
        if (name === "use" && href.startsWith("#")) uses.push(href.slice(1));
        else if (NOT_TAKEN.has(name) || name === "use" || (name === "image" && !RASTER.test(href))) lost.add(name);
      },
      onclosetag() {
        const { id, ...start } = open.pop()!;
        if (id !== undefined && !byId.has(id)) byId.set(id, { elements: elements - start.elements, from: start.from, to: uses.length });
      },
    },
    { xmlMode: true },
  );
  parser.end(svg);
  if (drawn({ elements, from: 0, to: uses.length }, uses, byId, new Map()) > MOST_DRAWN)
    throw new Error("its picture repeats its parts too often to be drawn in time");
  return { draws, lost: [...lost] };
}

/** What a picture that is drawn from an SVG's shapes and texts lacks, as the end of a sentence that begins with the picture; undefined where it is whole. */
export const lackOf = (picture: FigureBlock["picture"]): string | undefined =>
  picture.type === "svg" && picture.lost ? `is drawn without ${picture.lost.join(", ")} of its SVG; show it as PNG too` : undefined;

const RASTER = /^data:image\/(?:png|jpeg|gif|webp);base64,/;

/** How many elements are drawn, with those that uses repeat. @param known counts by id; of one that is in itself 0, as it is not drawn */
function drawn({ elements, from, to }: Content, uses: readonly string[], byId: ReadonlyMap<string, Content>, known: Map<string, number>) {
  let count = elements;
  for (const id of uses.slice(from, to)) {
    const target = byId.get(id);
    if (target && !known.has(id)) {
      known.set(id, 0);
      known.set(id, drawn(target, uses, byId, known));
    }
    count += known.get(id) ?? 0;
  }
  return count;
}

/** The style sheets of a picture: the declarations that hold for all elements, and whether there are other rules. */
export function styleRules(svg: string): { all: string; others: boolean } {
  const sheets: string[] = [];
  let inStyle = false;
  const parser = new Parser(
    {
      onopentag: (name) => (inStyle = name === "style"),
      onclosetag: () => (inStyle = false),
      ontext: (text) => inStyle && sheets.push(text),
    },
    { xmlMode: true },
  );
  parser.end(svg);
  const all: string[] = [];
  let others = false;
  for (const rule of withoutComments(sheets.join("")).split("}")) {
    const [selector, ...declarations] = rule.split("{");
    if (selector!.trim() === "*" && declarations.length === 1) all.push(declarations[0]!);
    else if (rule.trim() !== "") others = true;
  }
  return { all: all.join(";"), others };
}

function withoutComments(sheet: string): string {
  const [first, ...rest] = sheet.split("/*");
  return [first!, ...rest.map((text) => text.slice(text.includes("*/") ? text.indexOf("*/") + 2 : text.length))].join("");
}
