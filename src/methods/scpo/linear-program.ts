import type { Highs } from "highs";
import type { TabularCmdp } from "./environments/lanes.js";

/** The best that a policy can do in expectation. */
export interface CmdpOptimum {
  /** E[sum of rewards] of an episode. */
  value: number;
  /** E[sum of costs]. */
  cost: number;
  /** What the value gains per unit that the limit is raised by: the multiplier of the limit's constraint. */
  multiplier: number;
}

/**
 * The optimum of a tabular problem under E[sum of costs] <= limit, by linear programming over how often a policy takes action a in state s at step t (Altman 1999). In
 * those x_{t,s,a} >= 0 return and cost are linear:
 *
 *     max sum x r(next)   with   sum_a x_{0,s,a} = 1[s = start],   sum_a x_{t,s,a} = sum_{s',a': next(s',a') = s} x_{t-1,s',a'},   sum x c(next) <= limit
 *
 * A limit of 0 is also the optimum of policies that have no cost in any episode.
 * @throws Error when the limit cannot be kept
 */
export async function cmdpOptimum({ start, next, reward, cost, horizon }: TabularCmdp, limit: number): Promise<CmdpOptimum> {
  const name = (t: number, s: number, a: number) => `x_${t}_${s}_${a}`;
  const gains: string[] = [];
  const costs: string[] = [];
  const flows: string[] = [];
  let reached = new Set([start]);
  let into = new Map<number, string[]>(); // the variables that lead to a state
  for (let t = 0; t < horizon; t++) {
    const leads = new Map<number, string[]>();
    for (const s of reached) {
      const own = next[s]!.map((_, a) => name(t, s, a));
      flows.push(`${own.join(" + ")}${(into.get(s) ?? []).map((x) => ` - ${x}`).join("")} = ${t === 0 ? 1 : 0}`);
      for (const [a, to] of next[s]!.entries()) {
        if (reward[to] !== 0) gains.push(`${reward[to]} ${own[a]}`);
        if (cost[to] !== 0) costs.push(`${cost[to]} ${own[a]}`);
        leads.set(to, [...(leads.get(to) ?? []), own[a]!]);
      }
    }
    into = leads;
    reached = new Set(leads.keys());
  }
  const program = `Maximize\n ${gains.join("\n + ")}\nSubject To\n limit: ${costs.join("\n + ")} <= ${limit}\n ${flows.join("\n ")}\nEnd\n`;
  const { default: loader } = await import("highs");
  const highs = await (loader as unknown as () => Promise<Highs>)(); // its types are of its CommonJS form; an instance for each program: one that has thrown is of no use
  const solved = highs.solve(program);
  if (solved.Status !== "Optimal") throw new Error(`the limit ${limit} cannot be kept: HiGHS says "${solved.Status}"`);
  const row = (solved.Rows as { Name: string; Primal: number; Dual: number }[]).find(({ Name }) => Name === "limit")!;
  return { value: solved.ObjectiveValue, cost: row.Primal, multiplier: Math.abs(row.Dual) };
}
