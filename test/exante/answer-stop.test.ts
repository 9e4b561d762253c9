import { beforeAll, expect, test } from "vitest";
import { answerStop } from "../../src/exante/answer-stop.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { fixture } from "../model/open.js";

let model: LanguageModel;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
});
const limits = { answerTokens: 12, thoughtTokens: 60 };
const trace = "<assess>none</assess><answer>word word word word word word word word";

/** How many tokens of a text there are when it is stopped; it is given as one list that grows, as `sample` does. */
function stopsAt(text: string, stop: (ids: readonly number[]) => boolean): number {
  const ids: number[] = [];
  for (const id of model.tokenizer.encode(text)) {
    ids.push(id);
    if (stop(ids)) break;
  }
  return ids.length;
}

test("an answer ends so many tokens after its tag, a thought that is open with its own budget, and text without a thought as an answer", () => {
  const { tokenizer } = model;
  const head = tokenizer.encode("<assess>none</assess><answer>").length;
  const open = `<assess>${"and on ".repeat(60)}`;
  const { stop } = answerStop(tokenizer, limits);
  expect(stopsAt(trace, stop)).toBe(head + 12);
  expect(stopsAt(open, stop)).toBe(60);
  expect(stopsAt("word ".repeat(20), stop)).toBe(12);
  expect(stopsAt("word ".repeat(90), answerStop(tokenizer, { ...limits, thinking: true }).stop)).toBe(60);
});

test("an empty answer ends at its tag, also where a token is of both tags", () => {
  const pieces = ["<assess>none</assess>", "<answer", "><", "/answer", ">", " word"];
  const tokenizer = { ...model.tokenizer, decode: (ids: readonly number[]) => ids.map((id) => pieces[id]).join("") };
  const ids: number[] = [];
  const { stop } = answerStop(tokenizer, limits);
  const ends = [0, 1, 2, 3, 4].map((id) => {
    ids.push(id);
    return stop(ids);
  });
  expect(ends).toEqual([false, false, false, false, true]);
});

test("several completions of one prompt are followed apart, and a list that is not known is read anew", () => {
  const { tokenizer } = model;
  const ids = tokenizer.encode(trace);
  const head = tokenizer.encode("<assess>none</assess><answer>").length;
  const { stop, thoughtTokens } = answerStop(tokenizer, limits);
  const [one, other]: number[][] = [[], []];
  const plain = tokenizer.encode("word ".repeat(20));
  const ended = [0, 0];
  const grow = (which: 0 | 1, list: number[], all: number[]) => {
    if (ended[which] !== 0) return;
    list.push(all[list.length]!);
    if (stop(list)) ended[which] = list.length;
  };
  for (let t = 0; t < ids.length; t++) {
    grow(0, one!, ids);
    grow(1, other!, plain);
  }
  expect(ended).toEqual([head + 12, 12]);
  expect([thoughtTokens(one!), thoughtTokens([...one!]), thoughtTokens(other!)]).toEqual([head, head, 0]);
  expect(stop([...one!])).toBe(true);
});
