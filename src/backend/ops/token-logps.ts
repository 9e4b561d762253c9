import * as tf from "@tensorflow/tfjs";
import { isHalved, matMul, matMulF32, matMulHalf } from "./mat-mul.js";
import { hasKernels, isNative, runMany, runToBf16 } from "./native.js";
import { type TokenRows, whichRows } from "./token-rows.js";

/** Logits that are held at once, 67 MB of them, and the most rows that they are of. */
const LOGITS = 2 ** 24;
const MOST_ROWS = 128;

/** Rows of logits held at once: 128 for V = 49,152, 64 for Gemma's 262,144. */
export const logitRows = (V: number): number => Math.max(1, Math.min(MOST_ROWS, Math.floor(LOGITS / V)));

/** Log-probabilities [n] of targets [n] int32 given logits [n, V] and, where `slopes`, their gradient by the logits [n, V], in BF16 where asked for and possible. */
function softmaxLogps(logits: tf.Tensor2D, targets: tf.Tensor1D, type: "bfloat16" | "float32", slopes: boolean): tf.Tensor[] {
  if (hasKernels()) {
    const made = runToBf16("ErpoTokenLogps", { T: type, slopes: { int: slopes ? 1 : 0 } }, [logits, targets], 2);
    return slopes ? made : made.slice(0, 1);
  }
  if (isNative()) {
    const [loss, gradient] = runMany("SparseSoftmaxCrossEntropyWithLogits", { T: "float32", Tlabels: "int32" }, [logits, targets], 2);
    return [tf.neg(loss!), ...(slopes ? [tf.neg(gradient!)] : [])];
  }
  const logps = tf.logSoftmax(logits);
  const hot = tf.oneHot(targets, logits.shape[1]);
  return [tf.sum(tf.mul(logps, hot), 1), ...(slopes ? [tf.sub(hot, tf.exp(logps))] : [])];
}

/** Own rows as columns behind the logits of all tokens, where the tokens that they stand for have a probability of 0. */
interface OwnColumns {
  rows: tf.Tensor2D; // [k, C]
  mask: tf.Tensor2D; // [1, V], -1e9 at these tokens
}

/**
 * Log-probabilities [n] of targets [n] int32 given states [n, C] and head [V, C]; where `slopes` also their gradients by the states, [n, C], and by the logits of own
 * rows, [n, k].
 */
function chunkLogps(states: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D, own: OwnColumns | null, slopes: boolean): tf.Tensor[] {
  const half = hasKernels() && isHalved(head) && !own;
  const product = matMulF32(states, head, false, true); // [n, V]
  const logits = own ? (tf.concat([tf.add(product, own.mask), matMulF32(states, own.rows, false, true)], 1) as tf.Tensor2D) : product;
  const [logps, slope] = softmaxLogps(logits, targets, half ? "bfloat16" : "float32", slopes) as [tf.Tensor1D, tf.Tensor2D | undefined];
  if (!slope) return [logps];
  if (!own) return [logps, half ? matMulHalf(slope, head) : matMul(slope, head)];
  const [frozen, trained] = tf.split(slope, [head.shape[0], own.rows.shape[0]], 1) as [tf.Tensor2D, tf.Tensor2D];
  return [logps, tf.add(matMul(frozen, head), matMulF32(trained, own.rows)), trained];
}

/** The own rows' columns, and the targets [N] with those columns in the place of their tokens. */
function withColumns(targets: tf.Tensor1D, { ids, rows }: TokenRows, V: number): { columns: OwnColumns; targets: tf.Tensor1D } {
  const mask = new Float32Array(V);
  for (const id of ids) mask[id] = -1e9;
  const hot = whichRows(targets, ids); // [N, k]
  const moved = tf.where(tf.greater(tf.max(hot, 1), 0), tf.add(tf.argMax(hot, 1), tf.scalar(V, "int32")), targets) as tf.Tensor1D;
  return { columns: { rows, mask: tf.tensor2d(mask, [1, V]) }, targets: moved };
}

/**
 * Log-probabilities, in nats, of given tokens: log softmax(states head^T)[target]. states [N, C], head [V, C] (frozen), targets [N] int32 -> [N].
 * Worked in chunks of `logitRows` rows; where gradients are being recorded, d/d states [N, C] is computed at once, so that no [N, V] is kept.
 * @param own rows of the head that are replaced, and get gradients too
 */
export function tokenLogps(states: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D, own: TokenRows | null = null): tf.Tensor1D {
  return tf.customGrad((...args) => {
    const x = args[0] as tf.Tensor2D;
    const save = args.at(-1) as unknown as tf.GradSaveFunc;
    const recording = tf.engine().state.gradientDepth > 0;
    const [N, C] = x.shape;
    const placed = own && withColumns(targets, own, head.shape[0]);
    const parts: tf.Tensor[][] = [];
    const rows = logitRows(head.shape[0]);
    for (let at = 0; at < N; at += rows) {
      const n = Math.min(rows, N - at);
      const wanted = tf.slice(placed?.targets ?? targets, [at], [n]);
      parts.push(tf.tidy(() => chunkLogps(tf.slice(x, [at, 0], [n, C]), head, wanted, placed?.columns ?? null, recording)));
    }
    const joined = (i: number) =>
      tf.concat(
        parts.map((part) => part[i]!),
        0,
      );
    if (recording) save(own ? [joined(1), joined(2), x] : [joined(1)]);
    return {
      value: joined(0) as tf.Tensor1D,
      gradFunc: (dy: tf.Tensor1D, [slope, ownSlope, x]: tf.Tensor[]) => {
        const each = tf.reshape(dy, [-1, 1]);
        const byState = tf.mul(slope!, each);
        return ownSlope ? [byState, matMulF32(tf.mul(ownSlope, each), x as tf.Tensor2D, true, false)] : byState;
      },
    };
  })(states, ...(own ? [own.rows] : [])) as tf.Tensor1D;
}

/** The plain twin, with tfjs's own gradients. */
export const tokenLogpsPlain = (states: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D =>
  tf.sum(tf.mul(tf.logSoftmax(tf.matMul(states, head, false, true)), tf.oneHot(targets, head.shape[0])), 1);
