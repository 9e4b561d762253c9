/** Training cannot start or go on. The message is one line: what is wrong, where, what to do. */
export class TrainingError extends Error {
  override name = "TrainingError";
}
