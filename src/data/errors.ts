/** A data set, file or row that cannot be used. The message is one line: where (file:line: field), what was wrong, what to do. */
export class DataError extends Error {
  override name = "DataError";
}

/** What zod says of a field that is not there, or is of another type than it should be. */
export const wrong = (cause: string) => ({ error: ({ input }: { input?: unknown }) => (input === undefined ? "is missing" : cause) });

/** What is wrong with a file that cannot be read or parsed: the first line of the error's message; a missing file and a folder in plain words. */
export function cause(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file";
  if (code === "EISDIR") return "is a folder, not a file";
  return message.split("\n")[0]!;
}
