/** SentencePiece's BPE (Kudo & Richardson 2018), which Llama 2, Mistral and Gemma have, as the Hugging Face libraries spell it. */

const SPACE = "\u2581";

/** The parts of a tokenizer.json that say how text becomes tokens. */
export interface TokenizerCore {
  normalizer: unknown;
  pre_tokenizer: unknown;
  decoder: unknown;
  model: Record<string, unknown>;
}

/**
 * Of tokens with scores: pieces are joined in the order of the scores of what they make, and characters without a token become bytes.
 * @param scores of each token; Infinity for those that stand wherever their text does
 * @param pieces whether a token, by its id, is one that pieces are joined into: not a control token, nor a byte
 * @param prefix whether a space is put before a text
 */
export function spmCore(
  tokens: readonly string[],
  scores: readonly number[],
  pieces: readonly boolean[],
  unknown: string | undefined,
  prefix: boolean,
): TokenizerCore {
  const ids = new Map(tokens.flatMap((token, id) => (pieces[id] ? [[token, id] as const] : [])));
  const merges: { pair: [string, string]; score: number }[] = [];
  for (const [token, id] of ids) {
    for (let i = 1; i < token.length; i++) {
      const pair: [string, string] = [token.slice(0, i), token.slice(i)];
      if (ids.has(pair[0]) && ids.has(pair[1])) merges.push({ pair, score: scores[id]! });
    }
  }
  merges.sort((a, b) => (a.score === b.score ? 0 : b.score - a.score)); // Infinity less itself is no number
  return {
    normalizer: {
      type: "Sequence",
      normalizers: [
        ...(prefix ? [{ type: "Prepend", prepend: SPACE }] : []),
        { type: "Replace", pattern: { String: " " }, content: SPACE },
      ],
    },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: unknown ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map(({ pair }) => pair),
    },
  };
}

/** Whether a tokenizer.json is of this kind: spaces are written as "\u2581" before a BPE with bytes to fall back to. */
export const isSpm = ({ model, normalizer, pre_tokenizer }: Partial<TokenizerCore>): boolean =>
  model?.type === "BPE" && model.byte_fallback === true && JSON.stringify([normalizer, pre_tokenizer]).includes(`"${SPACE}"`);

/** Whether it puts a space before a text. */
export const hasPrefix = ({ normalizer, pre_tokenizer }: Partial<TokenizerCore>): boolean =>
  /"type":"Prepend"|"prepend_scheme":"(first|always)"/.test(JSON.stringify([normalizer, pre_tokenizer]));

/** Scores that lead to these merges: minus the rank of the earliest that makes a token, and less than all for those that no merge makes. */
export function spmScores(tokens: readonly string[], merges: readonly (readonly [string, string])[]): number[] {
  const ranks = new Map<string, number>();
  merges.forEach(([left, right], rank) => {
    if (!ranks.has(left + right)) ranks.set(left + right, rank);
  });
  return tokens.map((token, id) => -(ranks.get(token) ?? merges.length + id));
}

/** llama.cpp's converter writes the spaces of tokens that users have defined as they are, SentencePiece as "\u2581". */
export const withMarks = (token: string): string => token.replaceAll(" ", SPACE);
export const withSpaces = (token: string): string => token.replaceAll(SPACE, " ");
