import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rmsNorm } from "../../src/backend/ops/rms-norm.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import type { StatePlace } from "../../src/model/edit.js";
import { openRanges } from "../../src/model/files.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";
import { readSafetensors } from "../../src/model/safetensors.js";
import expected from "../fixtures/llama-tiny.json" with { type: "json" }; // made by test/fixtures/llama_fixture.py
import { apart, fixture, values } from "./open.js";

let model: LanguageModel;
let adapter: Lora;
const torch: Record<string, Float32Array> = {}; // made by test/fixtures/states_fixture.py
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  adapter = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  const file = openRanges(fixture("states-torch.safetensors"));
  const stored = readSafetensors(file);
  for (const name of stored.names) torch[name] = stored.read(name).data;
  file.close();
});
afterAll(() => {
  adapter.dispose();
  model.dispose();
});

const ids = (rows: number[][] = expected.rows) => tf.tensor2d(rows, [rows.length, rows[0]!.length], "int32");
/** Adds a vector [C] to the states from a position on. */
const from =
  (position: number, vector: tf.Tensor) =>
  (x: tf.Tensor3D, { positions }: StatePlace) => {
    const [B, T] = x.shape;
    const at = positions.flatMap((first) => Array.from({ length: T }, (_, t) => (first + t >= position ? 1 : 0)));
    return tf.add(x, tf.mul(vector, tf.tensor3d(at, [B, T, 1]))) as tf.Tensor3D;
  };
const random = (n: number, seed: number) => tf.tensor1d(values(n, seed));

test.each(["", "adapter."])("captured states agree with transformers' output_hidden_states (%s)", (prefix) => {
  const lora = prefix ? adapter : null;
  const before = tf.memory().numTensors;
  const input = ids();
  const { states, layers } = model.decoder.forward(input, { lora, capture: [-1, 0, 1] });
  expect(states.shape).toEqual([3, 12, 32]);
  expect(apart(layers[-1].dataSync(), torch[`${prefix}hidden_states.0`]!)).toBe(0);
  expect(apart(layers[0].dataSync(), torch[`${prefix}hidden_states.1`]!)).toBeLessThan(1e-4);
  expect(apart(states.dataSync(), torch[`${prefix}hidden_states.2`]!)).toBeLessThan(1e-4);
  if (!prefix) expect(apart(layers[1].dataSync(), torch.last_layer!)).toBeLessThan(1e-4);
  tf.dispose([input, states, layers]);
  expect(tf.memory().numTensors).toBe(before);
});

test("steering from a position on agrees with a forward hook of PyTorch", () => {
  tf.tidy(() => {
    const { states } = model.decoder.forward(ids(), { edit: { 0: from(5, tf.tensor1d(torch.vector!)) } });
    expect(apart(states.dataSync(), torch.steered!)).toBeLessThan(1e-4);
  });
});

test("an edit after the last layer is the final norm of the edited states, and captured states are those after it", () => {
  tf.tidy(() => {
    const v = random(32, 1);
    const { layers: plain } = model.decoder.forward(ids(), { capture: [1] });
    const { states, layers } = model.decoder.forward(ids(), { capture: [1], edit: { 1: (x) => tf.add(x, v) } });
    const moved = tf.add(plain[1], v);
    expect(apart(layers[1].dataSync(), moved.dataSync())).toBe(0);
    const normed = rmsNorm(tf.reshape(moved, [36, 32]), model.decoder.weights.norm, model.config.rmsNormEps);
    expect(apart(states.dataSync(), normed.dataSync())).toBe(0);
  });
});

test("edits that change nothing, and captures, leave every bit as `hidden` has it, for rows of any lengths", () => {
  const length = fc.integer({ min: 1, max: 12 });
  const layers = fc.subarray([-1, 0, 1]);
  fc.assert(
    fc.property(fc.tuple(length, length, length), layers, layers, fc.boolean(), (lengths, edited, capture, adapted) => {
      tf.tidy(() => {
        const lora = adapted ? adapter : null;
        const seen: StatePlace[] = [];
        const same = (x: tf.Tensor3D, place: StatePlace) => {
          seen.push(place);
          expect(x.shape).toEqual([3, Math.max(...lengths), 32]);
          return tf.add(x, 0) as tf.Tensor3D;
        };
        const edit = Object.fromEntries(edited.map((layer) => [layer, same]));
        const { states, layers } = model.decoder.forward(ids(), { lora, lengths, capture, edit });
        expect(states.dataSync()).toEqual(model.decoder.hidden(ids(), { lora, lengths }).dataSync());
        expect(seen).toEqual(edited.map(() => ({ positions: [0, 0, 0], lengths })));
        expect(Object.keys(layers).map(Number).sort()).toEqual([...capture].sort());
        for (const layer of capture) expect(layers[layer]!.shape).toEqual([3, 12, 32]);
      });
    }),
    { numRuns: 30 },
  );
});

test("what an edit makes of the pads changes no real state", () => {
  tf.tidy(() => {
    const lengths = [12, 5, 9];
    const real = tf.tensor3d(
      lengths.flatMap((n) => Array.from({ length: 12 }, (_, t) => (t < n ? 1 : 0))),
      [3, 12, 1],
    );
    const v = random(32, 2);
    const both = [v, tf.mul(v, real)].map((by) => model.decoder.forward(ids(), { lengths, edit: { 0: (x) => tf.add(x, by) } }).states);
    expect(both[0]!.dataSync()).toEqual(both[1]!.dataSync());
  });
});

test("gradients flow through edits, to a vector that is added and to the adapter below it, for rows of different lengths", () => {
  const lengths = [12, 7, 3];
  const vector = tf.variable(random(32, 3));
  const weight = tf.tensor(values(3 * 12 * 32, 4), [3, 12, 32]);
  for (const layer of [-1, 0, 1]) {
    for (const lora of [null, adapter]) {
      const f = () => {
        const edit = { [layer]: (x: tf.Tensor3D) => tf.mul(x, tf.add(1, vector)) as tf.Tensor3D };
        return tf.sum(tf.mul(model.decoder.forward(ids(), { lora, lengths, edit }).states, weight)) as tf.Scalar;
      };
      const variables: tf.Variable[] = [vector, ...(lora?.variables() ?? [])];
      const before = tf.memory().numTensors;
      const { value, grads } = tf.variableGrads(() => tf.tidy(f), variables);
      expect(Object.keys(grads).length).toBe(variables.length);
      const nudged: tf.Variable[] = [vector, ...(lora ? [lora.A(0, "q_proj")!, lora.B(1, "down_proj")!] : [])];
      for (const variable of nudged) {
        const at = variable.dataSync().slice();
        const slope = Array.from(grads[variable.name]!.dataSync());
        const place = slope.reduce((best, x, i) => (Math.abs(x) > Math.abs(slope[best]!) ? i : best), 0);
        const moved = (by: number) =>
          tf.tidy(() => {
            variable.assign(
              tf.tensor(
                Float32Array.from(at, (x, i) => (i === place ? x + by : x)),
                variable.shape,
              ),
            );
            return f().dataSync()[0]!;
          });
        const numeric = (moved(0.01) - moved(-0.01)) / 0.02;
        moved(0);
        expect(Math.abs(numeric / slope[place]! - 1), `${variable.name} after layer ${layer}`).toBeLessThan(0.03);
      }
      tf.dispose([value, grads]);
      expect(tf.memory().numTensors).toBe(before);
    }
  }
  tf.dispose([vector, weight]);
});

test("layers that the decoder lacks and edits of another shape, or of none, are named", () => {
  const before = tf.memory().numTensors;
  const input = ids();
  expect(() => model.decoder.forward(input, { capture: [2] })).toThrow("no layer 2; layers are 0..1, and -1 for the embedding");
  expect(() => model.decoder.forward(input, { edit: { 0.5: (x) => x } })).toThrow("no layer 0.5");
  expect(() => model.decoder.forward(input, { edit: { 0: (x) => tf.sum(x, 1, true) as tf.Tensor3D } })).toThrow(
    "edit after layer 0: the states are [3,12,32], it gave [3,1,32]; return a tensor of the same shape",
  );
  for (const [given, words] of [
    [undefined, "undefined"],
    [Promise.resolve(), "a Promise"],
  ] as const)
    expect(() => model.decoder.forward(input, { edit: { 1: () => given as never } })).toThrow(
      `edit after layer 1: the states are [3,12,32], it gave ${words}; return`,
    );
  input.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
