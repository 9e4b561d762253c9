import * as tf from "@tensorflow/tfjs";
import type { LanguageModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";

/** A row of a scripted cache: what is to be written, and how much of it is. */
interface Line {
  ids: readonly number[];
  at: number;
}

/**
 * A model that writes what it is told: after a prompt that contains a key of `script`, that key's text, or what a function says (then the end token). The
 * tokenizer, and log-probabilities, are the given model's. `asked` counts the prompts that were run.
 */
export function scriptedModel(
  model: LanguageModel,
  script: Record<string, string> | ((prompt: string) => string),
): { model: LanguageModel; asked: () => number } {
  const { tokenizer, config } = model;
  let asked = 0;
  interface Cache {
    lines: Line[];
    take(rows: number[]): Cache;
    join(other: Cache): Cache;
    dispose(): void;
  }
  const cacheOf = (lines: Line[]): Cache => ({
    lines,
    take: (rows) => cacheOf(rows.map((row) => lines[row]!)),
    join: (other) => cacheOf([...lines, ...other.lines]),
    dispose() {},
  });
  const logits = (lines: Line[]) =>
    tf.tidy(
      () =>
        tf
          .oneHot(
            tf.tensor1d(
              lines.map(({ ids, at }) => ids[at] ?? tokenizer.eosId),
              "int32",
            ),
            config.vocabSize,
          )
          .toFloat()
          .mul(1000) as tf.Tensor2D, // nothing else is drawn at any temperature
    );
  const decoder = {
    hidden: model.decoder.hidden.bind(model.decoder),
    logits: model.decoder.logits.bind(model.decoder),
    tokenLogps: model.decoder.tokenLogps.bind(model.decoder),
    merged: (_: Lora | null) => ({ dispose: () => {} }),
    prefill(_: unknown, rows: number[][]) {
      asked += rows.length;
      const lines = rows.map((row) => {
        const text = tokenizer.decode(row);
        return { ids: tokenizer.encode(typeof script === "function" ? script(text) : scripted(script, text)), at: 0 };
      });
      return { cache: cacheOf(lines), logits: logits(lines) };
    },
    step(_: unknown, { lines }: { lines: Line[] }) {
      for (const line of lines) line.at++;
      return logits(lines);
    },
  };
  return { model: { ...model, decoder: decoder as unknown as LanguageModel["decoder"] }, asked: () => asked };
}

function scripted(script: Record<string, string>, text: string): string {
  const key = Object.keys(script).find((k) => text.includes(k));
  if (key === undefined) throw new Error(`nothing is scripted for: ${text}`);
  return script[key]!;
}
