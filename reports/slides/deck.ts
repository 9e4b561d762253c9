import type { Token, Tokens } from "marked";
import { sizeOf } from "../../src/figures/resize.js";
import { plainText, walk } from "../document/markdown.js";
import type { Block, FigureBlock, HeadingInfo } from "../document/model.js";
import type { Notebook } from "../notebook/types.js";

/** A heading of the text. */
export type HeadingToken = Tokens.Heading & { info?: HeadingInfo };

/** What is seen at a time. */
export interface Slide {
  /** Of the section that it belongs to, and which of the section's slides it is, from 1 up; none in a deck that follows the cells' marks. */
  heading?: HeadingToken;
  part: number;
  /** The first is there at once, each other one comes at a key. */
  steps: Block[][];
  /** For the speaker. */
  notes: Block[];
}

/** Jupyter's marks of cells (`slideshow.slide_type`, notebook format's metadata). */
const MARKS = ["slide", "subslide", "fragment", "skip", "notes"] as const;

type Mark = (typeof MARKS)[number];

/** The mark of each cell by its number; undefined where no cell has one. */
function marksOf(notebook: Notebook): Map<number, Mark> | undefined {
  const marks = new Map<number, Mark>();
  for (const [i, { metadata }] of notebook.cells.entries()) {
    const type = (metadata.slideshow as { slide_type?: unknown } | null | undefined)?.slide_type;
    if (MARKS.includes(type as Mark)) marks.set(i + 1, type as Mark);
  }
  return marks.size ? marks : undefined;
}

/**
 * A document as slides: where the notebook's cells are marked for slides, as they say; else a slide or more for each heading. The first slide is the title's: what is
 * marked to stand on it, or nothing.
 */
export function deckOf(blocks: readonly Block[], notebook: Notebook): Slide[] {
  const shown = blocks.filter((block) => block.kind !== "value" || block.cited);
  const marks = marksOf(notebook);
  return marks ? marked(shown, marks) : [empty(), ...bySections(shown)];
}

const empty = (heading?: HeadingToken, part = 1): Slide => ({ part, steps: [[]], notes: [], ...(heading && { heading }) });

function marked(blocks: readonly Block[], marks: ReadonlyMap<number, Mark>): Slide[] {
  const slides = [empty()];
  let cell = 0;
  let begun = false;
  for (const block of blocks) {
    const mark = marks.get(block.cell);
    const begins = block.cell !== cell;
    cell = block.cell;
    if (begins && (mark === "slide" || mark === "subslide")) {
      if (begun) slides.push(empty());
      begun = true;
    }
    const slide = slides.at(-1)!;
    if (begins && mark === "fragment") slide.steps.push([]);
    if (mark === "notes") slide.notes.push(block);
    else if (mark !== "skip") slide.steps.at(-1)!.push(block);
  }
  return slides;
}

/** Sections put on slides block by block, a paragraph counting as one; a slide that is full is followed by another of the same heading. */
function bySections(blocks: readonly Block[]): Slide[] {
  const slides: Slide[] = [];
  let left = 0;
  const begin = (heading: HeadingToken | undefined, part: number) => {
    slides.push(empty(heading, part));
    left = ROOM;
  };
  for (const block of blocks) {
    for (const piece of piecesOf(block)) {
      if ("depth" in piece) {
        begin(piece, 1);
        continue;
      }
      const height = heightOf(piece);
      const last = slides.at(-1);
      if (!last) begin(undefined, 1);
      else if (height > Math.max(0, left) && last.steps[0]!.length) begin(last.heading, last.part + 1);
      slides.at(-1)!.steps[0]!.push(piece);
      left -= height;
    }
  }
  return slides;
}

/** A block as what may stand on slides of its own: each heading, paragraph or list of Markdown, else the whole. */
function piecesOf(block: Block): (Block | HeadingToken)[] {
  if (block.kind !== "markdown") return [block];
  return block.tokens
    .filter(({ type }) => type !== "space")
    .map((token) => (token.type === "heading" ? (token as HeadingToken) : { ...block, tokens: [token] }));
}

/** Heights and widths in lines of text, of which a slide under its heading has so many. What is misjudged is made smaller by the page. */
const ROOM = 16;
const LETTERS = 88;
const LEAST_FIGURE = 9;
const MOST_FIGURE = 11;

/** About how high a piece of a slide is, in lines. */
function heightOf(block: Block): number {
  switch (block.kind) {
    case "markdown":
      return block.tokens.reduce((sum, token) => sum + tokenHeight(token), 0);
    case "figure":
      return figureHeight(block);
    case "table":
      return 2 + 0.95 * (block.html.match(/<tr[\s>]/gi)?.length ?? 8);
    case "text": {
      const lines = block.text.trimEnd().split("\n").length;
      return lines > 30 ? 1.2 : 0.5 + 0.75 * lines;
    }
    case "code":
      return block.open ? 1.2 + 0.75 * block.source.split("\n").length : 1.2; // folded
    case "value":
      return 0; // only a place
    default:
      return 4;
  }
}

function tokenHeight(token: Token): number {
  const text = (tokens: Token[] | undefined) => Math.ceil(plainText(tokens ?? []).length / LETTERS);
  switch (token.type) {
    case "mathBlock":
      return 2.4 + 1.2 * ((token as { tex?: string }).tex?.match(/\\\\/g)?.length ?? 0);
    case "list":
      return 0.5 + (token as Tokens.List).items.reduce((sum, item) => sum + Math.max(1, text(item.tokens)), 0);
    case "code":
      return 1 + 0.75 * (token as Tokens.Code).text.split("\n").length;
    case "table":
      return 1 + 1.1 * (1 + (token as Tokens.Table).rows.length);
    case "footnote":
      return 0;
    default:
      return [...walk([token])].some(({ type }) => type === "image") ? LEAST_FIGURE : 0.5 + text("tokens" in token ? token.tokens : []);
  }
}

/** A picture takes what its slide has left: a wide one what its width asks for, others at least what can be read. */
function figureHeight({ picture, caption = [] }: FigureBlock): number {
  const { width, height } = picture.type === "svg" ? sizeOf(picture.svg) : { width: 0, height: 0 };
  const natural = width > 0 ? (36 * height) / width : MOST_FIGURE;
  return Math.min(MOST_FIGURE, Math.max(LEAST_FIGURE, natural)) + Math.ceil(plainText(caption).length / LETTERS);
}
