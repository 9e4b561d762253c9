import { createRng, type Rng } from "../backend/random.js";
import type { TokenPair, TokenRow, TokenUnpaired } from "../data/tokens.js";
import { apoDown, apoZero } from "../objectives/apo.js";
import { dpo } from "../objectives/dpo.js";
import { hinge } from "../objectives/hinge.js";
import { ipo } from "../objectives/ipo.js";
import { lengthDesensitized } from "../objectives/ld-dpo.js";
import { lengthMargin } from "../objectives/length-margin.js";
import { tokenNll, withNll } from "../objectives/nll.js";
import { implicitRewards } from "../objectives/rewards.js";
import { conservativeDpo, robustDpo } from "../objectives/robust.js";
import { sigmoidNorm } from "../objectives/sigmoid-norm.js";
import { simpo } from "../objectives/simpo.js";
import type { BareLoss, PairLengths, PairLoss } from "../objectives/types.js";
import { weightedLosses } from "../objectives/weighted.js";
import { dertaObjective, readTokenTriples } from "./derta.js";
import { TrainingError } from "./errors.js";
import type { Objective, Settings } from "./objective.js";
import { type PairBatch, pairObjective } from "./pair-objective.js";
import { type CutOptions, type RowModel, readTokenPairs, readTokenRows, readTokenUnpaired, type Tokenized } from "./rows.js";
import { lossTypes, type RunConfig } from "./run-config.js";
import { sftObjective } from "./token-objective.js";
import { ktoObjective, mismatch } from "./unpaired-objective.js";

/** What a RUN.json's method makes of a file, and what it minimises. */
export interface Method<Row> {
  read(path: string, model: RowModel, cut: CutOptions): Tokenized<Row>;
  /** The order of the rows before the first epoch; left out: the file's. */
  arrange?(rows: Row[], rng: Rng): Row[];
  /** The rows with all that the objective needs. */
  complete(rows: Row[], reference: ReferenceLogps): Promise<Row[]>;
  objective: Objective<Row>;
}

/** Gives rows their log-probs under the run's reference. */
export type ReferenceLogps = <Row extends TokenPair | TokenUnpaired>(rows: Row[]) => Promise<Row[]>;

export const sftMethod: Method<TokenRow> = { read: readTokenRows, complete: async (rows) => rows, objective: sftObjective };

/** DeRTa: two rows of each triple, with prefixes whose lengths are drawn by the run's seed. */
export const dertaMethod = ({ seed }: RunConfig): Method<TokenRow> => ({
  read: (path, model, cut) => readTokenTriples(path, model, { ...cut, rng: createRng(seed).fork("prefixes") }),
  complete: async (rows) => rows,
  objective: dertaObjective,
});

/** DPO's family. */
export const pairMethod = (config: RunConfig): Method<TokenPair> => ({
  read: readTokenPairs,
  complete: async (rows, reference) => {
    if (config.ld_alpha !== null && rows.some(({ weights }) => weights))
      throw new TrainingError(`${config.data}: its pairs have weights, and ld_alpha would give them others: leave one of the two out`);
    checkCounted(config, rows);
    const pairs = config.ld_alpha === null ? rows : lengthDesensitized(rows, config.ld_alpha);
    return needsReference(config) && !hasReferences(config, rows) ? reference(pairs) : pairs;
  },
  objective: pairRunObjective(config),
});

/** Losses of log-probs per token: their sums are divided by the tokens, each counted by its weight. */
export const AVERAGED: readonly LossType[] = ["ipo", "sigmoid_norm", "simpo"];

/** @throws TrainingError for a completion whose tokens have no weight where a loss divides by it */
function checkCounted(config: RunConfig, pairs: readonly TokenPair[]): void {
  const averaged = lossTypes(config).find((loss) => AVERAGED.includes(loss));
  if (!averaged) return;
  for (const [i, { weights }] of pairs.entries())
    for (const side of ["chosen", "rejected"] as const)
      if (weights?.[side].every((weight) => weight === 0))
        throw new TrainingError(
          `pair ${i + 1}: its ${side}_weights are all 0, and loss_type ${averaged} divides by their sum: leave it out`,
        );
}

/** Tokens of each completion as a loss divides by them. The weights that `ld_alpha` gives leave the lengths as they are. */
const counted = ({ weighted, lengths }: PairBatch, { ld_alpha }: RunConfig): PairLengths => (ld_alpha === null ? weighted : lengths);

/** Whether all pairs came with log-probs under their reference. With `ld_alpha` those would be of other weights. */
export const hasReferences = ({ ld_alpha }: RunConfig, pairs: readonly TokenPair[]): boolean =>
  ld_alpha === null && pairs.every(({ reference }) => reference);

/** KTO. A row's mismatched completion is one of its own batch, cut as a row's own is, so rows are put in a random order once and keep it. */
export const ktoMethod = (config: RunConfig, model: Pick<RowModel, "config">): Method<TokenUnpaired> => ({
  read: readTokenUnpaired,
  arrange: (rows, rng) => (config.shuffle ? rng.shuffle(rows) : rows),
  complete: (rows, reference) =>
    reference(mismatch(rows, config.batch_size, Math.min(config.max_length ?? Number.POSITIVE_INFINITY, model.config.maxPositions))),
  objective: ktoRunObjective(config),
});

type LossType = ReturnType<typeof lossTypes>[number];

/** Preference losses by their RUN.json names. */
const LOSSES: Record<LossType, (pairs: PairBatch, config: RunConfig) => BareLoss<PairLoss>> = {
  sigmoid: ({ policy, reference }, { beta, label_smoothing: epsilon }) =>
    epsilon > 0 ? conservativeDpo(policy, reference, { beta, epsilon }) : dpo(policy, reference, beta),
  hinge: ({ policy, reference }, { beta }) => hinge(policy, reference, beta),
  ipo: (pairs, config) => ipo(pairs.policy, pairs.reference, counted(pairs, config), config.beta),
  sigmoid_norm: (pairs, config) => sigmoidNorm(pairs.policy, pairs.reference, counted(pairs, config), config.beta),
  robust: ({ policy, reference }, { beta, label_smoothing: epsilon }) => robustDpo(policy, reference, { beta, epsilon }),
  apo_zero: ({ policy, reference }, { beta }) => apoZero(policy, reference, beta),
  apo_down: ({ policy, reference }, { beta }) => apoDown(policy, reference, beta),
  simpo: (pairs, config) => simpo(pairs.policy, counted(pairs, config), { beta: config.beta, gamma: config.simpo_gamma }),
  sft: ({ policy, reference, lengths, unweighted }, config) => ({
    loss: tokenNll(unweighted, lengths),
    ...(needsReference(config) && { rewards: implicitRewards("sft", policy, reference, config.beta).rewards }),
  }),
};

/** Losses that measure against nothing. */
const FREE: readonly LossType[] = ["simpo", "sft"];

/** Whether a run of pairs needs the log-probs of a reference. */
const needsReference = (config: RunConfig): boolean => lossTypes(config).some((loss) => !FREE.includes(loss));

function pairRunObjective(config: RunConfig): Objective<TokenPair> {
  const { method, beta, loss_type, label_smoothing, ld_alpha, simpo_gamma, nll_weight } = config;
  const losses = lossTypes(config);
  const alpha = config.length_alpha ?? 0.02;
  const lossWeights = config.loss_weights ?? losses.map(() => 1);
  const one = (pairs: PairBatch): BareLoss<PairLoss> =>
    method === "length-controlled-dpo"
      ? lengthMargin(pairs.policy, pairs.reference, counted(pairs, config), { beta, alpha })
      : weightedLosses(
          losses.map((loss) => LOSSES[loss](pairs, config)),
          lossWeights,
        );
  return pairObjective({
    name: method,
    settings: {
      loss_type,
      loss_weights: lossWeights,
      beta,
      label_smoothing,
      ld_alpha,
      simpo_gamma,
      length_alpha: alpha,
      nll_weight,
      reference: referenceName(config),
    },
    reference: needsReference(config) ? undefined : "none",
    loss: (pairs) => withNll(one(pairs), pairs.unweighted, pairs.lengths, nll_weight),
  });
}

function ktoRunObjective(config: RunConfig): Objective<TokenUnpaired> {
  const { beta, desirable_weight: desirableWeight, undesirable_weight: undesirableWeight } = config;
  const objective = ktoObjective({ beta, desirableWeight, undesirableWeight });
  return { ...objective, settings: { ...objective.settings, reference: referenceName(config) } };
}

/** What log-probs are measured against: the start is that of `init_adapter`. */
const referenceName = ({ reference_adapter, init_adapter }: RunConfig): Settings[string] =>
  reference_adapter === undefined ? { start: init_adapter } : reference_adapter;
