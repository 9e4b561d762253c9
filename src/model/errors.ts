/** A model, weights, tokenizer or adapter file is missing, broken or not one that erpo can run. The message is one line: file, what is wrong, what to do. */
export class WeightsError extends Error {
  override name = "WeightsError";

  constructor(
    readonly file: string,
    problem: string,
    remedy?: string,
  ) {
    super(`${file}: ${problem}${remedy ? `; ${remedy}` : ""}`);
  }
}
