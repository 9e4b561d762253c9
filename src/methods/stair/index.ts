/** STAIR (Zhang et al. 2025): structured steps, tree search with a safety-informed reward, step DPO, a process reward model and search at test time. */

export { chosenPenalty, type Examples, type Linear, linearValue, ridge, subset } from "../ridge.js";
export { statesAt, type WatchedRow } from "../states.js";
export { nodeRows } from "./features.js";
export { type DrawnNode, drawnTree, leafCount, stepLabel, tellingTree } from "./layout.js";
export { type Beginning, type Growth, grow, type SearchSettings, type World } from "./mcts.js";
export { method } from "./method.js";
export { type PairThresholds, type SiblingPair, type StairPairs, siblingPairs, stairPairs, stepTokens } from "./pairs.js";
export { goodness, helpfulnessOf, type Outcome, outcomeOf, reward, rewardWeights } from "./reward.js";
export {
  dpoSettings,
  formatSettings,
  headSettings,
  limits,
  pairThresholds,
  searchedPrompts,
  searchSettings,
  temperature,
  testTime,
  treePrompts,
} from "./settings.js";
export { dpoStage, stairPolicies, stepwise } from "./step-dpo.js";
export { folderOf, formatStage, structured, structuredStage } from "./structured.js";
export { searchTrials, stairTrials, type TestTimePolicies, testTimePolicies, votes } from "./test-time.js";
export {
  backpropagated,
  bestPath,
  nodeValue,
  pathTo,
  rootTree,
  selectChild,
  selectLeaf,
  stepsTo,
  type Tree,
  type TreeNode,
  type TreeStep,
  ucb,
  withChildren,
} from "./tree.js";
export { type GrownTrees, grownTrees, type Speed, searchedTrees } from "./trees.js";
export {
  fitted,
  type HeadQuality,
  headIdentity,
  headScore,
  isHeldOut,
  quality,
  type ValuedNode,
  type ValueHead,
  valuedNodes,
  valueHead,
} from "./value-head.js";
export { isWholeStep, type StepLimits, type TraceWorldOptions, traceWorld } from "./world.js";
