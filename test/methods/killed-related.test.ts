import { join } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { filesOf, killable, killedFolder, momentsOf } from "./killed-runs.js";

/** Related methods, ended with SIGKILL: what they keep, sample and train is the same as in one go. */

const root = killedFolder();
const run = (dir: string, method: string, kill?: string) => killable([join(import.meta.dirname, "killed-related.mjs"), dir, method], kill);

/** Kills of each method, spread over its way. */
const KILLS = 3;

type Named = ReturnType<typeof momentsOf>["named"][number];

/** From one file that is written for good to the next: what follows a kill begins with the later one. */
function spans({ named, ops, calls }: ReturnType<typeof momentsOf>): { from: Named; to: { ops: number; calls: number } }[] {
  const lasting = named.filter(({ path }, i) => !path.includes("/tmp-") && !named.slice(0, i).some((earlier) => earlier.path === path));
  return lasting
    .map((from, i) => ({ from, to: lasting[i + 1] ?? { ops, calls } }))
    .filter(({ from, to }) => to.ops > from.ops + 1 || to.calls > from.calls + 1);
}

test.each(["scans", "r2d", "cdpo", "stair", "scpo", "reason4rec"])(
  "%s, killed at moments of its way: every file is as in a run that was not",
  (method) => {
    const whole = run(join(root, method), method);
    expect(whole.status, whole.stderr).toBe(0);
    const rng = createRng(5);
    const dir = join(root, `${method}-killed`);
    const between = spans(momentsOf(whole));
    for (const { from, to } of rng
      .shuffle(between)
      .slice(0, KILLS)
      .sort((a, b) => between.indexOf(a) - between.indexOf(b))) {
      const kind = rng.choice((["ops", "calls"] as const).filter((kind) => to[kind] > from[kind] + 1));
      const at = `${kind} ${rng.integer(1, to[kind] - from[kind] - 1)} ${from.path.slice(join(root, method).length)}`;
      const { signal, stderr } = run(dir, method, at);
      expect(signal, `killed at ${at}: ${stderr}`).toBe("SIGKILL");
    }
    const last = run(dir, method);
    expect(last.status, last.stderr).toBe(0);
    expect(filesOf(dir)).toEqual(filesOf(join(root, method)));
  },
);
