import { code, md, type RawCell, shown } from "./notebooks.js";

/** A notebook that has something hostile in one place of the format. */
export interface HostileNotebook {
  cells: RawCell[];
  metadata?: Record<string, unknown>;
  /** Of the references.bib beside it. */
  bibliography?: string;
}

const SVG = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'/>";
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/** One cell a payload. */
const each = (cell: (payload: string) => RawCell) => (payloads: readonly string[]) => ({ cells: payloads.map(cell) });
const output = (data: (payload: string) => Record<string, unknown>, metadata: (payload: string) => Record<string, unknown> = () => ({})) =>
  each((payload) => code("1", [shown(data(payload), metadata(payload))]));
const line = (payload: string) => payload.replace(/\n/g, " ");

/** Every place of a notebook, of what lies beside it and of what it says about itself: with payloads in that place. */
export const slots: Record<string, (payloads: readonly string[]) => HostileNotebook> = {
  // text cells
  markdown: each((payload) => md(`text ${payload}\n\n${payload}`)),
  "Markdown in a list, quote and table": each((payload) => md(`- ${payload}\n\n> ${payload}\n\n| a |\n|---|\n| ${line(payload)} |`)),
  "a link and a picture": each((payload) => {
    const place = payload.replace(/[<>\n]/g, "");
    return md(`[x](<${place}> "${payload.replace(/"/g, "")}") ![y](<${place}>) [z][d]\n\n[d]: <${place}>`);
  }),
  "a heading": each((payload) => md(`## ${line(payload)} {#sec-x"${payload.replace(/\s/g, "")}}`)),
  mathematics: each((payload) => md(`$\\text{${payload}}$ $$${payload}$$ {#eq-x} $\\url{${payload}} \\htmlData{a=${payload}}{x}$`)),
  "a code fence": each((payload) => md(`\`\`\`${payload.replace(/[\n`]/g, "")}\n${payload}\n\`\`\``)),
  "a footnote": each((payload) => md(`a[^${payload.replace(/[\]\s]/g, "")}] b[^n]\n\n[^n]: ${payload}`)),
  "a citation": each((payload) => md(`[${payload.replace(/[[\]]/g, "")} @known, ${payload.replace(/[[\]]/g, "")}]`)),
  "a reference": each((payload) => md(`@fig-${payload} @val-${payload}`)),
  "a raw cell": each((payload) => ({ cell_type: "raw", metadata: { format: payload }, source: payload })),
  "an attachment": each((payload) => ({
    ...md("![a](attachment:a.png) ![b](attachment:b.png) ![c](attachment:c.png)"),
    attachments: { "a.png": { "image/png": payload }, "b.png": { [payload]: PNG }, "c.png": { "image/svg+xml": payload }, [payload]: {} },
  })),
  "an attachment's name": each((payload) => ({
    ...md(`![${line(payload)}](<attachment:${payload.replace(/[<>\n]/g, "")}>)`),
    attachments: { [payload.replace(/[<>\n]/g, "")]: { "image/png": PNG } },
  })),
  // code cells
  source: each((payload) => code(payload)),
  "option lines": each((payload) =>
    code(`//| label: fig-x\n//| fig-cap: ${line(payload)}\n//| fig-alt: ${line(payload)}`, [shown({ "image/svg+xml": SVG })]),
  ),
  "a cell's id, times and tags": each((payload) => ({
    ...code("1", [shown({ "text/plain": "x" })], {
      tags: [payload],
      execution: { "iopub.status.busy": payload, "iopub.status.idle": payload },
      [payload]: payload,
    }),
    id: payload,
  })),
  "a cell's label and captions": each((payload) =>
    code("1", [shown({ "image/svg+xml": SVG })], { label: `fig-${payload}`, "fig-cap": payload, "fig-alt": payload, "tbl-cap": payload }),
  ),
  // outputs
  "text/html": output((payload) => ({ "text/html": payload })),
  "a table": output(
    (payload) => ({
      "text/html": `<table><caption>${payload}</caption><tr><th scope="${payload}">${payload}</th><td>${payload}</td></tr></table>`,
    }),
    (payload) => ({ label: "tbl-x", "tbl-cap": payload }),
  ),
  "image/svg+xml": output((payload) => ({ "image/svg+xml": payload })),
  "inside of an SVG": output((payload) => ({
    "image/svg+xml": `<svg xmlns="http://www.w3.org/2000/svg" id="${payload}" viewBox="0 0 9 9" width='${payload}'><g>${payload}</g></svg>`,
  })),
  "an attribute of an SVG": output((payload) => ({
    "image/svg+xml": `<svg xmlns="http://www.w3.org/2000/svg"><rect fill="${payload}" width="9" height="9"/><text font-family="${payload}">x</text></svg>`,
  })),
  "image/png": output((payload) => ({ "image/png": payload })),
  "image/jpeg": output(
    (payload) => ({ "image/jpeg": PNG, "text/plain": payload }),
    (payload) => ({ "image/jpeg": { alt: payload } }),
  ),
  "a figure's label and captions": output(
    () => ({ "image/svg+xml": SVG }),
    (payload) => ({ label: `fig-${payload}`, "fig-cap": payload, "fig-alt": payload }),
  ),
  "a figure's data": output((payload) => ({
    "image/svg+xml": SVG,
    "application/vnd.vegalite.v6+json": { data: { values: [{ [payload]: payload, b: { c: payload } }, payload] } },
  })),
  "application/javascript": output((payload) => ({ "application/javascript": payload, "text/plain": "x" })),
  "text/javascript": output((payload) => ({ "text/javascript": payload })),
  "text/markdown": output((payload) => ({ "text/markdown": payload })),
  "text/latex": output((payload) => ({ "text/latex": `$$${payload}$$` })),
  "TeX as text": output((payload) => ({ "text/latex": payload })),
  "text/plain": output((payload) => ({ "text/plain": payload })),
  "application/json": output((payload) => ({ "application/json": { [payload]: payload } })),
  "a MIME type": output((payload) => ({ [payload]: payload })),
  "a widget, a page, a PDF": output((payload) => ({
    "application/vnd.jupyter.widget-view+json": { model_id: payload },
    "application/xhtml+xml": payload,
    "application/pdf": payload,
  })),
  "output metadata": output(
    () => ({ "image/png": PNG }),
    (payload) => ({ [payload]: payload, "image/png": { width: payload, height: payload, alt: payload }, isolated: true }),
  ),
  "a value": output(
    (payload) => ({ "application/json": payload }),
    (payload) => ({ label: "val-x", text: payload }),
  ),
  "a stream": each((payload) => code("1", [{ output_type: "stream", name: "stdout", text: payload }])),
  "a stream's name": each((payload) => code("1", [{ output_type: "stream", name: payload, text: "x" }])),
  "an error": each((payload) => code("1", [{ output_type: "error", ename: payload, evalue: payload, traceback: [payload] }])),
  // what a notebook says about itself
  title: (payloads) => ({ cells: [md("text")], metadata: { title: payloads.join(" ") } }),
  "the first heading": (payloads) => ({ cells: [md(`# ${payloads.map(line).join(" ")}`)] }),
  authors: (payloads) => ({ cells: [md("# T")], metadata: { authors: payloads.map((name) => ({ name })) } }),
  "kernel and language": (payloads) => ({
    cells: [code("const a = 1;")],
    metadata: {
      kernelspec: { name: payloads.join(" "), display_name: payloads.join(" "), language: payloads.join(" ") },
      language_info: {
        name: payloads.join('" '),
        version: payloads.join(" "),
        mimetype: payloads.join(" "),
        codemirror_mode: payloads.join(" "),
      },
    },
  }),
  "the record of a run": (payloads) => {
    const text = payloads.join(" ");
    const environment = { erpo: text, node: text, v8: text, platform: text, cpu: text, commit: text, lockfile_sha256: text };
    const parameters = Object.fromEntries(payloads.map((payload) => [payload, payload]));
    return {
      cells: [code("1")],
      metadata: {
        erpo: { execution: { started: text, seconds: 1, source_sha256: text, kernel: text, complete: false, parameters, environment } },
      },
    };
  },
  "the bibliography": (payloads) => ({
    cells: [md(payloads.map((_, i) => `[@k${i}]`).join(" "))],
    bibliography: payloads
      .map((payload) => payload.replace(/[{}\\]/g, ""))
      .map((text, i) => `@misc{k${i}, title={${text}}, author={${text}}, year={${text}}, journal={${text}}, url={${text}}, doi={${text}}}`)
      .join("\n"),
  }),
};
