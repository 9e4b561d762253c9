import { resolve } from "node:path";
import { writeAtomic } from "../src/setup/atomic.js";
import type { Format, Paper, TemplateName } from "./formats.js";
import { failure, filesOf, type OutputFile, readSet, type Source, type Writer } from "./set.js";

/** Loaded at need. A format that cannot be written on this machine says so here, once. */
const WRITERS: Record<Format, (options: ReportOptions) => Promise<Writer>> = {
  html: async () => (await import("./html/write.js")).writeHTML,
  slides: async () => (await import("./slides/write.js")).writeSlides,
  pdf: async ({ paper = "a4" }) => (await import("./pdf/write.js")).pdfWriter(paper),
  latex: async ({ template = "article" }) => (await import("./latex/write.js")).latexWriter(template),
  markdown: async () => (await import("./markdown/write.js")).writeMarkdown,
};

/** How reports are rendered. */
export interface ReportOptions {
  /** Folder of the reports. */
  output: string;
  /** HTML unless told. */
  to?: readonly Format[];
  /** Of PDF pages; A4 unless told. */
  paper?: Paper;
  /** Of LaTeX documents; article unless told. */
  template?: TemplateName;
  /** Folder of the experiment that the notebooks show: its `run.json` goes into the provenance. */
  run?: string;
  /** `false` leaves the code of cells out. */
  input?: boolean;
}

/** What was written, and what could not be. */
export interface ReportResult {
  written: string[];
  /** One line each, beginning with the name of the notebook, or of the format that cannot be written here. */
  failures: string[];
  /** What the reports were made from: the notebooks, pictures and references beside them, the runs' records. Some may not exist. */
  read: string[];
}

/**
 * Renders executed notebooks, `DIR/<stem>.html` and so on, LaTeX in `DIR/latex`, and an HTML index of several. Nothing is executed. References go across the
 * set. A notebook that cannot be rendered does not stop the others.
 *
 * @throws NotebookError when the experiment's run.json cannot be read; FileError when the output folder cannot be written
 */
export async function renderReports(paths: readonly string[], options: ReportOptions): Promise<ReportResult> {
  const set = await readSet(paths, options.output, options.run);
  if (options.input === false)
    for (const { document } of set.sources) document.blocks = document.blocks.filter(({ kind }) => kind !== "code");
  const failures = [...set.failures];
  const written: string[] = [];
  const save = ({ path, content }: OutputFile, format: Format) => {
    const file = resolve(options.output, format === "latex" ? "latex" : ".", path); // TeX makes its own NAME.pdf beside NAME.tex
    writeAtomic(file, [content]);
    written.push(file);
  };
  for (const format of options.to ?? ["html"]) {
    let write: Writer;
    try {
      write = await WRITERS[format](options);
    } catch (error) {
      failures.push(failure(format, error));
      continue;
    }
    const rendered: Source[] = [];
    for (const source of set.sources) {
      let files: OutputFile[];
      try {
        files = await write(source, set);
      } catch (error) {
        failures.push(failure(source.path, error));
        continue;
      }
      for (const file of files) save(file, format);
      rendered.push(source);
    }
    if (format === "html" && set.several && rendered.length) {
      const { writeIndex } = await import("./html/write.js");
      save(await writeIndex(rendered, set), format);
    }
    if (format === "latex") for (const file of await (await import("./latex/write.js")).writeReferences(rendered)) save(file, format);
  }
  return { written, failures, read: filesOf(paths, set, options.output) };
}
