import timers from "node:timers/promises";
import { job } from "../language/job.js";
import { type Context, currentContext, runTimer, within } from "./context.js";
import { refusal } from "./refusals.js";

type Asked = (...args: unknown[]) => Promise<unknown>;

/** Settles as `promise` does; what waits for its value goes on as behind a timer of `context`. @param begin runs that, at once or soon */
function behindTimer<T>(context: Context | undefined, promise: Promise<T>, begin: (work: () => void) => void): Promise<T> {
  if (!context) return promise;
  return new Promise((resolve, reject) => {
    promise.then(
      (value) => begin(() => runTimer(context, () => resolve(value))),
      (error) => within(context, () => reject(error)),
    );
  });
}

const atOnce = (work: () => void): void => work();

/** `original`, which Node calls `name`, as one whose promise is a timer of the request that asks for it. */
function asTimer(original: Asked, begin: (work: () => void) => void): Asked {
  const wrapped = function (this: unknown, ...args: unknown[]) {
    return refusal() ?? behindTimer(currentContext(), original.apply(this, args), begin);
  };
  return named(wrapped, original);
}

/** The same for `setInterval`, each tick of which is a timer. */
function asTimers(original: (...args: unknown[]) => AsyncGenerator): (...args: unknown[]) => AsyncGenerator {
  return named((...args) => {
    const ticks = original(...args);
    const next = ticks.next.bind(ticks);
    const value = (...sent: [] | [unknown]) => {
      const refused = refusal();
      if (!refused) return behindTimer(currentContext(), next(...sent), atOnce);
      void ticks.return(undefined).catch(() => {}); // no interval stays behind
      return refused;
    };
    return Object.defineProperty(ticks, "next", { configurable: true, writable: true, value });
  }, original);
}

function named<T extends (...args: never[]) => unknown>(wrapped: T, { name, length }: T): T {
  return Object.defineProperties(wrapped, { name: { value: name, configurable: true }, length: { value: length, configurable: true } });
}

/** Makes timers that promise something, those of `node:timers/promises` and of `util.promisify`, timers like others. What awaits an immediate goes on in a job, which can be terminated without harm. */
export function installTimerPromises(): void {
  const own = timers as unknown as Record<"setTimeout" | "setImmediate", Asked>;
  own.setTimeout = asTimer(own.setTimeout, atOnce);
  own.setImmediate = asTimer(own.setImmediate, job);
  Object.assign(timers, { setInterval: asTimers(timers.setInterval as never) });
  const scheduler = Object.getPrototypeOf(timers.scheduler) as Record<"wait" | "yield", Asked>;
  for (const [name, begin] of [
    ["wait", atOnce],
    ["yield", job],
  ] as const) {
    Object.defineProperty(scheduler, name, { configurable: true, writable: true, value: asTimer(scheduler[name], begin) });
  }
}
