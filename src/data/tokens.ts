/** A prompt and what follows it, as token ids: what a model is scored on. */
export interface CompletionRow {
  prompt: readonly number[];
  completion: readonly number[];
  /** How much each completion token counts, >= 0; default 1. */
  weights?: readonly number[];
  /** What is scored at each place of the completion, where it is not the completion's own token: the model reads the completion, the targets are scored. */
  targets?: readonly number[];
}

/** A training example for supervised fine-tuning, as token ids. */
export interface TokenRow extends CompletionRow {
  prompt: number[];
  completion: number[];
  /** A loss weight for each completion token, >= 0; default 1. */
  weights?: number[];
  /**
   * What the loss scores at each place of the completion, where it is not the completion's own token. The model reads the completion all the same: DeRTa's reinforced
   * transition (Yuan et al. 2024, eq. 2) is a completion with one target everywhere.
   */
  targets?: number[];
}

/** A preference pair, as token ids. */
export interface TokenPair {
  prompt: number[];
  chosen: number[];
  rejected: number[];
  /** How much each token counts in the sums of log-probs, policy's and reference's; default 1. `lengthDesensitized` makes them. */
  weights?: { chosen: number[]; rejected: number[] };
  /** Log-probs of the two completions under the reference, sums over tokens in nats: what `referenceLogps` fills in. */
  reference?: { chosen: number; rejected: number };
}

/** A completion that somebody called good or bad, as token ids. */
export interface TokenUnpaired {
  prompt: number[];
  completion: number[];
  /** Whether the completion is a desirable one. */
  label: boolean;
  /** The completion of another row, which says nothing about this prompt: what `mismatch` fills in. */
  mismatched?: number[];
  /** Log-probs of the two completions under the reference, sums over tokens in nats: what `referenceLogps` fills in. */
  reference?: { completion: number; mismatched: number };
}
