import type { Token } from "marked";

/** What stands between a notebook and its outputs in any format: numbered, labelled, nothing resolved to markup yet. */
export interface ReportDocument {
  /** File name without `.ipynb`: the base of the outputs' names. */
  stem: string;
  title: string;
  /** Of a title that holds formulas. */
  titleTokens?: Token[];
  authors: string[];
  blocks: Block[];
  headings: Heading[];
  /** Numbered things of this document by label. */
  labels: Map<string, Target>;
  /** Footnotes in the order of their first mention. */
  footnotes: Footnote[];
  /** Cited keys in the order of their first mention: number = index + 1. */
  citations: string[];
  /** Entries of `citations`, by key. */
  bibliography: Map<string, BibliographyEntry>;
  /** Things that a reader should know: unresolved references, an unfinished run. */
  warnings: string[];
}

export type Block = MarkdownBlock | CodeBlock | FigureBlock | TableBlock | TextBlock | ErrorBlock | ValueBlock | FragmentBlock;

interface BlockBase {
  /** Number of the cell it comes from, from 1 up. */
  cell: number;
  /** In a closed `<details>`, as MyST's `hide-output` wants. */
  hidden?: boolean;
  /** Of a cell with the tag `index`: the page that leads to the set's reports shows it, too. */
  onIndex?: boolean;
}

export interface MarkdownBlock extends BlockBase {
  kind: "markdown";
  tokens: Token[];
  /** Pictures that the cell carries, by name: MIME type to base64. */
  attachments: Record<string, Record<string, string>>;
}

export interface CodeBlock extends BlockBase {
  kind: "code";
  source: string;
  language: string;
  executionCount: number | null;
  /** Seconds that the cell took, where its times are known. */
  seconds?: number;
  /** The cell has the tag `show-input`: its code belongs to the text, and is not folded away. */
  open?: true;
}

/** Caption and number of a figure or table. Without a label or caption there is no number. */
export interface Captioned {
  label?: string;
  number?: number;
  caption?: Token[];
}

export interface FigureBlock extends BlockBase, Captioned {
  kind: "figure";
  alt?: string;
  picture: /** `lost`: elements that draw, and that a page does not take in. */
    | { type: "svg"; svg: string; lost?: string[] }
    | { type: "image"; mime: string; base64: string }
    | { type: "vega-lite"; spec: Record<string, unknown> };
  /** The Vega-Lite specification, where the notebook carries it. */
  spec?: Record<string, unknown>;
}

export interface TableBlock extends BlockBase, Captioned {
  kind: "table";
  html: string;
  /** The values behind what is shown, where the notebook carries them: rows by column. */
  data?: { columns: string[]; rows: Record<string, unknown>[] };
}

/** A stream, or a value's text. */
export interface TextBlock extends BlockBase {
  kind: "text";
  name: "stdout" | "stderr" | "result";
  /** May hold ANSI colours. */
  text: string;
}

export interface ErrorBlock extends BlockBase {
  kind: "error";
  name: string;
  message: string;
  /** May hold ANSI colours. */
  traceback: string;
}

/** A number that a cell has named for the prose. */
export interface ValueBlock extends BlockBase {
  kind: "value";
  label: string;
  text: string;
  /** Some text of the set shows it: it needs no line of its own. */
  cited?: true;
}

/** HTML, LaTeX or Markdown that a cell has shown. */
export interface FragmentBlock extends BlockBase {
  kind: "html" | "latex";
  text: string;
}

export interface Heading {
  id: string;
  /** 2 to 6; 1 is the title's. */
  level: number;
  /** `2.1`. */
  number: string;
  text: string;
  tokens: Token[];
}

/** What a reference leads to. */
export interface Target {
  kind: "figure" | "table" | "equation" | "section" | "value";
  /** "Figure 3", "Section 2.1", or a value's text. */
  text: string;
  /** Of the document that holds it. */
  stem: string;
  /** What other pages call that document: its title, in a set a short one. */
  page: string;
  /** The document is not rendered with the others, so nothing leads to it. */
  absent?: true;
}

export interface Footnote {
  id: string;
  number: number;
  /** How often it is mentioned. */
  mentions: number;
  tokens: Token[];
}

export interface BibliographyEntry {
  key: string;
  type: string;
  /** Field names in lower case, values as plain text; without `author` and `editor`. */
  fields: Record<string, string>;
  authors?: People;
  editors?: People;
}

export interface People {
  list: Person[];
  /** The list ends in BibTeX's `and others`. */
  others: boolean;
}

export interface Person {
  /** A corporate author's whole name. */
  family: string;
  given?: string;
  /** `von der`. */
  prefix?: string;
  /** `Jr.`. */
  suffix?: string;
  /** In BibTeX in braces: a team, a company. */
  corporate?: true;
}

// ---- tokens that this package adds to marked's; writers render them

export interface MathToken {
  type: "math" | "mathBlock";
  raw: string;
  tex: string;
  display: boolean;
  label?: string;
  /** Of a labelled equation. */
  number?: number;
}

/** `@fig-margins` in text. */
export interface ReferenceToken {
  type: "reference";
  raw: string;
  label: string;
}

/** `[@feng2025erpo; @other, p. 3]`. */
export interface CitationToken {
  type: "citation";
  raw: string;
  /** A suffix begins with what parts it from the key: `, p. 3`. */
  items: { key: string; prefix: string; suffix: string }[];
}

export interface FootnoteReferenceToken {
  type: "footnoteReference";
  raw: string;
  id: string;
  /** Set when the document is built; undefined where no footnote has this name. */
  number?: number;
  mention?: number;
}

export interface FootnoteToken {
  type: "footnote";
  raw: string;
  id: string;
  tokens: Token[];
}

/** What `Heading` tokens carry after the document is built. */
export interface HeadingInfo {
  id: string;
  number: string;
  level: number;
}

/** A table of HTML. Other tokens of HTML are marked's, and `sub` and `sup`. */
export interface HTMLTableToken {
  type: "htmlTable";
  raw: string;
  head: TableCell[][];
  rows: TableCell[][];
}

export interface TableCell {
  tokens: Token[];
  /** Columns that it takes. */
  span: number;
  align?: "right" | "center";
}
