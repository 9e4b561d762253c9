import type { Identity } from "../data/identity.js";
import { isIds, type Prompt } from "./asking.js";
import { codeDigest } from "./decoding.js";
import { type Candidate, checkedScores, type Score, type Search } from "./search.js";

/** A completion under way. */
interface Branch extends Candidate {
  /** It cannot be gone on with: the model or the caller ended it, or it has no room. */
  ended: boolean;
}

/** A step that is drawn behind a branch. */
interface Try {
  index: number;
  /** Among the prompt's tries of this step, from 0. */
  place: number;
  from: Branch;
  /** The branch's tokens with those of the step so far. */
  whole: number[];
  /** Why `stop` ended it. */
  end?: "step" | "caller" | "length";
}

/**
 * Beam search over steps (Snell et al. 2024): a completion is written step by step. Behind each of the best `width` branches `branches` steps are drawn
 * (`width` times `branches` first ones), and of all candidates the best `width` go on; those that have ended stay among them. It ends when they all have, or after
 * `maxSteps`; the best one is taken, of equal ones the first.
 *
 * @param options the candidates, and what they are chosen by
 * @param options.stepEnd whether the text of a step is whole, such as `(text) => text.endsWith("\n")`; a step that never is goes on to the completion's end
 * @param options.score scores a prompt's candidates, a number each: whole completions and ones that lack their end
 * @param options.settings what score and stepEnd depend on beside their code
 * @throws RangeError unless width, branches and maxSteps are whole numbers >= 1
 */
export function beam({
  width,
  branches,
  stepEnd,
  maxSteps,
  score,
  temperature = 1,
  settings = {},
}: {
  width: number;
  branches: number;
  stepEnd: (step: string) => boolean;
  maxSteps: number;
  score: Score;
  temperature?: number;
  settings?: Identity;
}): Search {
  for (const [name, value] of Object.entries({ width, branches, maxSteps }))
    if (!(Number.isInteger(value) && value >= 1)) throw new RangeError(`beam: ${name} must be a whole number >= 1, got ${value}`);
  const code = { score: codeDigest(score), stepEnd: codeDigest(stepEnd) };
  return {
    choice: { temperature },
    identity: { kind: "beam", width, branches, maxSteps, temperature, settings, code },
    async *find(sample, prompts, { stop, stream = String, maxNewTokens, rng, ...options }, tokenizer) {
      const beams = new Map(prompts.map((_, index) => [index, [] as Branch[]])); // of the prompts that are under way
      for (let step = 1; beams.size > 0; step++) {
        const tries = [...beams].flatMap(([index, beam]) => triesOf(index, beam, width, branches));
        const stepped = sample(
          tries.map(({ index, from }) => goneOn(prompts[index]!, from.ids)),
          {
            ...options,
            maxNewTokens: Math.max(...tries.map(({ from }) => maxNewTokens - from.ids.length)),
            rng: rng.fork(`step ${step}`),
            stream: (k) => `${stream(tries[k]!.index)} ${tries[k]!.place}`,
            stop(ids, k) {
              const one = tries[k]!;
              one.whole.push(ids.at(-1)!);
              if (stop?.(one.whole, one.index)) one.end = "caller";
              else if (one.whole.length >= maxNewTokens) one.end = "length";
              else if (stepEnd(tokenizer.decode(ids))) one.end = "step";
              return one.end !== undefined;
            },
          },
        );
        const drawn = new Map([...beams.keys()].map((index) => [index, [] as Branch[]]));
        for await (const { index: k, ids: added, finished, seconds } of stepped) {
          const { index, place, from, end } = tries[k]!;
          const ids = [...from.ids, ...added];
          drawn.get(index)![place] = {
            index,
            ids,
            text: tokenizer.decode(ids),
            finished: finished && (end === undefined || end === "caller"), // without a reason of ours the model ended it
            ended: end !== "step",
            seconds: from.seconds + seconds,
          };
        }
        for (const [index, beam] of beams) {
          const candidates = [...beam.filter(({ ended }) => ended), ...drawn.get(index)!];
          const kept = best(candidates, checkedScores("beam", await score(candidates, index, prompts[index]!), candidates), width);
          beams.set(index, kept);
          if (step < maxSteps && kept.some(({ ended }) => !ended)) continue;
          beams.delete(index);
          const { ids, finished, seconds } = kept[0]!;
          yield { index, ids, finished, seconds };
        }
      }
    },
  };
}

/** The candidates with the highest scores, the highest first, of equal ones the first. */
const best = (candidates: readonly Branch[], scores: readonly number[], width: number): Branch[] =>
  [...candidates.keys()]
    .sort((a, b) => scores[b]! - scores[a]!)
    .slice(0, width)
    .map((at) => candidates[at]!);

/** The steps to draw for a prompt: behind each branch that goes on, or its first ones. */
function triesOf(index: number, beam: readonly Branch[], width: number, branches: number): Try[] {
  const root: Branch = { index, ids: [], text: "", finished: false, seconds: 0, ended: false };
  const from = beam.length === 0 ? new Array<Branch>(width).fill(root) : beam.filter(({ ended }) => !ended);
  return from
    .flatMap((branch) => new Array<Branch>(branches).fill(branch))
    .map((branch, place) => ({ index, place, from: branch, whole: [...branch.ids] }));
}

/** A prompt with tokens of the model's turn behind it. */
export const goneOn = (prompt: Prompt, ids: readonly number[]): Prompt =>
  isIds(prompt) ? [...prompt, ...ids] : { ...prompt, begun: [...(prompt.begun ?? []), ...ids] };
