import type { TemplateName } from "../formats.js";

/** The page that a report is written for. */
export interface Template {
  name: TemplateName;
  class: string;
  /** geometry's options. */
  geometry: string;
  /** Width of a column of text, and of all columns, in centimetres. */
  column: number;
  page: number;
}

export const TEMPLATES: Readonly<Record<TemplateName, Template>> = {
  article: { name: "article", class: "\\documentclass[a4paper,10pt]{article}", geometry: "margin=2.5cm", column: 16, page: 16 },
  "two-column": {
    name: "two-column",
    class: "\\documentclass[a4paper,10pt,twocolumn]{article}",
    geometry: "margin=2cm,columnsep=0.8cm",
    column: 8.1,
    page: 17,
  },
};
