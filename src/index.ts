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
export { refusalLabels } from "./data/packages.js";
export { readPreferences } from "./data/preferences.js";
export { redact, redactText } from "./data/redact.js";
export type { TokenPair, TokenRow } from "./data/tokens.js";
export type { GeneralRow, Label, PromptRow } from "./data/types.js";
// evaluation
export { auc } from "./evaluation/auc.js";
export { judgeQuality } from "./evaluation/calibration.js";
export { balancedAccuracy, type Estimate, mcnemar, type Proportion, share, wilson } from "./evaluation/intervals.js";
export { drawPairs, holm, type PairDraws, type PairedDifference, pairedDifference } from "./evaluation/paired.js";
export type { JudgedRow, SuiteMetrics } from "./evaluation/report.js";
export { answerStop } from "./exante/answer-stop.js";
export { judgeAnswer, refuses } from "./exante/judge.js";
export { checkSample, decisionPair, efficiencyPair, type PreferencePair } from "./exante/pairs.js";
export { decisionRow, type LabelledPrompt, promptIds, thoughtFor, traceRow, traceWeights } from "./exante/rows.js";
export { type Rule, rule, rules } from "./exante/rules.js";
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
export { type Endpoint, type RemoteCompletion, type RemoteOptions, sampleRemote } from "./generation/remote.js";
export { type Completion, type SampleOptions, sample } from "./generation/sample.js";
export { answersOnly, stage1, stage1Prompts, stage2, stage3 } from "./methods/erpo/erpo.js";
export { type Round, rounds } from "./methods/erpo/gate.js";
export { roundPairs, type StoredPairs, stage2Pairs } from "./methods/erpo/pairs.js";
export { roundStage, stages } from "./methods/erpo/stages.js";
export { naiveSft, naiveStage } from "./methods/naive-sft.js";
export { loadAdapter, saveAdapter } from "./model/adapter-io.js";
export { type LanguageModel, loadModel } from "./model/load.js";
export { createLora, LINEAR_NAMES, Lora, linearNames } from "./model/lora.js";
export type { ChatMessage, Tokenizer } from "./model/tokenizer.js";
// objectives and training
export { dpo } from "./objectives/dpo.js";
export { ipo } from "./objectives/ipo.js";
export { lengthMargin } from "./objectives/length-margin.js";
export { withNll } from "./objectives/nll.js";
export { sft } from "./objectives/sft.js";
export { simpo } from "./objectives/simpo.js";
export { stepDpo, stepPair } from "./objectives/step-dpo.js";
export type { PairLengths, PairLogps, PairLoss, PreferenceObjective } from "./objectives/types.js";
// ERPO, as a run that is kept in a folder
export { type DevAnswers, type DevScore, devAnswers, devScore } from "./runs/dev.js";
export { attackTrials, evaluateStage, stageBalance, stagePerplexity, suiteTrials, type TrialResult } from "./runs/evaluate.js";
export { type Profile, profile } from "./runs/profile.js";
export { openRun, type Run } from "./runs/run.js";
export { balanced, lengthSorted, sequential, shuffled } from "./training/batches.js";
export { logMetrics, type MetricsLogger } from "./training/loggers/logger.js";
export { type MlflowOptions, mlflowLogger } from "./training/loggers/mlflow.js";
export { tensorBoardLogger } from "./training/loggers/tensorboard.js";
export type { StepMetrics } from "./training/metrics.js";
export { referenceLogps, trainPreference } from "./training/preference.js";
export { constant, cosine, linear } from "./training/schedule.js";
export { trainSft } from "./training/sft.js";
