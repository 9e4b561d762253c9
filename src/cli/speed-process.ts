import { threeSteps } from "../methods/erpo/three-steps.js";
import type { Profile } from "../runs/profile.js";
import { measure } from "../setup/doctor.js";

/** What `speedHere` runs in a process of its own: the gigabytes that a model takes go with it. */
const [model, profile] = process.argv.slice(2) as [string, string];
const speed = await threeSteps(model, JSON.parse(profile) as Profile);
process.stdout.write(`${JSON.stringify({ ...speed, ...(await measure()) })}\n`);
process.exit(0);
