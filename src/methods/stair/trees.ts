import { existsSync, rmSync } from "node:fs";
import { needed } from "../../data/dataset.js";
import { digestOf, type Identity } from "../../data/identity.js";
import { readJson } from "../../data/jsonl.js";
import type { Label } from "../../data/types.js";
import { ruleJudge } from "../../evaluation/judges.js";
import { type LabelledPrompt, promptIds } from "../../exante/rows.js";
import { searching } from "../../generation/decoding.js";
import { type Policy, policyIdentity } from "../../generation/policy.js";
import { sample } from "../../generation/sample.js";
import type { Search } from "../../generation/search.js";
import { takePlace } from "../../runs/keep.js";
import { balancedPrompts } from "../../runs/prompts.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { writeAtomic } from "../../setup/atomic.js";
import { type Growth, grow, type World } from "./mcts.js";
import { batchSize, limits, searchSettings as settings, temperature, treePrompts, version } from "./settings.js";
import { folderOf } from "./structured.js";
import { rootTree, type Tree } from "./tree.js";
import { traceWorld } from "./world.js";

/** Tokens that were sampled, and the seconds that it took. */
export interface Speed {
  tokens: number;
  seconds: number;
}

/** The trees of a run. */
export interface GrownTrees {
  /** Ids of the prompts, and their labels. */
  prompts: { id: string; label: Label }[];
  trees: Tree[];
  /** Of the whole search, roll-outs included. */
  search: Speed;
  /** Of plain sampling: so many completions of each prompt as a node has children, in one call. */
  plain: Speed & { rewards: number[] };
}

/** The prompts that trees are grown for: of train2, an unsafe one after each safe one. */
export const searchedTrees = (run: Run): LabelledPrompt[] =>
  balancedPrompts(needed(run.data, "train2"), run.rng("STAIR, trees")).slice(0, treePrompts(run.profile));

/** How long the trees took, and plain sampling. */
type Seconds = Record<"search" | "plain", number>;

/** What is stored while trees grow. */
type Growing = Growth & Omit<GrownTrees, "trees" | "prompts">;

/**
 * Grows the trees of a stage's policy, all at once, and keeps them. After each iteration they are stored, so a search that was interrupted goes on with the next one, and comes to the same trees.
 *
 * @param onIteration is told the iterations so far, from 1 to one more than the search has
 * @throws KeptError when the folder holds trees of another policy, other prompts or settings
 */
export async function grownTrees(
  run: Run,
  stage: string,
  onIteration: (iteration: number) => void = () => {},
  signal?: AbortSignal,
): Promise<GrownTrees> {
  const prompts = searchedTrees(run);
  const policy = await run.policy(stage);
  const path = `${folderOf(stage)}/trees.json`;
  const timesPath = `${folderOf(stage)}/trees-seconds.json`; // apart: what is made from the trees does not depend on the clock
  const [file, partial, times] = [run.path(path), run.path(`${path}.partial`), run.path(timesPath)];
  using place = await takePlace(run, path, [path, `${path}.partial`, timesPath], await treesIdentity(run, stage, policy, prompts), signal);
  if (!place.whole) {
    const begun = existsSync(partial) ? readJson<Growing>(partial) : null;
    const state = begun ?? (await firstState(run, policy, prompts, signal));
    const save = (now: Growing) => {
      writeAtomic(partial, [`${JSON.stringify(now)}\n`]);
      onIteration(now.iteration);
    };
    if (!begun) writeAtomic(partial, [`${JSON.stringify(state)}\n`]);
    const { trees, search, plain } = await searchOn(run, policy, prompts, state, save, signal);
    const { seconds, ...timeless } = plain;
    const grown = { prompts: prompts.map(({ id, label }) => ({ id, label })), trees, search: { tokens: search.tokens }, plain: timeless };
    place.assertClaimed();
    writeAtomic(times, [`${JSON.stringify({ search: search.seconds, plain: seconds } satisfies Seconds)}\n`]);
    place.write([`${JSON.stringify(grown)}\n`]);
    rmSync(partial, { force: true });
  }
  const { search, plain, ...grown } = readJson<GrownTrees>(file);
  const took = readJson<Seconds>(times);
  return { ...grown, search: { ...search, seconds: took.search }, plain: { ...plain, seconds: took.plain } };
}

async function treesIdentity(run: Run, stage: string, policy: Policy, prompts: readonly LabelledPrompt[]): Promise<Identity> {
  return {
    recipe: "STAIR, trees",
    version,
    policy: await policyIdentity(policy),
    prompts: digestOf(prompts.map(({ id, prompt, label }) => [id, prompt, label])),
    search: { ...settings },
    limits: { ...limits },
    temperature,
    judge: ruleJudge(run.rules).settings,
    batchSize,
    seed: run.seed,
    precision: run.device.precision,
    from: { [stage]: currentSha256(run, stage) },
  };
}

/** Calls `use` with the world of some prompts' traces; its sampler merges the adapter once for all that is sampled. @param use also gets how many tokens were sampled so far */
async function searched(
  run: Run,
  policy: Policy,
  prompts: readonly LabelledPrompt[],
  use: (world: World, tokens: () => number) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const find: Search["find"] = async function* (sampler, asked, options, tokenizer) {
    let tokens = 0;
    const spent = (sampled: number) => (tokens += sampled);
    const judge = ruleJudge(run.rules);
    await use(traceWorld({ sampler, tokenizer, prompts: asked, rows: prompts, judge, options, spent, ...limits }), () => tokens);
    yield* []; // what is found stands in the trees
  };
  const search: Search = { choice: { temperature }, identity: { kind: "trees" }, find };
  const asked = prompts.map(({ prompt }) => promptIds(prompt, policy.model.tokenizer));
  const { answerTokens, thoughtTokens } = limits;
  const options = { maxNewTokens: answerTokens + thoughtTokens, batchSize, rng: run.rng("STAIR, steps"), signal };
  for await (const _ of sample({ ...policy, decoding: searching(search) }, asked, options)) {
    // there are none
  }
}

/** Before the first iteration: plain sampling of the same prompts, to compare with. */
async function firstState(run: Run, policy: Policy, prompts: readonly LabelledPrompt[], signal?: AbortSignal): Promise<Growing> {
  const rows = prompts.flatMap((prompt) => new Array<LabelledPrompt>(settings.children).fill(prompt));
  const speed: Speed & { rewards: number[] } = { tokens: 0, seconds: 0, rewards: [] };
  await searched(
    run,
    policy,
    rows,
    async (world, tokens) => {
      const began = performance.now();
      speed.rewards = await world.score(
        rows.map((_, tree) => ({ tree, steps: [] })),
        "plain",
      );
      speed.tokens = tokens();
      speed.seconds = (performance.now() - began) / 1000;
    },
    signal,
  );
  return { iteration: 0, trees: prompts.map(rootTree), search: { tokens: 0, seconds: 0 }, plain: speed };
}

async function searchOn(
  run: Run,
  policy: Policy,
  prompts: readonly LabelledPrompt[],
  begun: Growing,
  save: (state: Growing) => void,
  signal?: AbortSignal,
): Promise<{ trees: Tree[] } & Omit<Growing, "trees">> {
  let state = begun;
  await searched(
    run,
    policy,
    prompts,
    async (world, tokens) => {
      let began = performance.now();
      for await (const grown of grow(world, begun, settings, run.rng("STAIR, ties"))) {
        const seconds = state.search.seconds + (performance.now() - began) / 1000;
        state = { ...state, ...grown, search: { tokens: begun.search.tokens + tokens(), seconds } };
        save(state);
        signal?.throwIfAborted(); // an iteration may sample nothing
        began = performance.now();
      }
    },
    signal,
  );
  return { ...state, trees: [...state.trees] };
}
