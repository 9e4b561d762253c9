import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import type { PreferenceRow } from "../../src/data/preferences.js";
import type { TokenRow } from "../../src/data/tokens.js";
import { promptIds } from "../../src/exante/rows.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora, linearNames } from "../../src/model/lora.js";
import type { Tokenizer } from "../../src/model/tokenizer.js";
import { packageRoot } from "../../src/setup/paths.js";
import { dertaObjective, prefixRow, prefixWords, tokenizeTriples, transitionRow } from "../../src/training/derta.js";
import { evaluateRows, stepGradient } from "../../src/training/step.js";
import transformers from "../fixtures/llama-tiny.json" with { type: "json" }; // made by test/fixtures/llama_fixture.py
import { fixture, haveSmollm2, smollm2Tokenizer } from "../model/open.js";

let model: LanguageModel;
const dir = mkdtempSync(join(tmpdir(), "erpo-derta-"));
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const written = (ids: readonly number[], { decode }: Tokenizer = model.tokenizer) => ids.map((id) => decode([id]));
const triple: PreferenceRow = { prompt: "Q:", chosen: "Sorry, no.", rejected: "Do it\nnow or so" };

describe("a triple by hand, on a tokenizer that writes nearly every character with a token of its own", () => {
  test("transition: every position of r_h and of its end is targeted, by the token that Sorry begins with there", () => {
    const { prompt, completion, targets, weights } = transitionRow(model.tokenizer, { ...triple, rejected: "Do it\nnow" });
    expect(written(prompt)).toEqual(["Q", ":"]);
    // read                          D    o    _    it   \n   n    o    w    end
    // the text so far ends in       ""   D    o    _    it   \n   n    o    w
    // a refusal here begins with    S    _    _    S    _    S    _    _    _
    expect(written(completion.slice(0, -1))).toEqual(["D", "o", " ", "it", "\n", "n", "o", "w"]);
    expect(completion.at(-1)).toBe(model.tokenizer.eosId);
    expect(written(targets!)).toEqual(["S", " ", " ", "S", " ", "S", " ", " ", " "]);
    expect(weights).toBeUndefined(); // all count alike: no dropout
  });

  test("prefix: k words of r_h are read without loss, then r is learned, its end included", () => {
    const row = prefixRow(model.tokenizer, triple, 2); // "Do" and "it\nnow": words are what spaces part
    expect(written(row.prompt).join("")).toBe("Q:Do it\nnow");
    expect(written(row.completion.slice(0, -1)).join("")).toBe(" Sorry, no.");
    expect(row.completion.at(-1)).toBe(model.tokenizer.eosId);
    expect(row.targets).toBeUndefined();
    const straight = prefixRow(model.tokenizer, triple, 0);
    expect([written(straight.prompt).join(""), written(straight.completion).join("")]).toEqual(["Q:", "Sorry, no."]);
  });

  test("a completion that begins with its own space gets a refusal with that space", () => {
    const spaced = { prompt: "Q:", chosen: " Sorry, no.", rejected: " Do it" };
    expect(written(transitionRow(model.tokenizer, spaced).targets!)).toEqual([" ", "S", " ", " ", "S", " "]); // behind "", " ", D, o, " ", it
    expect(written(prefixRow(model.tokenizer, spaced, 1).prompt).join("")).toBe("Q: Do");
  });
});

describe.skipIf(!haveSmollm2)("SmolLM2's tokenizer (needs its GGUF in the cache)", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await smollm2Tokenizer();
  });
  const chat: PreferenceRow = {
    prompt: [{ role: "user", content: "Hi" }],
    chosen: [{ role: "assistant", content: "Sorry, no." }],
    rejected: [{ role: "assistant", content: "Sure.\nDo it" }],
  };

  test("Sorry is one token behind the header and a line's end, and begins with another behind a word", () => {
    const { prompt, completion, targets } = transitionRow(tokenizer, chat);
    expect(prompt).toEqual(promptIds("Hi", tokenizer));
    expect(written(completion, tokenizer)).toEqual(["Sure", ".", "\n", "Do", " it", ""]); // the last is <|im_end|>, and no newline behind it
    expect(completion.at(-1)).toBe(tokenizer.id("<|im_end|>"));
    expect(targets).toEqual([37388, 25442, 25442, 37388, 25442, 25442]);
    expect(written([37388, 25442], tokenizer)).toEqual(["Sorry", " Sor"]); // the tokenizer has no " Sorry"
    const { prompt: context, completion: safe } = prefixRow(tokenizer, chat, 1);
    expect(written(context.slice(prompt.length), tokenizer).join("")).toBe("Sure.\nDo");
    expect(safe[0]).toBe(25442); // both terms say the same
    expect(prefixRow(tokenizer, chat, 0).completion[0]).toBe(37388);
  });
});

test("prefixes: none for every third triple, else 1 to all but two words, both ends reached", () => {
  const rng = createRng(1);
  const drawn = Array.from({ length: 600 }, (_, i) => prefixWords(7, i, rng));
  expect(drawn.filter((_, i) => i % 3 === 0).every((k) => k === 0)).toBe(true);
  expect([...new Set(drawn.filter((_, i) => i % 3 !== 0))].sort()).toEqual([1, 2, 3, 4, 5]);
  expect([prefixWords(3, 1, rng), prefixWords(2, 1, rng)]).toEqual([1, 0]);
});

describe("the loss", () => {
  const sorry = 53;
  const freshLora = () =>
    createLora(model.config, { r: 2, alpha: 4, targetModules: linearNames(model.config), layers: [0, 1] }, createRng(1));
  const harmful = transformers.rows[0]!; // 12 tokens, the first of which is the prompt here; position 11 predicts the end's place
  const transition: TokenRow = { prompt: [harmful[0]!], completion: [...harmful.slice(1), 2], targets: harmful.map(() => sorry) };

  test("the transition's cross-entropy is that of transformers' logits, a mean where eq. 2 has a sum", async () => {
    const { positions, values } = transformers.logits_row_0; // places 0, 5 and 11 of the completion are predicted there
    const weights = harmful.map((_, t) => Number(positions.includes(t)));
    const expected = values.map((logits) => Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0)) - logits[sorry]!);
    const lora = freshLora(); // changes nothing yet
    const { eval_loss } = await evaluateRows(model, [{ ...transition, weights }], dertaObjective, { lora, size: 1 });
    expect(eval_loss).toBeCloseTo(expected.reduce((a, b) => a + b) / 3, 4);
    lora.dispose();
  });

  test("over a batch: all kept tokens alike, whatever row they stand in; a harmful token is moved as any that is no target", async () => {
    const safe: TokenRow = { prompt: harmful.slice(0, 3), completion: [sorry, 7, 2] };
    const lora = freshLora();
    for (const v of lora.variables()) v.assign(tf.randomNormal(v.shape, 0, 0.3, "float32", 3)); // an adapter that changes something
    // by hand: logits of full passes; of the 12 + 3 tokens each counts 1/15
    const logitsOf = ({ prompt, completion }: TokenRow) => {
      const ids = [...prompt, ...completion.slice(0, -1)];
      const states = model.decoder.hidden(tf.tensor2d([ids], [1, ids.length], "int32"), { lora }).squeeze([0]) as tf.Tensor2D; // [T, C]
      const logits = model.decoder.logits(states); // [T, V]
      return logits.slice([prompt.length - 1, 0], [completion.length, logits.shape[1]]);
    };
    const targets = tf.oneHot(tf.tensor1d([...transition.targets!, ...safe.completion], "int32"), model.config.vocabSize);
    const loss = (logits: tf.Tensor) => tf.div(tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), targets))), 15) as tf.Scalar;
    const logits = tf.tidy(() => tf.concat([transition, safe].map(logitsOf), 0)) as tf.Tensor2D; // [15, V]

    const { loss: got, columns, gradient } = (await stepGradient(model, [transition, safe], dertaObjective, { lora, size: 2 }, undefined))!;
    expect(got).toBeCloseTo(loss(logits).arraySync(), 5);
    expect([columns["nll/transitions"]!.length, columns["nll/completions"]!.length]).toEqual([12, 3]);

    const byHand = tf.variableGrads(() => loss(tf.concat([transition, safe].map(logitsOf), 0)), lora.variables());
    const flat = lora.variables().flatMap((v) => [...byHand.grads[v.name]!.dataSync()]);
    const other = [...gradient.dataSync()];
    expect(Math.max(...flat.map(Math.abs))).toBeGreaterThan(1e-3);
    for (const [i, g] of flat.entries()) expect(g).toBeCloseTo(other[i]!, 4);

    // dL/dlogit = (p - [target]) / 15: at the harmful tokens it is p / 15, as at all that are no target
    const slopes = tf
      .grad(loss as (x: tf.Tensor) => tf.Tensor)(logits)
      .arraySync() as number[][];
    const p = tf.softmax(logits).arraySync() as number[][];
    for (const [t, id] of transition.completion.entries()) expect(slopes[t]![id]).toBeCloseTo((p[t]![id]! - Number(id === sorry)) / 15, 5);
    expect(transition.completion.includes(sorry)).toBe(false);
    lora.dispose();
  });
});

describe("rows of a file", () => {
  const rows = [triple, { prompt: "Hi", completion: " yes" }, triple, triple, triple];

  test("two of each triple, one of each helpful row; every third triple is answered straight away", () => {
    const { rows: made, leftOut } = tokenizeTriples(model, rows, { maxLength: null, rng: createRng(3) });
    expect(leftOut).toEqual([]);
    expect(made.map(({ targets }) => targets !== undefined)).toEqual([false, true, false, false, true, false, true, false, true]);
    const prefixes = made
      .filter(({ targets }, i) => targets === undefined && i !== 2)
      .map(({ prompt }) => written(prompt).join("").slice(2));
    expect(prefixes.map((prefix) => prefix === "")).toEqual([true, false, false, true]);
    expect(prefixes.every((prefix) => "Do it\nnow or".startsWith(prefix))).toBe(true);
  });

  test("max_length cuts targets with their tokens, and names triples of which nothing is left", () => {
    const long: PreferenceRow = { ...triple, prompt: "A long question:" };
    const { rows: made, leftOut } = tokenizeTriples(model, [triple, long], { maxLength: 6, rng: createRng(3) });
    expect(leftOut).toEqual([2]);
    for (const { prompt, completion, targets } of made) {
      expect(prompt.length + completion.length).toBe(6);
      expect(targets === undefined || targets.length === completion.length).toBe(true);
    }
  });

  test("responses of several turns are named", () => {
    const turns = [
      { role: "assistant" as const, content: "Yes" },
      { role: "user" as const, content: "Go on" },
    ];
    expect(() => tokenizeTriples(model, [triple, { ...triple, rejected: turns }], { maxLength: null, rng: createRng(3) })).toThrow(
      "row 2: chosen and rejected must each be a string, or one message of the assistant",
    );
  });

  test("erpo train: a RUN.json of method derta trains on them, and says what they were", () => {
    writeFileSync(join(dir, "rows.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const config = {
      method: "derta",
      model: fixture("llama-tiny"),
      data: "rows.jsonl",
      output_dir: "out",
      max_steps: 3,
      batch_size: 5,
      seed: 3,
    };
    writeFileSync(join(dir, "run.json"), JSON.stringify({ ...config, eval_data: "rows.jsonl" }));
    const main = pathToFileURL(join(packageRoot(), "dist/src/cli/main.js")).href;
    const script = `import { run } from ${JSON.stringify(main)}; process.exitCode = await run(process.argv.slice(1));`;
    const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script, "train", "run.json"], {
      cwd: dir,
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
    const metrics = readFileSync(join(dir, "out/metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(metrics).toHaveLength(3);
    for (const { loss, ...step } of metrics) {
      expect(Math.min(step["nll/completions"], step["nll/transitions"])).toBeLessThanOrEqual(loss);
      expect(Math.max(step["nll/completions"], step["nll/transitions"])).toBeGreaterThanOrEqual(loss);
    }
    expect(metrics[1].learning_rate).toBeCloseTo((2e-5 * 2) / 3, 9); // SFT's default peak, going down linearly
    expect(metrics.at(-1)["eval_nll/transitions"]).toBeGreaterThan(0);
    expect(JSON.parse(readFileSync(join(dir, "out/train.json"), "utf8"))).toMatchObject(config);
  }, 120_000);
});
