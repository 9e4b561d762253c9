import { currentFrontend } from "./frontend.js";

/** What faults that the type checker finds do to a cell: `strict` keeps it from running, `warn` tells of them and runs it, `off` finds none. */
export type TypeCheck = "strict" | "warn" | "off";

export const typeCheckLevels: readonly TypeCheck[] = ["strict", "warn", "off"];

/**
 * Sets how the cells after this one are checked. What is no TypeScript at all never runs.
 * @throws RangeError for another word
 */
export function typeCheck(level: TypeCheck): void {
  if (!typeCheckLevels.includes(level)) throw new RangeError(`typeCheck: one of ${typeCheckLevels.join(", ")}, got "${level}"`);
  currentFrontend().typeCheck(level);
}
