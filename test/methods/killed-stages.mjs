// ERPO's stages on a tiny model, which may be killed at any of moments.mjs's moments: node killed-stages.mjs DIR, compiled sources in dist/.
import "../training/moments.mjs";
import { stage1 } from "../../dist/src/methods/erpo/stage1.js";
import { stage2 } from "../../dist/src/methods/erpo/stage2.js";
import { stage3 } from "../../dist/src/methods/erpo/stage3.js";
import { openRun } from "../../dist/src/runs/run.js";

const run = await openRun(process.argv[2], { profile: "tiny", model: new URL("../fixtures/llama-tiny", import.meta.url).pathname });
for (const stage of [stage1, stage2, stage3]) for await (const _ of stage(run));
