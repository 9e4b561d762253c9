/** A training example for supervised fine-tuning, as token ids. */
export interface TokenRow {
  prompt: number[];
  completion: number[];
  /** A loss weight for each completion token, >= 0; default 1. */
  weights?: number[];
}

/** A preference pair, as token ids. */
export interface TokenPair {
  prompt: number[];
  chosen: number[];
  rejected: number[];
  /** Log-probs of the two completions under the reference, sums over tokens in nats: what `referenceLogps` fills in. */
  reference?: { chosen: number; rejected: number };
}
