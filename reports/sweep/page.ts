import { basename } from "node:path";
import { columnFormat } from "../../src/figures/numbers.js";
import type { Parameters } from "../execute/parameters.js";
import { escapeHTML } from "../html/escape.js";
import { duration, pageHTML } from "../html/page.js";
import type { Axis } from "./axes.js";
import { sweepFigures } from "./figures.js";
import type { Member } from "./member.js";

/** The page of a sweep: a row a run, with its parameters, how it ended and the numbers that its cells have named; then a figure a number. */
export async function sweepHTML(members: readonly Member[], axes: readonly Axis[], fixed: Parameters): Promise<string> {
  const title = `Sweep of ${axes.map(({ name }) => name).join(", ")}`;
  const counts = [`${members.length} runs`];
  for (const status of ["done", "failed", "skipped", "interrupted", "waiting"] as const) {
    const count = members.filter((member) => member.status === status).length;
    if (count > 0) counts.push(`${count} ${status === "waiting" ? "not run" : status}`);
  }
  const others = Object.entries(fixed).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const header = `<header><h1>${escapeHTML(title)}</h1>
<p class="made">${escapeHTML([counts.join(" · "), ...others].join(" · "))}</p></header>`;
  const figures = await sweepFigures(members, axes);
  return pageHTML(title, `<main id="content" class="sweep">\n${header}\n${table(members, axes)}\n${figures.join("\n")}\n</main>`);
}

interface Column {
  head: string;
  numeric: boolean;
  cell(member: Member): string;
}

function table(members: readonly Member[], axes: readonly Axis[]): string {
  const several = new Set(members.map(({ path }) => path)).size > 1;
  const labels = [...new Set(members.flatMap(({ values }) => [...values.keys()]))];
  const columns: Column[] = [
    ...axes.map(({ name, values }) => ({
      head: name,
      numeric: values.every((value) => typeof value === "number"),
      cell: ({ swept }: Member) => plain(swept[name]),
    })),
    ...(several ? [{ head: "notebook", numeric: false, cell: ({ path }: Member) => basename(path, ".ipynb") }] : []),
    { head: "status", numeric: false, cell: status },
    { head: "time", numeric: true, cell: ({ result }) => (result && result.cached === undefined ? duration(result.seconds) : "") },
    ...labels.map((label) => valueColumn(label, members)),
  ];
  const head = columns.map(({ head, numeric }) => `<th scope="col"${numeric ? ' class="number"' : ""}>${escapeHTML(head)}</th>`);
  const rows = members.map((member) => {
    const cells = columns.map(({ cell, numeric }, i) => {
      const text = escapeHTML(cell(member));
      const attribute = numeric ? ' class="number"' : "";
      return i === 0 ? `<th scope="row"${attribute}>${link(member, text)}</th>` : `<td${attribute}>${text}</td>`;
    });
    return `<tr>${cells.join("")}</tr>`;
  });
  return `<div class="scroll" tabindex="0" role="group" aria-label="Runs"><table>\n<thead><tr>${head.join("")}</tr></thead>\n<tbody>\n${rows.join("\n")}\n</tbody></table></div>`;
}

/** The numbers of a column have the same decimals; a run that has not named it leaves its place empty. */
function valueColumn(label: string, members: readonly Member[]): Column {
  const { format, numeric } = columnFormat(members.map(({ values }) => values.get(label)?.number));
  return {
    head: label,
    numeric,
    cell({ values }) {
      const found = values.get(label);
      return found === undefined ? "" : found.number === undefined ? found.text : format(found.number);
    },
  };
}

function status({ status, message, result }: Member): string {
  if (status === "done") return result?.cached === undefined ? "done" : `done, from the cache (run ${result.cached.slice(0, 10)})`;
  if (status === "waiting") return "not run";
  return message === undefined ? status : `${status}: ${message}`;
}

function link({ report, swept }: Member, text: string): string {
  if (report === undefined) return text;
  const name = Object.entries(swept).map(([key, value]) => `${key} = ${plain(value)}`);
  return `<a href="${encodeURIComponent(report)}" aria-label="${escapeHTML(`Report of ${name.join(", ")}`)}">${text}</a>`;
}

const plain = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
