import { basename } from "node:path";
import type { Spread } from "../../src/index.js";
import type { Parameters } from "../execute/parameters.js";
import { spreadsInWords } from "../spread.js";
import { type Axis, plain } from "./axes.js";
import type { Member } from "./member.js";

/** Members that are the same but for what means are taken over, such as the seed. */
export interface Group {
  path: string;
  /** The values that its members have in common. */
  held: Parameters;
  members: Member[];
  /** Of each number that its whole members have named. */
  values: Map<string, Spread>;
}

/** The groups of a sweep, and the names of the parameters that means are taken over. */
export interface Grouping {
  held: Axis[];
  over: string[];
  groups: Group[];
}

/**
 * Groups a sweep's members.
 * @param groupBy parameters that stay apart; those beside the seed unless told
 * @returns undefined where no mean is to be taken: the seed is not swept, and nothing is told
 */
export async function groupMembers(
  members: readonly Member[],
  axes: readonly Axis[],
  groupBy: readonly string[] | undefined,
): Promise<Grouping | undefined> {
  if (groupBy === undefined && !axes.some(({ name }) => name === "seed")) return undefined;
  const held = axes.filter(({ name }) => (groupBy ? groupBy.includes(name) : name !== "seed"));
  const over = axes.filter((axis) => !held.includes(axis)).map(({ name }) => name);
  if (over.length === 0) return undefined;
  const { spread } = await import("../../src/index.js");
  const groups = new Map<string, Group>();
  for (const member of members) {
    const values = Object.fromEntries(held.map(({ name }) => [name, member.swept[name]]));
    const key = JSON.stringify([member.path, values]);
    const group: Group = groups.get(key) ?? { path: member.path, held: values, members: [], values: new Map() };
    group.members.push(member);
    groups.set(key, group);
  }
  for (const group of groups.values()) {
    for (const label of new Set(group.members.flatMap(({ values }) => [...values.keys()]))) {
      const numbers = numbersOf(group, label);
      if (numbers.length > 0) group.values.set(label, spread(numbers));
    }
  }
  return { held, over, groups: [...groups.values()] };
}

/** What a group's whole members say of a number. */
export const numbersOf = ({ members }: Pick<Group, "members">, label: string): number[] =>
  members.flatMap(({ values, status }) => (status === "done" ? (values.get(label)?.number ?? []) : []));

/** Rows of the table of groups, its head first: what is held, then mean, deviation and interval of each number among `named`. */
export function groupRows({ held, groups }: Grouping, named: readonly string[]): string[][] {
  const several = new Set(groups.map(({ path }) => path)).size > 1;
  const labels = named.filter((label) => groups.some(({ values }) => values.has(label)));
  const head = [...held.map(({ name }) => name), ...(several ? ["notebook"] : []), ...labels];
  const words = labels.map((label) => spreadsInWords(groups.map(({ values }) => values.get(label))));
  const rows = groups.map(({ path, held: values }, row) => [
    ...held.map(({ name }) => plain(values[name])),
    ...(several ? [basename(path, ".ipynb")] : []),
    ...words.map((column) => column[row]!),
  ]);
  return [head, ...rows];
}
