export { movieLens, readMovieLens } from "../../data/movielens.js";
export { type Item, type Rating, type RatingData, readRatings } from "../../data/ratings.js";
export { chosenFactors, type FactorSettings, factorGrid, itemMean, matrixFactorisation, type Predict, userMean } from "./baselines.js";
export {
  baselinesInWords,
  byHistory,
  claimInWords,
  differenceOf,
  errorsFor,
  historyGroup,
  reasoningInWords,
  saveResults,
  seedInWords,
} from "./claims.js";
export { type Errors, errorsOf, maeDifference, type Predicted, type PredictedTwice } from "./errors.js";
export { expectedRating, expectedRatings, ratingTokens } from "./expected.js";
export { asRole, epochs, expert, type Lesson, question, type Role, roles, stageOf, train } from "./experts.js";
export { method } from "./method.js";
export {
  type Prediction,
  type Predictions,
  type PredictorName,
  predictions,
  predictorLessons,
  predictorNames,
  type Reasons,
  reasons,
} from "./predictions.js";
export {
  acceptedText,
  accepts,
  type Rationale,
  type RewardQuality,
  ratingLesson,
  rationales,
  reasonerLessons,
  rewardLessons,
  rewardQuality,
  type Try,
  teacherSettings,
} from "./rationales.js";
export { reason4rec } from "./reason4rec.js";
export { dealt, type Known, knownOf, type Period, type Split, splitSettings, timeSplit } from "./split.js";
export { type Counts, counts, type Study, studyOf } from "./study.js";
export { type Fidelity, fidelity, type Summaries, summaries, summaryLessons } from "./summaries.js";
export {
  type Aspects,
  analysisSlot,
  countedAspects,
  examples,
  filmTitle,
  forbiddenWords,
  genresOf,
  givesRatingAway,
  hint,
  historySettings,
  matchingPrompt,
  ratingAnswer,
  ratingPrompt,
  readAspects,
  reviewsOf,
  standInReview,
  trueReview,
  writeAspects,
} from "./words.js";
export { keptWriting, sentencesIn, type WritingOptions, written } from "./writing.js";
