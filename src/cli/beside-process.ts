import { profile } from "../runs/profile.js";
import type { BesideJob } from "./beside.js";

/** What `startBeside` forks: it ends with the process that it was forked by, however that ends. */
process.once("disconnect", () => process.exit());
process.on("SIGINT", () => {}); // Ctrl-C is the other's, which ends this one

process.once("message", async (job: BesideJob) => {
  try {
    const [{ openRun }, { besideStages }] = await Promise.all([import("../runs/run.js"), import("../methods/erpo/beside.js")]);
    const { dir, seed, model } = job;
    await besideStages(await openRun(dir, { profile: profile(job.profile), seed, model }));
  } catch (error) {
    await new Promise((sent) => process.send!((error as Error).message, sent));
  }
  process.disconnect();
});
