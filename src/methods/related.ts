import { method as cdpo } from "./cdpo/cdpo.js";
import { method as derta } from "./derta.js";
import type { RelatedMethod } from "./method.js";
import { method as r2d } from "./r2d/r2d.js";
import { method as reason4rec } from "./reason4rec/method.js";
import { method as rose } from "./rose.js";
import { method as scans } from "./scans.js";
import { method as scpo } from "./scpo/scpo.js";
import { method as sos } from "./sos/sos.js";
import { method as stair } from "./stair/method.js";

/** The related methods in the order of the help. A new one is a line here, beside its recipe, notebook, tests and references. */
export const relatedMethods: readonly RelatedMethod[] = [rose, derta, scans, sos, r2d, cdpo, stair, scpo, reason4rec];
