/**
 * The library `erpo`: what a notebook's cell imports.
 *
 * Nothing is computed on import; the device opens when a model is loaded.
 */

// devices, models, text
export { type Device, openDevice } from "./backend/device.js";
export { createRng, type Rng } from "./backend/random.js";
export { readSuite } from "./data/csv.js";
// prompts and ex-ante traces
export { buildDatasets, type Datasets } from "./data/dataset.js";
export type { PromptFiles } from "./data/own.js";
export { refusalLabels } from "./data/packages.js";
export {
  type PreferenceRow,
  type PromptCompletionRow,
  readCompletions,
  readPreferences,
  readUnpaired,
  type UnpairedRow,
} from "./data/preferences.js";
export { redact, redactText } from "./data/redact.js";
export type { CompletionRow, TokenPair, TokenRow, TokenUnpaired } from "./data/tokens.js";
export type { GeneralRow, Label, PromptRow } from "./data/types.js";
// evaluation
export { type Attack, type AttackName, builtInAttack, noAttack, persona, prefill } from "./evaluation/attacks.js";
export { auc } from "./evaluation/auc.js";
export { judgeQuality } from "./evaluation/calibration.js";
export { balancedAccuracy, type Estimate, mcnemar, type Proportion, share, wilson } from "./evaluation/intervals.js";
export { type Judge, phraseJudge } from "./evaluation/judges.js";
export { drawPairs, holm, type PairDraws, type PairedDifference, pairedDifference } from "./evaluation/paired.js";
export { policyLogps } from "./evaluation/policy-logps.js";
export type { JudgedRow, SuiteMetrics } from "./evaluation/report.js";
export { scorePolicyPairs } from "./evaluation/score-policy.js";
export type { Trial } from "./evaluation/trial.js";
export { answerStop } from "./exante/answer-stop.js";
export { judgeAnswer, refuses } from "./exante/judge.js";
export { checkSample, decisionPair, efficiencyPair, type PreferencePair } from "./exante/pairs.js";
export { decisionRow, type LabelledPrompt, promptIds, type TraceWriter, thoughtFor, traceRow, traceWeights } from "./exante/rows.js";
export { defaultRules, readRules } from "./exante/rule-file.js";
export { type Rule, type RuleSet, type RuleSetContent, ruleSet } from "./exante/rules.js";
export { answerOf, type ParsedTrace, parseTrace, type Thought, writeThought } from "./exante/trace.js";
export { figure, intervals, lengthDistribution, palette, table, trainingCurves, type ValueOptions, value } from "./figures/index.js";
// a reader: notebook or terminal
export {
  ask,
  clearOutput,
  comms,
  type Displayable,
  display,
  html,
  image,
  interruptSignal,
  json,
  latex,
  markdown,
  progress,
  svg,
  type TypeCheck,
  typeCheck,
} from "./frontend/index.js";
export type { Asking, Prompt, Question } from "./generation/asking.js";
export { beam } from "./generation/beam.js";
export {
  contrast,
  type Decoding,
  type LogitsRule,
  plain,
  type StateRule,
  type StateRules,
  searching,
  withEdits,
  withLogits,
} from "./generation/decoding.js";
export { type Policy, policy, policyIdentity } from "./generation/policy.js";
export { type Endpoint, type RemoteCompletion, type RemoteOptions, sampleRemote } from "./generation/remote.js";
export { type Completion, type SampleOptions, sample } from "./generation/sample.js";
export { bestOf, type Candidate, type Score, type Search } from "./generation/search.js";
export { type Round, rounds } from "./methods/erpo/gate.js";
export { roundPairs, type StoredPairs, stage2Pairs } from "./methods/erpo/pairs.js";
export { answersOnly, stage1, stage1Prompts } from "./methods/erpo/stage1.js";
export { type PreferenceOptions, stage2 } from "./methods/erpo/stage2.js";
export { type LengthControlOptions, stage3 } from "./methods/erpo/stage3.js";
export { roundStage, stages } from "./methods/erpo/stages.js";
export { keptTraining } from "./methods/kept-training.js";
export { naiveSft, naiveStage } from "./methods/naive-sft.js";
export { loadAdapter, saveAdapter } from "./model/adapter-io.js";
export type { KvCache } from "./model/cache.js";
export type { Decoder, EditOptions, ForwardOptions, ForwardStates } from "./model/decoder.js";
export type { StateEdit, StateEdits, StatePlace } from "./model/edit.js";
export { type LanguageModel, loadModel } from "./model/load.js";
export { createLora, LINEAR_NAMES, Lora, linearNames } from "./model/lora.js";
export type { SamplingWeights } from "./model/merge.js";
export type { ChatMessage, Tokenizer } from "./model/tokenizer.js";
// losses: pure functions of log-probs
export { apoDown, apoZero } from "./objectives/apo.js";
export { dpo } from "./objectives/dpo.js";
export { hinge } from "./objectives/hinge.js";
export { ipo } from "./objectives/ipo.js";
export { kto, type UnpairedBatch, type UnpairedLoss } from "./objectives/kto.js";
export { lengthDesensitized } from "./objectives/ld-dpo.js";
export { lengthMargin } from "./objectives/length-margin.js";
export { nll, tokenNll, withNll } from "./objectives/nll.js";
export { conservativeDpo, robustDpo } from "./objectives/robust.js";
export { sft } from "./objectives/sft.js";
export { sigmoidNorm } from "./objectives/sigmoid-norm.js";
export { simpo } from "./objectives/simpo.js";
export { stepDpo, stepPair } from "./objectives/step-dpo.js";
export type { PairLengths, PairLogps, PairLoss, PreferenceObjective } from "./objectives/types.js";
export { weightedLosses } from "./objectives/weighted.js";
// ERPO, as a run that is kept in a folder
export { type DevAnswers, type DevScore, devAnswers, devScore } from "./runs/dev.js";
export { evaluate, keptPerplexity, policyBalance, type TrialResult } from "./runs/evaluate.js";
export { exportTraining } from "./runs/export-stage.js";
export { KeptError, keep } from "./runs/keep.js";
export { loadPolicy, savePolicy } from "./runs/policy-folder.js";
export { type Profile, profile } from "./runs/profile.js";
export { openRun, type Run } from "./runs/run.js";
export { attackTrials, builtInTrial, suiteTrials, type TrialName } from "./runs/trials.js";
// training
export { balanced, lengthSorted, sequential, shuffled } from "./training/batches.js";
export { logMetrics, type MetricsLogger } from "./training/loggers/logger.js";
export { type MlflowOptions, mlflowLogger } from "./training/loggers/mlflow.js";
export { tensorBoardLogger } from "./training/loggers/tensorboard.js";
export { train } from "./training/loop.js";
export type { EvaluationMetrics, ObjectiveMetrics, StepMetrics } from "./training/metrics.js";
export type { Objective, RowsLoss, ScoredBatch, Settings } from "./training/objective.js";
export type { CheckpointOptions, TrainOptions } from "./training/options.js";
export { type PairBatch, pairObjective } from "./training/pair-objective.js";
export { referenceLogps, trainPreference } from "./training/preference.js";
export { type CutOptions, type Tokenized, tokenizePairs, tokenizeRows, tokenizeUnpaired } from "./training/rows.js";
export { constant, cosine, linear } from "./training/schedule.js";
export { trainSft } from "./training/sft.js";
export { evaluateRows } from "./training/step.js";
export { sftObjective, type TokenLogps, tokenObjective } from "./training/token-objective.js";
export { ktoObjective, mismatch, unpairedObjective } from "./training/unpaired-objective.js";
