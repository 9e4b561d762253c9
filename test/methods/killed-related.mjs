// A related method on a tiny model, which may be killed at any of moments.mjs's moments: node killed-related.mjs DIR METHOD, compiled sources in dist/.
import "../training/moments.mjs";
import { dualAscent } from "../../dist/src/methods/cdpo/ascent.js";
import { fittedScorers } from "../../dist/src/methods/cdpo/scorers.js";
import { r2d } from "../../dist/src/methods/r2d/r2d.js";
import { readRatings } from "../../dist/src/data/ratings.js";
import { reason4rec } from "../../dist/src/methods/reason4rec/reason4rec.js";
import { studyOf } from "../../dist/src/methods/reason4rec/study.js";
import { keptLayerScores, scansOf } from "../../dist/src/methods/scans/kept.js";
import { problems, scpo } from "../../dist/src/methods/scpo/scpo.js";
import { train } from "../../dist/src/methods/scpo/train.js";
import { stairPairs } from "../../dist/src/methods/stair/pairs.js";
import { stepwise } from "../../dist/src/methods/stair/step-dpo.js";
import { formatStage, structured } from "../../dist/src/methods/stair/structured.js";
import { grownTrees } from "../../dist/src/methods/stair/trees.js";
import { valueHead } from "../../dist/src/methods/stair/value-head.js";
import { openRun } from "../../dist/src/runs/run.js";

const [dir, method] = process.argv.slice(2);
const run = await openRun(dir, { profile: "tiny", model: new URL("../fixtures/llama-tiny", import.meta.url).pathname });
const finish = async (steps) => {
  for await (const _ of steps);
};
const methods = {
  async scans() {
    const base = await run.policy("base");
    await keptLayerScores(run, base);
    await scansOf(run, base, [1]);
  },
  r2d: () => finish(r2d(run, "r2d")),
  async cdpo() {
    const { scorers } = await fittedScorers(run);
    await finish(dualAscent(run, { name: "within", limit: 0 }, scorers));
  },
  async scpo() {
    const { environment } = problems[0];
    await finish(train(run, { environment, algorithm: scpo({ power: 2, penalty: 0, bias: 0 }), seeds: 2, steps: 31_000, seed: 1 }));
  },
  reason4rec: () => finish(reason4rec(run, studyOf(run, readRatings(new URL("../fixtures/ratings-synthetic", import.meta.url).pathname)))),
  async stair() {
    await finish(structured(run));
    const grown = await grownTrees(run, formatStage);
    await valueHead(run, formatStage, grown);
    await finish(stepwise(run, formatStage, await stairPairs(run, formatStage, grown)));
  },
};
await methods[method]();
