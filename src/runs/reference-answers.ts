import * as tf from "@tensorflow/tfjs";
import { DataError } from "../data/errors.js";
import { digestOf } from "../data/identity.js";
import { normalise } from "../data/near-duplicates.js";
import { judgeAnswer } from "../exante/judge.js";
import { type LabelledPrompt, promptIds } from "../exante/rows.js";
import { type Decoding, plain, withLogits } from "../generation/decoding.js";
import { policy } from "../generation/policy.js";
import { sample } from "../generation/sample.js";
import { findBuiltIn } from "../model/built-in.js";
import { type LanguageModel, loadModel, modelDigests } from "../model/load.js";
import type { Tokenizer } from "../model/tokenizer.js";
import { keep } from "./keep.js";
import { trainsEnough } from "./profile.js";
import type { Run } from "./run.js";

/** Tokens that the base model may answer with or begin with, and prompts that are asked together. */
const answers = { version: 4, tokens: 64, batchSize: 96 };
const openings = { ...answers, tokens: 16 };

/**
 * Reference answers of safe prompts: the base model's own (or of the model that the profile's `answersOf` names), up to the last sentence that ends within 64 tokens, so that training keeps its way to
 * answer. Kept in `data/answers-NAME.json`. Where it apologises it is asked again and may not begin as apologies do; a prompt to which it then says no whole sentence either gets none.
 * @param name what the prompts are for
 * @throws DataError where it answers less than half of the prompts, as a model does that was not trained on chats; or where the model that the profile names is not on this machine
 */
export function withAnswers(run: Run, name: string, prompts: readonly LabelledPrompt[], signal?: AbortSignal): Promise<LabelledPrompt[]> {
  return askBase(run, `data/answers-${name}.json`, answers, prompts, signal);
}

/** The same with the first 16 tokens of answers, whole sentences or not: for rows that end before. Kept in `data/openings-NAME.json`. */
export function withOpenings(run: Run, name: string, prompts: readonly LabelledPrompt[], signal?: AbortSignal): Promise<LabelledPrompt[]> {
  return askBase(run, `data/openings-${name}.json`, openings, prompts, signal);
}

async function askBase(
  run: Run,
  path: string,
  how: typeof answers,
  prompts: readonly LabelledPrompt[],
  signal?: AbortSignal,
): Promise<LabelledPrompt[]> {
  const safe = [...new Map(prompts.filter((p) => p.label === "safe").map((p) => [p.id, p])).values()];
  const by = await answering(run);
  const identity = {
    recipe: "reference answers",
    ...how,
    prompts: digestOf(safe.map(({ id, prompt }) => [id, prompt])),
    model: by.digest,
    precision: run.device.precision,
  };
  const kept = await keep(run, path, identity, async () => {
    const model = await by.open();
    try {
      const first = await answersBy(model, run, safe, plain(), how, signal);
      const unhelped = safe.filter(({ prompt }, i) => !helps(first[i]!.text, prompt));
      const second = await answersBy(model, run, unhelped, unapologetic(model.tokenizer), how, signal);
      const better = new Map(second.map((answer) => [answer.id, answer]));
      return { answers: first.map((answer) => better.get(answer.id) ?? answer) };
    } finally {
      if (model !== run.model) model.dispose();
    }
  });
  const asked = new Map(safe.map(({ id, prompt }) => [id, prompt]));
  const helpful = new Map(kept.answers.filter(({ id, text }) => helps(text, asked.get(id)!)).map(({ id, text }) => [id, text]));
  if (trainsEnough(run.profile) && 2 * helpful.size < safe.length)
    throw new DataError(
      `${by.name} answers ${helpful.size} of ${safe.length} harmless prompts, and repeats the question, apologises or says nothing to the others, so there is little to learn: name a model ` +
        'that was trained on chats in the profile, as {"extends": "quick", "answersOf": "smollm2-135m-instruct"}',
    );
  return prompts.map((p) => (helpful.has(p.id) ? { ...p, answer: helpful.get(p.id) } : p));
}

/** The model that gives the reference answers: the run's own, or another one that is loaded for that. @throws DataError when that one is not on this machine */
async function answering(run: Run): Promise<{ name: string; digest: string; open: () => Promise<LanguageModel> }> {
  const name = run.profile.answersOf ?? findBuiltIn(run.model.name)?.answersOf;
  const { model } = run;
  if (name === undefined) return { name: model.name, digest: model.digest, open: async () => model };
  const digests = await modelDigests(name);
  if (!digests)
    throw new DataError(
      `profile ${run.profile.name}: answersOf: ${name} is not on this machine: \`erpo setup --model ${name}\` fetches it`,
    );
  return { name, digest: digests.digest, open: () => loadModel(name) };
}

async function answersBy(
  model: LanguageModel,
  run: Run,
  prompts: readonly LabelledPrompt[],
  decoding: Decoding,
  { tokens, batchSize }: typeof answers,
  signal?: AbortSignal,
): Promise<{ id: string; text: string }[]> {
  const { tokenizer } = model;
  const found: { id: string; text: string }[] = [];
  const ids = prompts.map((p) => promptIds(p.prompt, tokenizer));
  const options = { maxNewTokens: tokens, batchSize, rng: run.rng("answers"), signal };
  for await (const { index, ids: written, finished } of sample(policy({ model, decoding }), ids, options)) {
    const text = tokenizer.decode(written).trim();
    found[index] = { id: prompts[index]!.id, text: finished || tokens < answers.tokens ? text : wholeSentences(text) };
  }
  return found;
}

/** Words that the base model's apologies begin with. */
const apologetic = ["I", "Sorry", "As", "No", "Unfortunately"];

/** Greedy, but for the first token: the likeliest that begins none of those words. */
function unapologetic(tokenizer: Tokenizer): Decoding {
  const tokens = [...new Set(apologetic.map((word) => tokenizer.encode(word)[0]!))];
  return withLogits(
    (logits, _contexts, rows) => {
      if (rows.every(({ ids }) => ids.length > 0)) return logits;
      const [, vocabulary] = logits.shape;
      const masked = tf.oneHot(tf.tensor1d(tokens, "int32"), vocabulary).sum<tf.Tensor1D>(0).expandDims(0); // [1, V]
      const first = tf.tensor2d(rows.map(({ ids }) => [ids.length === 0 ? -1e30 : 0])); // [B, 1]
      return tf.add(logits, tf.mul(first, masked));
    },
    { apologetic },
  );
}

/** A text up to the end of its last whole sentence; empty where none ends. A number and a dot that begin an item of a list end none. */
export function wholeSentences(text: string): string {
  const ends = [...text.matchAll(/(?<!(?:^|\n)\s*\d{1,3})[.!?]["')\]*]*(?=\s|$)/g)];
  const last = ends.at(-1);
  return last ? text.slice(0, last.index + last[0].length) : "";
}

/**
 * Whether an answer may become a reference. The base model apologises to many harmless prompts; one that was not trained on chats says the question again, or goes on with turns of both sides.
 */
const helps = (answer: string, prompt: string): boolean =>
  answer.split(/\s+/).length >= 3 &&
  judgeAnswer(answer) === "compliance" &&
  !/sorry|apologi|as an? (ai|chatbot|language|text|bot|digital)/i.test(answer) &&
  !/^(User|Assistant):/m.test(answer) &&
  !beginsWith(answer, prompt);

/** Whether an answer begins with all words of a prompt. One or two words are a topic, which answers may begin with. */
function beginsWith(answer: string, prompt: string): boolean {
  const asked = normalise(prompt);
  return asked.split(" ").length > 2 && `${normalise(answer)} `.startsWith(`${asked} `);
}
