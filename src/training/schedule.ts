/**
 * The factor of the learning rate at an optimizer step, >= 0.
 * @param step from 1
 * @param total steps of the whole run
 */
export type Schedule = (step: number, total: number) => number;

/**
 * Steps of warm-up: ceil(total * ratio), as in transformers. Step s of them has the factor (s - 1) / warm-up, so that step 1 has learning rate 0.
 * @param ratio of the run, in [0, 1]
 */
const warmupSteps = (ratio: number, total: number): number => Math.ceil(total * ratio);

/** Runs `after` on the way from 0 to 1 that is left behind the warm-up. */
function warmed(ratio: number, after: (progress: number) => number): Schedule {
  if (!(ratio >= 0 && ratio <= 1)) throw new RangeError(`schedule: the warm-up ratio must be in [0, 1], got ${ratio}`);
  return (step, total) => {
    const done = step - 1; // transformers counts finished steps
    const warmup = warmupSteps(ratio, total);
    return done < warmup ? done / Math.max(1, warmup) : after((done - warmup) / Math.max(1, total - warmup));
  };
}

/**
 * Half a cosine from 1 down to `floor` (transformers' `cosine`, with a floor its `cosine_with_min_lr`). Before it the factor rises from 0 in a line, over `warmup`, a
 * share of all steps; default 0, both.
 * @throws RangeError when the share or the floor is not in [0, 1]
 */
export function cosine({ warmup = 0, floor = 0 }: { warmup?: number; floor?: number } = {}): Schedule {
  if (!(floor >= 0 && floor <= 1)) throw new RangeError(`schedule: the floor must be in [0, 1], got ${floor}`);
  return warmed(warmup, (progress) => floor + (1 - floor) * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress))));
}

/** A straight line from 1 down to 0 (transformers' `linear`), behind the warm-up of `cosine`. @throws RangeError when its share is not in [0, 1] */
export const linear = ({ warmup = 0 }: { warmup?: number } = {}): Schedule => warmed(warmup, (progress) => Math.max(0, 1 - progress));

/** 1 behind the same warm-up (transformers' `constant_with_warmup`; without warm-up its `constant`). @throws RangeError when its share is not in [0, 1] */
export const constant = ({ warmup = 0 }: { warmup?: number } = {}): Schedule => warmed(warmup, () => 1);
