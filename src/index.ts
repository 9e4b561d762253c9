/**
 * The library `erpo`: what a notebook's cell imports.
 *
 * Nothing is computed on import; the device opens when a model is loaded.
 */

// devices and random streams
export { type AskedPrecision, type Device, openDevice } from "./backend/device.js";
export type { InputMask } from "./backend/ops/dropout.js";
export type { RopeScaling, RotaryTables } from "./backend/ops/rotary.js";
export type { SharedStart } from "./backend/ops/rows.js";
export type { TokenRows } from "./backend/ops/token-rows.js";
export { createRng, type Rng } from "./backend/random.js";
// prompts, rows and their files
export { readSuite, type SuiteOptions } from "./data/csv.js";
export { type BuildOptions, buildDatasets, type Datasets, type OwnPrompts } from "./data/dataset.js";
export { DataError } from "./data/errors.js";
export type { Identity, IdentityValue } from "./data/identity.js";
export type { Source } from "./data/manifest.js";
export type { PromptFiles, RuleNames } from "./data/own.js";
export { type LabelledAnswer, type Persona, refusalLabels } from "./data/packages.js";
export {
  type Message,
  type PreferenceRow,
  type PromptCompletionRow,
  readCompletions,
  readPreferences,
  readUnpaired,
  type UnpairedRow,
} from "./data/preferences.js";
export { type RedactedPrompt, redact, redactText } from "./data/redact.js";
export type { CompletionRow, TokenPair, TokenRow, TokenUnpaired } from "./data/tokens.js";
export type { GeneralRow, Label, PromptRow, Split } from "./data/types.js";
// trials, judges and statistics
export {
  type Agreement,
  type AnsweredPrompt,
  agreement,
  blindSheet,
  cohensKappa,
  type Kappa,
  noAnswer,
  type PreferenceSummary,
  preferenceSummary,
  type Rating,
  readRatings,
  type SheetKey,
  type SheetRow,
  sheetColumns,
} from "./evaluation/annotation.js";
export {
  type Attack,
  type AttackName,
  type AttackRow,
  attackNames,
  builtInAttack,
  fiction,
  manyShot,
  multiTurn,
  noAttack,
  persona,
  prefill,
  prefills,
  systemOverride,
} from "./evaluation/attacks.js";
export { type Auc, auc, aucDifference, aucDifferenceOverFrames, type FramedDifference, type Scores } from "./evaluation/auc.js";
export { endMeans, mean, median, sum } from "./evaluation/averages.js";
export { type BestOfN, bestOfN } from "./evaluation/best-of-n.js";
export { byMass } from "./evaluation/by-mass.js";
export { type JudgeQuality, judgeQuality } from "./evaluation/calibration.js";
export { type GcgBudget, type GcgOptions, type GcgState, gcg, gcgAttack } from "./evaluation/gcg.js";
export { balancedAccuracy, type Estimate, type Proportion, share, wilson, withInterval } from "./evaluation/intervals.js";
export { type Judge, type JudgedAnswer, phraseJudge, ruleJudge } from "./evaluation/judges.js";
export { type LabelReport, type LabelShares, labelReport, type SuiteBalance } from "./evaluation/labels.js";
export { type Look, type LookedTurn, type LookOptions, look } from "./evaluation/look.js";
export { matchedBalance, matchedRows } from "./evaluation/matched.js";
export {
  clusteredDifference,
  drawPairs,
  holm,
  mcnemar,
  mcnemarByLabel,
  type PairDraws,
  type PairedDifference,
  type PairedTest,
  pairedDifference,
  type RowDifference,
} from "./evaluation/paired.js";
export { type GivenCompletion, policyLogps, policyTokenLogps } from "./evaluation/policy-logps.js";
export {
  decisionLogOdds,
  decisionPrompt,
  nextTokenLogOdds,
  noneToken,
  refusalLogOdds,
  refusalTokens,
  sigmoid,
} from "./evaluation/readout.js";
export { type Reliability, type ReliabilityBin, reliability } from "./evaluation/reliability.js";
export { type AnswerShares, answerIn, type DecidingStep, decidedAt, type JudgedRow, type SuiteMetrics } from "./evaluation/report.js";
export type { Response } from "./evaluation/respond.js";
export { answeredRight, compareAnswers } from "./evaluation/right-answers.js";
export { type ScoreOptions, scorePolicyPairs } from "./evaluation/score-policy.js";
export { aucDifferenceInWords, comparisonInWords, refusedInWords, shiftInWords, wantedInWords } from "./evaluation/sentences.js";
export { type Spread, spread } from "./evaluation/spread.js";
export { type SuiteName, suiteNames, suiteRows, take } from "./evaluation/suites.js";
export type { Trial } from "./evaluation/trial.js";
export type { Perplexity } from "./evaluation/usefulness.js";
// rules, traces and pairs
export { type AnswerStop, answerStop } from "./exante/answer-stop.js";
export { type Judgement, judgeAnswer, judgements, offersSupport, refuses } from "./exante/judge.js";
export {
  type CheckedSample,
  checkSample,
  comparedPart,
  decisionPair,
  efficiencyPair,
  type Goal,
  type PreferencePair,
  splitSteps,
} from "./exante/pairs.js";
export {
  type Assessed,
  decisionRow,
  decisionWeights,
  type LabelledPrompt,
  promptIds,
  type RowOptions,
  type TokenWeights,
  type TraceWriter,
  thoughtFor,
  traceRow,
  traceWeights,
} from "./exante/rows.js";
export { defaultRules, readRules } from "./exante/rule-file.js";
export { type Rule, type RuleSet, type RuleSetContent, ruleSet } from "./exante/rules.js";
export {
  answerOf,
  type DecisionPlace,
  type ParsedTrace,
  type Path,
  parseTrace,
  type Segment,
  type Thought,
  type TraceStyle,
  type Verdict,
  writeThought,
} from "./exante/trace.js";
// figures and tables
export {
  type CurveFields,
  type Figure,
  type FigureOptions,
  type Frame,
  figure,
  type IntervalFields,
  intervalCurves,
  intervals,
  lengthDistribution,
  palette,
  type RunsOptions,
  runCurves,
  runIntervals,
  type Slider,
  type SliderFigure,
  searchTree,
  sliders,
  type TableOptions,
  type TokenStrip,
  type TreeRow,
  table,
  tokenStrips,
  trainingCurves,
  type ValueOptions,
  type VegaLiteSpec,
  type View,
  type ViewedTurn,
  value,
  viewer,
} from "./figures/index.js";
// a reader: notebook or terminal
export {
  ask,
  type Comm,
  type CommEvent,
  type CommMessage,
  type CommTarget,
  clearOutput,
  comms,
  type Displayable,
  type DisplayHandle,
  display,
  html,
  image,
  interruptSignal,
  json,
  latex,
  markdown,
  type ProgressHandle,
  progress,
  svg,
  type TypeCheck,
  typeCheck,
  type Widget,
  type WidgetOptions,
  widget,
} from "./frontend/index.js";
// policies: how a model is asked and decodes
export type { Asking, Prompt, Question } from "./generation/asking.js";
export { beam } from "./generation/beam.js";
export type { Choice } from "./generation/choose.js";
export {
  type AskedPrompt,
  contrast,
  type DecodedRow,
  type Decoding,
  type LogitsRule,
  plain,
  type StateRule,
  type StateRules,
  type StateRulesFor,
  searching,
  withEdits,
  withLogits,
} from "./generation/decoding.js";
export { type Policy, policy, policyIdentity } from "./generation/policy.js";
export { type Endpoint, type RemoteCompletion, type RemoteOptions, sampleRemote } from "./generation/remote.js";
export { type Completion, type SampleOptions, sample } from "./generation/sample.js";
export { bestOf, type Candidate, type Score, type Search } from "./generation/search.js";
export type { Sampler } from "./generation/types.js";
export { LogitsError } from "./generation/usable.js";
export * as cdpo from "./methods/cdpo/cdpo.js";
export {
  type BeforeAndAfter,
  betterInWords,
  type CarryOver,
  carryOver,
  carryOverInWords,
  changeInPoints,
  claimsHold,
  judgedDifference,
  rightDifference,
} from "./methods/claims.js";
export * as derta from "./methods/derta.js";
// recipes
export {
  answerAfter,
  type CausalEffect,
  type Causes,
  type Changed,
  causes,
  effectOf,
  type Intervention,
  intervene,
  interventions,
} from "./methods/erpo/causes.js";
export { type DevMeasures, type DevRow, type DevRows, devDifferences, devMeasures, devRows } from "./methods/erpo/dev-measures.js";
export { finalPolicies, finalTrials, readByMass } from "./methods/erpo/final-evaluation.js";
export { type Gate, gate, gateColumns, judgeStage, rounds } from "./methods/erpo/gate.js";
export { type Overruling, overruling } from "./methods/erpo/overruling.js";
export { type PairLevel, roundPairs, type StoredPairs, stage2Pairs } from "./methods/erpo/pairs.js";
export type { PlannedSteps, PlannedWork } from "./methods/erpo/plan.js";
export * as recipe from "./methods/erpo/recipe.js";
export { answersOnly, type Stage1Prompts, stage1, stage1Prompts } from "./methods/erpo/stage1.js";
export { type PreferenceOptions, stage2 } from "./methods/erpo/stage2.js";
export { type LengthControlOptions, stage3 } from "./methods/erpo/stage3.js";
export { roundStage, stages } from "./methods/erpo/stages.js";
export { exportStage, keptTraining } from "./methods/export-stage.js";
export { type AnswerLatency, answerLatencies, type LatencySpec } from "./methods/latency.js";
export type { OwnTermsData, RelatedMethod } from "./methods/method.js";
export { naiveSft, naiveStage } from "./methods/naive-sft.js";
export * as r2d from "./methods/r2d/r2d.js";
export * as reason4rec from "./methods/reason4rec/index.js";
export { type RefusalChange, refusalChange } from "./methods/refusal-change.js";
export { relatedMethods } from "./methods/related.js";
export * as rose from "./methods/rose.js";
export { type MethodRow, methodRows, methodsSummary, readMethodRows, saveMethodRows } from "./methods/rows.js";
export * as scans from "./methods/scans.js";
export * as scpo from "./methods/scpo/scpo.js";
export * as sos from "./methods/sos/sos.js";
export { type PolicySpeed, policySpeeds, type SpeedSpec } from "./methods/speed.js";
export * as stair from "./methods/stair/index.js";
// models and adapters
export { loadAdapter, saveAdapter } from "./model/adapter-io.js";
export { adaptedModel, addTokens, saveAddedTokens } from "./model/added-tokens.js";
export type { KvCache } from "./model/cache.js";
export type { DecoderConfig } from "./model/config.js";
export type { Decoder, EditOptions, ForwardOptions, ForwardStates, HiddenOptions } from "./model/decoder.js";
export type { StateEdit, StateEdits, StatePlace } from "./model/edit.js";
export { type LanguageModel, type LoadOptions, loadModel } from "./model/load.js";
export { createLora, LINEAR_NAMES, Lora, type LoraConfig, linearNames } from "./model/lora.js";
export type { SamplingWeights } from "./model/merge.js";
export type { ChatMessage, Tokenizer } from "./model/tokenizer.js";
export type { TokenizerFiles } from "./model/tokenizer-files.js";
export type { DecoderWeights, LayerWeights } from "./model/weights.js";
// losses: pure functions of log-probs
export { apoDown, apoZero } from "./objectives/apo.js";
export { dpo } from "./objectives/dpo.js";
export { hinge } from "./objectives/hinge.js";
export { ipo } from "./objectives/ipo.js";
export { kto, type UnpairedBatch, type UnpairedLoss } from "./objectives/kto.js";
export { type Completions, lengthDesensitized } from "./objectives/ld-dpo.js";
export { lengthMargin } from "./objectives/length-margin.js";
export { nll, softNll, tokenNll, withNll } from "./objectives/nll.js";
export { type PivotBatch, pivotLoss } from "./objectives/pivot.js";
export { conservativeDpo, robustDpo } from "./objectives/robust.js";
export { sft } from "./objectives/sft.js";
export { sigmoidNorm } from "./objectives/sigmoid-norm.js";
export { simpo } from "./objectives/simpo.js";
export { softDpo } from "./objectives/soft-dpo.js";
export { type Steps, stepDpo, stepPair } from "./objectives/step-dpo.js";
export type { BareLoss, PairLengths, PairLogps, PairLoss, PreferenceObjective } from "./objectives/types.js";
export { weightedLosses } from "./objectives/weighted.js";
export { type GeneralAnswers, generalAnswers } from "./runs/answers.js";
export { finishedStages, KeptError, type KeptFolder } from "./runs/claim.js";
// runs: kept results and branches
export { type DevAnswers, type DevMeasure, type DevScore, decisionScore, devAnswers, devScore, type ReadSet } from "./runs/dev.js";
export { evaluate, keptPerplexity, policyBalance, type TrialResult } from "./runs/evaluate.js";
export { type FoundSuffix, gcgSuffixes } from "./runs/gcg.js";
export { keep } from "./runs/keep.js";
export { type DecodingReader, loadPolicy, readDecoding, savePolicy } from "./runs/policy-folder.js";
export { changedProfile, type Profile, type ProfileChange, profile, type Stage1Settings, trainsEnough } from "./runs/profile.js";
export type { PromptPair } from "./runs/prompts.js";
export { type OpenRunOptions, openRun, type Run } from "./runs/run.js";
export type { OptimizerSettings, Training } from "./runs/training.js";
export { attackTrials, builtInTrial, suiteTrials, type TrialName } from "./runs/trials.js";
// training
export { balanced, lengthSorted, type Plan, sequential, shuffled } from "./training/batches.js";
export { type BriefTraining, trainBriefly } from "./training/brief.js";
export type { CompletionLogps } from "./training/completion.js";
export { dertaObjective, prefixRow, prefixWords, tokenizeTriples, transitionRow } from "./training/derta.js";
export { TrainingError } from "./training/errors.js";
export { logMetrics, type MetricsLogger } from "./training/loggers/logger.js";
export { type MlflowOptions, mlflowLogger } from "./training/loggers/mlflow.js";
export { tensorBoardLogger } from "./training/loggers/tensorboard.js";
export { train } from "./training/loop.js";
export type { EvaluationMetrics, ObjectiveMetrics, StepMetrics } from "./training/metrics.js";
export type { Json, Objective, RowsLoss, ScoredBatch, Settings } from "./training/objective.js";
export type { BestChoice, CheckpointOptions, TrainOptions } from "./training/options.js";
export { type PairBatch, pairObjective } from "./training/pair-objective.js";
export { type PivotSettings, pivotObjective } from "./training/pivot-objective.js";
export { referenceLogps, trainPreference } from "./training/preference.js";
export { type CutOptions, type RowModel, type Tokenized, tokenizePairs, tokenizeRows, tokenizeUnpaired } from "./training/rows.js";
export { constant, cosine, linear, type Schedule } from "./training/schedule.js";
export type { PairScore } from "./training/score.js";
export { trainSft } from "./training/sft.js";
export { evaluateRows } from "./training/step.js";
export { sftObjective, type TokenLogps, tokenObjective } from "./training/token-objective.js";
export { ktoObjective, mismatch, unpairedObjective } from "./training/unpaired-objective.js";
