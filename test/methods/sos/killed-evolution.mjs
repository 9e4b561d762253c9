// An evolution on a tiny model, which may be killed at any of moments.mjs's moments: node killed-evolution.mjs DIR, compiled sources in dist/. Prints what it has come to.
import "../../training/moments.mjs";
import { evolution, settings } from "../../../dist/src/methods/sos/sos.js";
import { openRun } from "../../../dist/src/runs/run.js";

const run = await openRun(process.argv[2], { profile: "tiny", model: new URL("../../fixtures/llama-tiny", import.meta.url).pathname });
const found = [];
for await (const generation of evolution(run, { knobs: { ...settings, population: 5, generations: 3, children: 3 } })) found.push(generation);
process.stdout.write(JSON.stringify(found));
