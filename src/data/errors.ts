/** A data set, file or row that cannot be used. The message is one line: where (file:line: field), what was wrong, what to do. */
export class DataError extends Error {
  override name = "DataError";
}
