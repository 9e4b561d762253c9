import { DataError } from "../data/errors.js";
import { finishedStages } from "../runs/claim.js";
import type { Profile } from "../runs/profile.js";
import type { PlannedSteps, PlannedWork } from "./erpo/plan.js";

/**
 * A related method: a recipe in `src/methods/`, a notebook `notebooks/related/NAME.ipynb` that runs it, tests, references. What it computes goes to
 * `RUN/methods/NAME/`: the executed notebook, its page, policies, and `rows.jsonl`.
 */
export interface RelatedMethod {
  /** Its folder in a run and its notebook's file. */
  readonly name: string;
  readonly title: string;
  /** Keys of notebooks/references.bib. */
  readonly references: readonly string[];
  /** Folders of stages that the run must have finished; none where the base model is enough. */
  readonly needs: readonly string[];
  /** Data with terms of their own that its notebook reads. */
  readonly data?: OwnTermsData;
  /** What its notebook computes. Tokens are upper bounds. @param finished folders of the stages that the run has */
  readonly plan: (profile: Profile, finished: readonly string[]) => (PlannedWork | PlannedSteps)[];
}

/** A data set that is fetched only for who has accepted its terms. */
export interface OwnTermsData {
  /** What commands call it. */
  readonly name: string;
  /** @throws DataError where it is not there, naming its terms and the command that accepts them */
  readonly check: () => void;
}

/** @throws DataError when a run lacks a stage that the method needs, naming it */
export function assertNeeds({ name, needs }: RelatedMethod, dir: string): void {
  const finished = finishedStages(dir);
  const missing = needs.filter((stage) => !finished.includes(stage));
  if (missing.length > 0) throw new DataError(`${name} needs ${missing.join(", ")}, which ${dir} has not: run \`erpo start\` there first`);
}
