import { method as derta } from "./derta.js";
import type { RelatedMethod } from "./method.js";
import { method as rose } from "./rose.js";
import { method as stair } from "./stair/method.js";

/** The related methods in the order of the help. A new one is a line here, beside its recipe, notebook, tests and references. */
export const relatedMethods: readonly RelatedMethod[] = [rose, derta, stair];
