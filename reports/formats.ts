/** The formats of reports, as `--to` names them. */
export const formats = ["html", "latex", "markdown"] as const;

export type Format = (typeof formats)[number];

/** The pages of LaTeX documents. */
export const templates = ["article", "two-column"] as const;

export type TemplateName = (typeof templates)[number];
