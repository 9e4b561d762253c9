import { types } from "node:util";
import type { Shown } from "../../src/frontend/frontend.js";
import type { CellSource } from "../language/stack.js";

/** What of the main thread the debugger reaches through the inspector, which knows global names only. */
export interface Exposed {
  /** The names that cells have declared, with their values now. */
  values(): Map<string, unknown>;
  /** Gives a name of the session a value. */
  put(name: string, value: unknown): void;
  /** The cells that have been run. */
  cells(): CellSource[];
  /** A value's representations, as `display` shows them. */
  format(value: unknown): Shown | Promise<Shown>;
}

/** How the inspector finds it: `globalThis[Symbol.for(DOOR)]`. */
export const DOOR = "erpo.debugger";

/** Makes it known, out of sight of those who list the global object. It costs nothing until a debugger asks. */
export function expose(exposed: Exposed): void {
  Object.defineProperty(globalThis, Symbol.for(DOOR), { value: { ...exposed, types } });
}
