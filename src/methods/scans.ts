/** SCANS, safety-conscious activation steering: the recipe's parts as a notebook's cell has them. */
export { bestThreshold, isHarmful, type Threshold, thresholds, transitionScore } from "./scans/classifier.js";
export { cosine, type Directions, directionsOf, projections, transitionCosines } from "./scans/directions.js";
export { loadSteered, saveSteered } from "./scans/folder.js";
export {
  type Anchors,
  anchorCount,
  anchors,
  keptDirections,
  keptLayerScores,
  keptReadings,
  type Reading,
  type Readings,
  type Scans,
  scansOf,
  scoresOf,
  thresholdPrompts,
} from "./scans/kept.js";
export { type PrincipalPlane, principalPlane } from "./scans/plane.js";
export {
  claimInWords,
  devTrial,
  draws,
  keptPoints,
  method,
  type Push,
  policyOf,
  pushes,
  pushInWords,
  readStages,
  roomInWords,
  speed,
  strengths,
} from "./scans/recipe.js";
export { type LayerScore, layerScores, selectedLayer, selection, steeredLayers, without } from "./scans/selection.js";
export { affirmation, type PromptStates, promptStates } from "./scans/states.js";
export { addFrom, type PromptSteering, promptScores, type Steering, steered, steeringRules } from "./scans/steering.js";
