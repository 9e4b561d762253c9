import * as tf from "@tensorflow/tfjs";
import type { DecoderConfig } from "./config.js";
import type { LinearName, Lora } from "./lora.js";
import type { DecoderWeights, LayerWeights } from "./weights.js";

/** A Llama decoder (Touvron et al. 2023) with frozen weights and an optional LoRA adapter. */
export class Decoder {
  constructor(
    readonly config: DecoderConfig,
    readonly weights: DecoderWeights,
  ) {}

  hidden(ids: tf.Tensor2D, { lora = null, prefix = [] }: { lora?: Lora | null; prefix?: readonly number[] } = {}): tf.Tensor3D {
    return tf.tidy(() => {
      const [B, T] = ids.shape;
      const P = prefix.length;
      const { config: c, weights } = this;
      const all = P === 0 ? ids : tf.concat([tf.tile(tf.tensor2d([...prefix], [1, P], "int32"), [B, 1]), ids], 1);
      const N = P + T;
      let x = tf.gather(weights.embedding, tf.reshape(all, [B * N]).toInt()) as tf.Tensor2D; // [B N, C]
      for (let l = 0; l < c.numLayers; l++) x = this.layer(weights.layers[l]!, x, B, N, l, lora);
      x = rms(x, weights.norm, c.rmsNormEps);
      return tf.slice(tf.reshape(x, [B, N, c.hiddenSize]), [0, P, 0], [B, T, c.hiddenSize]);
    });
  }

  layer(w: LayerWeights, x: tf.Tensor2D, B: number, T: number, l: number, lora: Lora | null): tf.Tensor2D {
    const { numHeads: H, numKvHeads: KV, headDim: D, rmsNormEps: eps, ropeTheta } = this.config;
    const G = H / KV;
    const low = (input: tf.Tensor2D, module: LinearName, out: number): tf.Tensor2D => {
      const A = lora?.A(l, module);
      const Bm = lora?.B(l, module);
      return A && Bm ? tf.mul(tf.matMul(tf.matMul(input, A, false, true), Bm, false, true), lora!.scale) : tf.zeros([input.shape[0], out]);
    };
    const linear = (input: tf.Tensor2D, W: tf.Tensor2D, modules: [LinearName, number][]): tf.Tensor2D => {
      const y = tf.matMul(input, W, false, true);
      if (!modules.some(([m]) => lora?.A(l, m))) return y;
      return tf.add(
        y,
        tf.concat(
          modules.map(([m, out]) => low(input, m, out)),
          1,
        ),
      );
    };
    const h = rms(x, w.inputNorm, eps);
    const qkv = linear(h, w.qkv, [
      ["q_proj", H * D],
      ["k_proj", KV * D],
      ["v_proj", KV * D],
    ]);
    const [q, k, v] = tf.split(tf.transpose(tf.reshape(qkv, [B, T, H + 2 * KV, D]), [0, 2, 1, 3]), [H, KV, KV], 1) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const angle = tf.tensor2d(
      Float32Array.from({ length: T * D }, (_, i) => Math.floor(i / D) * ropeTheta ** ((-2 * ((i % D) % (D / 2))) / D)),
      [T, D],
    );
    const cos = tf.cos(angle);
    const sin = tf.sin(angle);
    const rope = (y: tf.Tensor4D) => {
      const [a, b] = tf.split(y, 2, 3) as [tf.Tensor4D, tf.Tensor4D];
      return tf.add(tf.mul(y, cos), tf.mul(tf.concat([tf.neg(b), a], 3), sin)) as tf.Tensor4D;
    };
    const qr = tf.reshape(rope(q), [B, KV, G * T, D]);
    const mask = tf.mul(tf.sub(tf.linalg.bandPart(tf.ones([T, T]), -1, 0), 1), 1e9);
    const scores = tf.add(tf.reshape(tf.mul(tf.matMul(qr, rope(k), false, true), D ** -0.5), [B, H, T, T]), mask);
    const attended = tf.matMul(tf.reshape(tf.softmax(scores), [B, KV, G * T, T]), v);
    const o = tf.reshape(tf.transpose(tf.reshape(attended, [B, H, T, D]), [0, 2, 1, 3]), [B * T, H * D]) as tf.Tensor2D;
    const y = tf.add(x, linear(o, w.o, [["o_proj", x.shape[1]]])) as tf.Tensor2D;
    const h2 = rms(y, w.postNorm, eps);
    const I = this.config.intermediateSize;
    const [g, u] = tf.split(
      linear(h2, w.gateUp, [
        ["gate_proj", I],
        ["up_proj", I],
      ]),
      2,
      1,
    ) as [tf.Tensor2D, tf.Tensor2D];
    return tf.add(y, linear(tf.mul(tf.mul(g, tf.sigmoid(g)), u), w.down, [["down_proj", x.shape[1]]]));
  }

  /** [N, C] -> [N, V] */
  logits(states: tf.Tensor2D): tf.Tensor2D {
    return tf.matMul(states, this.weights.head, false, true);
  }

  /** Log-probabilities [N], in nats, of tokens targets [N] after states [N, C]. */
  tokenLogps(states: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
    return tf.tidy(() => {
      const logps = tf.logSoftmax(this.logits(states)); // [N, V]
      return tf.sum(tf.mul(logps, tf.oneHot(targets.toInt(), this.config.vocabSize)), 1);
    });
  }
}

const rms = (x: tf.Tensor2D, gain: tf.Tensor1D, eps: number): tf.Tensor2D =>
  tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps))), gain);
