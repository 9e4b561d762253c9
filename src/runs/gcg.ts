import { existsSync, rmSync } from "node:fs";
import { DataError } from "../data/errors.js";
import { digestOf, type Identity, type IdentityValue } from "../data/identity.js";
import { appendJsonl, readJson } from "../data/jsonl.js";
import type { PromptRow } from "../data/types.js";
import { affirmation, attacked, noAttack } from "../evaluation/attacks.js";
import { type GcgOptions, type GcgState, gcg } from "../evaluation/gcg.js";
import { literalIdentity } from "../evaluation/literal.js";
import { type Policy, policyIdentity } from "../generation/policy.js";
import { policyFolder, standsOn } from "./evaluate.js";
import { takePlace } from "./keep.js";
import type { Run } from "./run.js";

/** What was found for a prompt. */
export interface FoundSuffix extends GcgState {
  /** The prompt's. */
  id: string;
  /** How long it took. */
  seconds: number;
}

/** What `evaluation/<policy>/gcg.json` holds. */
interface GcgFile {
  rows: FoundSuffix[];
}

/**
 * A suffix per prompt against one policy, by `gcg`; yields them in the order of the rows. They are kept in `evaluation/<policy>/gcg.json`, and each as soon as it is found: a run
 * that is killed searches again for one prompt at most. Each prompt draws from a stream of its own, so what is found for it does not depend on the others.
 *
 * @throws KeptError when suffixes are there for another policy, target, budget or other prompts; DataError when two rows have the same id; else as `gcg`
 */
export async function* gcgSuffixes(
  run: Run,
  policy: Policy,
  rows: readonly PromptRow[],
  { target = affirmation, tokens = 20, budget, signal }: Omit<GcgOptions, "rng">,
): AsyncGenerator<FoundSuffix> {
  const path = `${policyFolder(policy)}/gcg.json`;
  const partial = `${path}l`; // a line as each is found, until there are all
  const twice = rows.find(({ id }, i) => rows.findIndex((row) => row.id === id) !== i);
  if (twice) throw new DataError(`two prompts have the id "${twice.id}": suffixes are told apart by id`);
  const questions = rows.map((row, i) => attacked(noAttack, row, i));
  const identity: Identity = {
    recipe: "gcg",
    version: 1,
    policy: await policyIdentity(policy),
    prompts: rows.length,
    questions: digestOf(rows.map((row, i) => [row.id, questions[i]]) as unknown as IdentityValue),
    ...literalIdentity(policy, questions),
    target,
    tokens,
    budget: { ...budget },
    seed: run.seed,
    precision: run.device.precision,
    ...standsOn(run, policy),
  };
  using place = await takePlace(run, path, [path, partial], identity, signal);
  if (place.whole) return yield* readJson<GcgFile>(run.path(path)).rows;
  const store = appendJsonl(run.path(partial));
  const found = new Map((store.rows as unknown as FoundSuffix[]).map((row) => [row.id, row]));
  try {
    for (const row of rows) {
      if (!found.has(row.id)) {
        const since = performance.now();
        let last: GcgState | undefined;
        const options = { target, tokens, budget, rng: run.rng("gcg").fork(row.id), signal };
        for await (const state of gcg(policy, row, options)) last = state;
        const suffix: FoundSuffix = { id: row.id, ...last!, seconds: (performance.now() - since) / 1000 };
        store.append(suffix);
        found.set(row.id, suffix);
      }
      yield found.get(row.id)!;
    }
  } finally {
    store.close();
  }
  const file: GcgFile = { rows: rows.map(({ id }) => found.get(id)!) };
  place.write([`${JSON.stringify(file)}\n`]);
  if (existsSync(run.path(partial))) rmSync(run.path(partial));
}
