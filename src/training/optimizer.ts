import * as tf from "@tensorflow/tfjs";
import { adamStep } from "../backend/ops/adam-step.js";

export interface AdamWOptions {
  /** Decay rates of the two moments, each in [0, 1). Default 0.9, 0.999. */
  betas?: [number, number];
  /** Added to the root of the second moment, > 0. Default 1e-8. */
  eps?: number;
  /** Decoupled: weights shrink by learningRate * weightDecay a step. Default 0. */
  weightDecay?: number;
}

/** What an optimizer knows beyond the weights: finished steps and the two moments [P], in the order of the flat gradient. */
export interface AdamWState {
  step: number;
  m: Float32Array;
  v: Float32Array;
}

/**
 * AdamW (Loshchilov and Hutter 2019, algorithm 2; PyTorch's `torch.optim.AdamW`) over all variables at once, as one vector [P]:
 *
 *     theta <- theta - lr * lambda * theta
 *     m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
 *     theta <- theta - lr / (1 - beta1^t) * m / ( sqrt(v) / sqrt(1 - beta2^t) + eps )
 */
export class AdamW {
  #step = 0;
  readonly #m: tf.Variable<tf.Rank.R1>; // [P]
  readonly #v: tf.Variable<tf.Rank.R1>; // [P]
  readonly #betas: [number, number];
  readonly #eps: number;
  readonly #weightDecay: number;

  /** @throws RangeError when an option is out of its range */
  constructor(
    readonly variables: readonly tf.Variable[],
    { betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 }: AdamWOptions = {},
  ) {
    if (!betas.every((beta) => beta >= 0 && beta < 1)) throw new RangeError(`AdamW: betas must be in [0, 1), got ${betas.join(", ")}`);
    if (!(eps > 0)) throw new RangeError(`AdamW: eps must be > 0, got ${eps}`);
    if (!(weightDecay >= 0)) throw new RangeError(`AdamW: the weight decay must be >= 0, got ${weightDecay}`);
    this.#betas = betas;
    this.#eps = eps;
    this.#weightDecay = weightDecay;
    const size = variables.reduce((sum, variable) => sum + variable.size, 0);
    const zeros = () => tf.tidy(() => tf.variable(tf.zeros([size]), false) as tf.Variable<tf.Rank.R1>);
    this.#m = zeros();
    this.#v = zeros();
  }

  /**
   * One step.
   * @param gradient of the loss, flat, `[P]`: what `flatten` makes of the variables' gradients
   * @param learningRate >= 0
   */
  update(gradient: tf.Tensor1D, learningRate: number): void {
    const [beta1, beta2] = this.#betas;
    const t = ++this.#step;
    tf.tidy(() => {
      const { weights, m, v } = adamStep(flatten(this.variables), this.#m, this.#v, gradient, {
        beta1,
        beta2,
        eps: this.#eps,
        rate: learningRate / (1 - beta1 ** t),
        correction: 1 / Math.sqrt(1 - beta2 ** t),
        decay: 1 - learningRate * this.#weightDecay,
      });
      this.#m.assign(m);
      this.#v.assign(v);
      unflatten(weights, this.variables).forEach((value, i) => {
        this.variables[i]!.assign(value);
      });
    });
  }

  async state(): Promise<AdamWState> {
    const [m, v] = (await Promise.all([this.#m.data(), this.#v.data()])) as Float32Array[];
    return { step: this.#step, m: m!, v: v! };
  }

  /** Goes on from a state, bit for bit. @throws RangeError when it belongs to other variables */
  restore({ step, m, v }: AdamWState): void {
    if (m.length !== this.#m.size || v.length !== this.#v.size) {
      throw new RangeError(`AdamW: a state of ${m.length} and ${v.length} numbers for ${this.#m.size} weights`);
    }
    tf.tidy(() => {
      this.#m.assign(tf.tensor1d(m));
      this.#v.assign(tf.tensor1d(v));
    });
    this.#step = step;
  }

  dispose(): void {
    this.#m.dispose();
    this.#v.dispose();
  }
}

/** Tensors one after the other as a vector `[P]`. */
export function flatten(tensors: readonly tf.Tensor[]): tf.Tensor1D {
  return tf.tidy(() => (tensors.length === 1 ? tf.reshape(tensors[0]!, [-1]) : tf.concat1d(tensors.map((x) => tf.reshape(x, [-1])))));
}

/** A vector `[P]` cut into the shapes of `like`. */
export function unflatten(flat: tf.Tensor1D, like: readonly tf.Tensor[]): tf.Tensor[] {
  if (like.length === 1) return [tf.reshape(flat, like[0]!.shape)];
  const parts = tf.split(
    flat,
    like.map((x) => x.size),
  );
  return parts.map((part, i) => tf.reshape(part, like[i]!.shape));
}
