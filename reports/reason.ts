/** One line on why something failed, for a reader. */
export function reason(error: unknown): string {
  if (error instanceof RangeError && /call stack/.test(error.message)) return "nested too deeply";
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
