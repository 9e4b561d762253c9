import * as tf from "@tensorflow/tfjs";
import type { Rng } from "../backend/random.js";
import { DataError } from "../data/errors.js";
import { type PreferenceRow, type PromptCompletionRow, readTriples } from "../data/preferences.js";
import type { TokenRow } from "../data/tokens.js";
import type { Tokenizer } from "../model/tokenizer.js";
import type { Objective } from "./objective.js";
import { type CutOptions, cutAll, cutRow, ofFile, type RowModel, type Tokenized, tokenizeCut } from "./rows.js";
import { sftObjective } from "./token-objective.js";
import { type Text, tokenizeCompletions } from "./tokenize.js";

/**
 * DeRTa's rows and objective (Yuan et al. 2024, eq. 2). A triple is a preference pair: the prompt q, a safe response r (`chosen`), and a harmful one r_h (`rejected`),
 * which is read and never learned.
 */

/** What the reinforced transition goes to, and the safe responses begin with. */
const refusalWord = "Sorry";

/**
 * Words of r_h that stand before r, for triple `index`, from 0: none for every third one, else uniform between 1 and all but two, as in the paper's code (`randint(1, len - 2)`).
 * None where r_h has fewer than three words.
 */
export function prefixWords(words: number, index: number, rng: Rng): number {
  return index % 3 === 0 || words < 3 ? 0 : rng.integer(1, words - 2);
}

/** Words of a text, as the paper's code counts them: split at single spaces. What stands before the first one is left out. */
export const wordCount = (text: string): number => text.trimStart().split(" ").length;

/**
 * The first term, MLE with a harmful response prefix, - log P(r | q, r_h,<k): r behind the first k words of r_h. The loss is on r alone.
 * @throws DataError when a response is not one text or one turn of the assistant
 */
export function prefixRow(tokenizer: Tokenizer, { prompt, chosen, rejected }: PreferenceRow, k: number): TokenRow {
  const [safe, harmful] = [textOf(chosen), textOf(rejected)];
  if (k === 0) return onlyRow(tokenizeCompletions(tokenizer, prompt, [chosen]));
  const space = harmful.slice(0, harmful.length - harmful.trimStart().length);
  const prefix = space + harmful.trimStart().split(" ").slice(0, k).join(" ");
  const both = [`${prefix} ${safe.trimStart()}`, prefix].map((text) => turnLike(chosen, text));
  const { prompt: asked, completions } = tokenizeCompletions(tokenizer, prompt, both);
  const [joined, alone] = completions as [number[], number[]];
  const context = joined.findIndex((id, i) => id !== alone[i]); // where the prefix alone would end
  return { prompt: [...asked, ...joined.slice(0, context)], completion: joined.slice(context) };
}

/**
 * The second term, the reinforced transition, - sum_t log P("Sorry" | q, r_h,<t): the model reads r_h, and at each of its positions, the one of its end token included, the
 * target is the token that a refusal begins with there: as the turn's beginning, without a space behind white space, and with one elsewhere (of the word's tokens the
 * first, where it is several: SmolLM2 writes " Sorry" with two). No token of r_h is a target.
 * @throws DataError as `prefixRow`
 */
export function transitionRow(tokenizer: Tokenizer, { prompt, rejected }: PreferenceRow): TokenRow {
  const harmful = textOf(rejected);
  const refusal = harmful.slice(0, harmful.length - harmful.trimStart().length) + refusalWord;
  const { prompt: asked, completions } = tokenizeCompletions(tokenizer, prompt, [rejected, turnLike(rejected, refusal)]);
  const [whole, refused] = completions as [number[], number[]];
  const end = whole.lastIndexOf(tokenizer.eosId);
  const completion = end < 0 ? whole : whole.slice(0, end + 1); // without what a template writes behind the end of a turn
  const [bare, spaced] = [idBehind(tokenizer, "\n", refusalWord), idBehind(tokenizer, "a", ` ${refusalWord}`)];
  const targets = completion.map((_, t) => {
    if (t === 0) return refused[0]!;
    return /\s$/.test(tokenizer.decode(completion.slice(0, t))) ? bare : spaced;
  });
  return { prompt: asked, completion, targets };
}

/** DeRTa's loss as coded: the mean cross-entropy of all targets of a step, whatever row they stand in, for which eq. 2 has a sum. */
export const dertaObjective: Objective<TokenRow> = {
  ...sftObjective,
  name: "derta",
  settings: { refusal: refusalWord },
  metrics: ["nll/completions", "nll/transitions"],
  loss(batch) {
    const places = (transition: boolean) => batch.row.flatMap((b, n) => ((batch.rows[b]!.targets !== undefined) === transition ? [n] : []));
    const nll = (places: number[]) => tf.neg(tf.gather(batch.logps, tf.tensor1d(places, "int32"))) as tf.Tensor1D; // [n], nats
    const named = { "nll/completions": places(false), "nll/transitions": places(true) };
    const present = Object.entries(named).filter(([, places]) => places.length > 0);
    return { ...sftObjective.loss(batch), columns: Object.fromEntries(present.map(([name, places]) => [name, nll(places)])) };
  },
};

/**
 * DeRTa's rows from TRL's: of each triple {prompt, chosen, rejected} a prefix row and a transition row, of each helpful row {prompt, completion} itself. The lengths of prefixes are drawn from `rng`.
 * @throws DataError `row N: cause` as `tokenizeRows`, or as `prefixRow`
 */
export function tokenizeTriples(
  model: RowModel,
  rows: readonly (PreferenceRow | PromptCompletionRow)[],
  { rng, ...options }: CutOptions & { rng: Rng },
): Tokenized<TokenRow> {
  let triples = 0;
  const made = cutAll(rows, options, (row) => {
    if ("completion" in row) return some(tokenizeCut(model, row.prompt, [row.completion], options));
    const k = prefixWords(wordCount(textOf(row.rejected)), triples++, rng);
    const both = [prefixRow(model.tokenizer, row, k), transitionRow(model.tokenizer, row)];
    return some(both.flatMap((one) => cutRow(one, model, options) ?? []));
  });
  return { rows: made.rows.flat(), leftOut: made.leftOut };
}

/** The same from a JSON Lines file. @throws DataError `FILE:LINE: cause` when a row is broken, `FILE: row N: cause` as `tokenizeTriples` */
export const readTokenTriples = (path: string, model: RowModel, options: CutOptions & { rng: Rng }): Tokenized<TokenRow> =>
  ofFile(path, () => tokenizeTriples(model, readTriples(path), options));

const some = <T>(rows: T[]): T[] | null => (rows.length > 0 ? rows : null);

const onlyRow = ({ prompt, completions }: { prompt: number[]; completions: number[][] }): TokenRow => ({
  prompt,
  completion: completions[0]!,
});

/** The id of a text's first token behind another text, both as the model's tokenizer writes them together. */
const idBehind = (tokenizer: Tokenizer, before: string, text: string): number =>
  tokenizer.encode(before + text)[tokenizer.encode(before).length]!;

function textOf(response: Text): string {
  if (typeof response === "string") return response;
  const [turn, ...more] = response;
  if (turn?.role === "assistant" && more.length === 0) return turn.content;
  throw new DataError("chosen and rejected must each be a string, or one message of the assistant");
}

const turnLike = (like: Text, content: string): Text => (typeof like === "string" ? content : [{ role: "assistant", content }]);
