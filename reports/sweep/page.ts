import { basename } from "node:path";
import { columnFormat } from "../../src/figures/numbers.js";
import type { Parameters } from "../execute/parameters.js";
import { duration } from "../html/duration.js";
import { escapeHTML } from "../html/escape.js";
import { pageHTML } from "../html/page.js";
import { type Axis, plain } from "./axes.js";
import { groupFigures, sweepFigures } from "./figures.js";
import { type Grouping, groupMembers, groupRows } from "./groups.js";
import type { Member } from "./member.js";

/**
 * The page of a sweep: a row per run, with its parameters, how it ended, what it shared and the numbers that its cells have named; a sentence with those that are the same in all;
 * where there are groups, mean and spread of each number in each; then a figure per number.
 * @param told.fixed parameters that all members have
 * @param told.groupBy see `groupMembers`
 */
export async function sweepHTML(
  members: readonly Member[],
  axes: readonly Axis[],
  { fixed, groupBy }: { fixed: Parameters; groupBy?: readonly string[] | undefined },
): Promise<string> {
  const title = `Sweep of ${axes.map(({ name }) => name).join(", ")}`;
  const counts = [`${members.length} runs`];
  for (const status of ["done", "failed", "skipped", "interrupted", "waiting"] as const) {
    const count = members.filter((member) => member.status === status).length;
    if (count > 0) counts.push(`${count} ${status === "waiting" ? "not run" : status}`);
  }
  const others = Object.entries(fixed).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const header = `<header><h1>${escapeHTML(title)}</h1>
<p class="made">${escapeHTML([counts.join(" · "), ...others].join(" · "))}</p></header>`;
  const grouping = await groupMembers(members, axes, groupBy);
  const figures = grouping ? await groupFigures(grouping) : await sweepFigures(members, axes);
  const { differing, same } = namedLabels(members);
  const groups = grouping && differing.length > 0 ? [groupTable(grouping, differing)] : [];
  const parts = [header, table(members, axes, differing), ...sameInAll(members, same), ...groups, ...figures];
  return pageHTML(title, `<main id="content" class="sweep">\n${parts.join("\n")}\n</main>`);
}

interface Column {
  head: string;
  numeric: boolean;
  cell(member: Member): string;
}

/** The labels of what runs have named, in their order: those that differ between runs, and those of one value that each run has named. Of a single run all count as differing. */
function namedLabels(members: readonly Member[]): { differing: string[]; same: string[] } {
  const named = members.map(({ values }) => values).filter(({ size }) => size > 0);
  const labels = [...new Set(named.flatMap((values) => [...values.keys()]))];
  const isSame = (label: string) => {
    const found = named.map((values) => values.get(label));
    return found.length > 1 && !found.includes(undefined) && new Set(found.map((value) => value!.number ?? value!.text)).size === 1;
  };
  return { differing: labels.filter((label) => !isSame(label)), same: labels.filter(isSame) };
}

/** A paragraph that says what no run has changed: constants of the notebook, or numbers that the swept parameters do not reach. */
function sameInAll(members: readonly Member[], labels: readonly string[]): string[] {
  if (labels.length === 0) return [];
  const { values } = members.find((member) => member.values.has(labels[0]!))!;
  const words = labels.map((label) => `<code>${escapeHTML(label)}</code> ${escapeHTML(values.get(label)!.text)}`);
  return [`<p>The same in all runs: ${words.join(", ")}.</p>`];
}

function table(members: readonly Member[], axes: readonly Axis[], labels: readonly string[]): string {
  const several = new Set(members.map(({ path }) => path)).size > 1;
  const branches = members.some(({ run }) => run !== undefined);
  const columns: Column[] = [
    ...axes.map(({ name, values }) => ({
      head: name,
      numeric: values.every((value) => typeof value === "number"),
      cell: ({ swept }: Member) => plain(swept[name]),
    })),
    ...(several ? [{ head: "notebook", numeric: false, cell: ({ path }: Member) => basename(path, ".ipynb") }] : []),
    { head: "status", numeric: false, cell: status },
    { head: "time", numeric: true, cell: ({ result }) => (result && result.cached === undefined ? duration(result.seconds) : "") },
    ...(branches ? [{ head: "shared results", numeric: false, cell: shared }] : []),
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
  return tableHTML("Runs", head, rows);
}

/** Mean, sample standard deviation and interval of each number in each group. */
function groupTable(grouping: Grouping, labels: readonly string[]): string {
  const [head, ...rows] = groupRows(grouping, labels);
  const over = grouping.over.join(", ");
  const caption = `Mean over ${over} ± sample standard deviation [95% t-interval of the mean], and n, the number of runs. The interval says how far other ${over === "seed" ? "seeds" : "values"} would move the mean; with two or three runs it is wide.`;
  const cells = rows.map((row) => `<tr>${row.map((text) => `<td>${escapeHTML(text)}</td>`).join("")}</tr>`);
  const heads = head!.map((text) => `<th scope="col">${escapeHTML(text)}</th>`);
  return `<h2 id="sec-groups">Mean and spread over ${escapeHTML(over)}</h2>\n<p>${escapeHTML(caption)}</p>\n${tableHTML("Groups", heads, cells)}`;
}

const tableHTML = (label: string, head: readonly string[], rows: readonly string[]) =>
  `<div class="scroll" tabindex="0" role="group" aria-label="${label}"><table>\n<thead><tr>${head.join("")}</tr></thead>\n<tbody>\n${rows.join("\n")}\n</tbody></table></div>`;

/** Of the results that the member's run keeps, those that it did not have to compute. */
const shared = ({ sharing }: Member): string => (sharing ? `${sharing.shared} of ${sharing.results}` : "");

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
