/** A data set, file or row that cannot be used. The message is one line: where (file:line: field), what was wrong, what to do. */
export class DataError extends Error {
  override name = "DataError";
}

/** What zod says of a field that is not there, or is of another type than it should be. */
export const wrong = (cause: string) => ({ error: ({ input }: { input?: unknown }) => (input === undefined ? "is missing" : cause) });
