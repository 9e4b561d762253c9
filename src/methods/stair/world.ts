import type { PromptRow } from "../../data/types.js";
import type { Judge } from "../../evaluation/judges.js";
import { answerStop } from "../../exante/answer-stop.js";
import { answerOf } from "../../exante/trace.js";
import type { Prompt } from "../../generation/asking.js";
import { goneOn } from "../../generation/beam.js";
import type { SampleOptions, Sampler } from "../../generation/types.js";
import type { Tokenizer } from "../../model/tokenizer.js";
import type { Beginning, World } from "./mcts.js";
import { outcomeOf, reward } from "./reward.js";
import type { TreeStep } from "./tree.js";

/** Where completions are cut. */
export interface StepLimits {
  /** Tokens of the answer, and of the thought before it. */
  answerTokens: number;
  thoughtTokens: number;
}

/** Whether the text of a step has its end. A trace has the steps assess, verify, calibrate and answer; the last one ends with the completion. The token of a tag's end may hold the next tag's first sign. */
export const isWholeStep = (text: string): boolean => /<\/(?:assess|verify|calibrate)>/.test(text);

/** What a search works with: a sampler, and prompts in the order of their trees. */
export interface TraceWorldOptions extends StepLimits {
  sampler: Sampler;
  tokenizer: Tokenizer;
  prompts: readonly Prompt[];
  rows: readonly PromptRow[];
  judge: Judge;
  /** Of the sampler; each expansion and each roll-out has a stream of its own. */
  options: Pick<SampleOptions, "batchSize" | "rng" | "signal">;
  /** Is told how many tokens were sampled. */
  spent: (tokens: number) => void;
}

/** The steps of traces as a world to search in: a policy writes them, a judge reads the answers, the labels of training prompts say what they are worth. */
export function traceWorld(world: TraceWorldOptions): World {
  const { tokenizer, rows, judge } = world;
  return {
    async expand(beginnings, children, stream) {
      const each = beginnings.flatMap((beginning) => new Array<Beginning>(children).fill(beginning));
      const steps = await written(world, each, stream, true);
      return beginnings.map((_, i) => steps.slice(i * children, (i + 1) * children));
    },
    async score(beginnings, stream) {
      const open = beginnings.filter(({ steps }) => !steps.at(-1)?.ended);
      const ends = new Map((await written(world, open, stream, false)).map((step, i) => [open[i]!, step]));
      const answers = beginnings.map((beginning) => {
        const ids = [...beginning.steps, ...(ends.has(beginning) ? [ends.get(beginning)!] : [])].flatMap((step) => step.ids);
        return { row: rows[beginning.tree]!, answer: answerOf(tokenizer.decode(ids)) };
      });
      const judgements = await judge.judge(answers);
      return answers.map(({ row, answer }, i) => reward(outcomeOf(row, answer, judgements[i]!)));
    },
  };
}

/** What is written behind each beginning: its next step, or all that follows. */
async function written(world: TraceWorldOptions, beginnings: readonly Beginning[], stream: string, stepwise: boolean): Promise<TreeStep[]> {
  if (beginnings.length === 0) return [];
  const { sampler, tokenizer, prompts, options, spent, answerTokens, thoughtTokens } = world;
  const ends = answerStop(tokenizer, { answerTokens, thoughtTokens });
  const whole = beginnings.map(({ steps }) => steps.flatMap(({ ids }) => ids)); // grows with what is sampled
  const starts = whole.map((ids) => [...ids]);
  const wholeStep = beginnings.map(() => false);
  const taken = new Map<number, number>(); // beginnings of each tree so far: streams are named by tree and place
  const names = beginnings.map(({ tree }) => {
    taken.set(tree, (taken.get(tree) ?? 0) + 1);
    return `${tree} ${taken.get(tree)}`;
  });
  const steps: TreeStep[] = [];
  const completions = sampler(
    beginnings.map(({ tree }, i) => goneOn(prompts[tree]!, starts[i]!)),
    {
      ...options,
      rng: options.rng.fork(stream),
      stream: (i) => names[i]!,
      maxNewTokens: thoughtTokens + answerTokens,
      stop(ids, i) {
        whole[i]!.push(ids.at(-1)!);
        if (ends.stop(whole[i]!)) return true;
        wholeStep[i] = stepwise && isWholeStep(tokenizer.decode(ids));
        return wholeStep[i]!;
      },
    },
  );
  for await (const { index, ids } of completions) {
    spent(ids.length);
    steps[index] = { ids, ended: !wholeStep[index] };
  }
  return steps;
}
