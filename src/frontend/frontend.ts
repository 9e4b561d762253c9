import { terminal } from "./terminal.js";
import type { Frontend } from "./types.js";

export type { CommEvent, Frontend, MimeBundle, Shown } from "./types.js";

const KEY = Symbol.for("erpo.frontend");
const holder = globalThis as unknown as Record<symbol, Frontend | undefined>;

/** Makes `frontend` the one that this process shows through. Kept in a global, so that two copies of this module agree. */
export function setFrontend(frontend: Frontend): void {
  holder[KEY] = frontend;
}

/** The frontend in use. */
export function currentFrontend(): Frontend {
  return holder[KEY] ?? terminal;
}
