import type * as tf from "@tensorflow/tfjs";

/** Sums of log-probabilities over completion tokens, one value per pair. Shapes `[B]`, in nats. */
export interface PairLogps {
  chosen: tf.Tensor1D;
  rejected: tf.Tensor1D;
}

/** Completion tokens of each pair, |w| and |l|. Shapes `[B]`; losses that divide by them are not finite where one is 0. */
export interface PairLengths {
  chosen: tf.Tensor1D;
  rejected: tf.Tensor1D;
}

/** What a loss makes of pairs. */
export interface PairLoss {
  /** Mean over the batch, a scalar. */
  loss: tf.Scalar;
  /** beta * log(pi/ref) of each completion, `[B]`: the implicit rewards that TRL logs. */
  rewards: PairLogps;
}

/** A loss whose rewards may be left out, such as one that measures against nothing. */
export type BareLoss<Loss extends { rewards: unknown }> = Omit<Loss, "rewards"> & Partial<Pick<Loss, "rewards">>;

/** A loss over pairs, its hyperparameters already chosen: what `trainPreference` minimises. */
export type PreferenceObjective = (policy: PairLogps, reference: PairLogps, lengths: PairLengths) => PairLoss;
