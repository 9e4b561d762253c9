/** The formats of reports, as `--to` names them. */
export const formats = ["html", "slides", "pdf", "latex", "markdown"] as const;

export type Format = (typeof formats)[number];

/** The paper of PDF pages. */
export const papers = ["a4", "letter"] as const;

export type Paper = (typeof papers)[number];

/** The pages of LaTeX documents. */
export const templates = ["article", "two-column"] as const;

export type TemplateName = (typeof templates)[number];

/** The formats of single figures and tables: pictures, and `csv`, are for figures, `tex` and `csv` for tables. */
export const figureFormats = ["pdf", "svg", "png", "tex", "csv"] as const;

export type FigureFormat = (typeof figureFormats)[number];
