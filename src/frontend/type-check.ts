import { currentFrontend } from "./frontend.js";
import type { TypeCheck } from "./types.js";

export type { TypeCheck } from "./types.js";

export const typeCheckLevels: readonly TypeCheck[] = ["strict", "warn", "off"];

/**
 * Sets how the cells after this one are checked. What is no TypeScript at all never runs.
 * @throws RangeError for another word
 */
export function typeCheck(level: TypeCheck): void {
  if (!typeCheckLevels.includes(level)) throw new RangeError(`typeCheck: one of ${typeCheckLevels.join(", ")}, got "${level}"`);
  currentFrontend().typeCheck(level);
}
