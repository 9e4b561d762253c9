import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers";
import { promisify } from "node:util";
import { job } from "../language/job.js";
import { type Context, currentContext, owned, runTimer } from "./context.js";
import { isRefused } from "./refusals.js";
import { installTimerPromises } from "./timer-promises.js";

type Callback = (...args: unknown[]) => void;

/** Immediates that were cleared: their jobs may wait already. */
const cleared = new WeakSet<object>();

/**
 * Makes timers run on behalf of the request that set them, so that late output goes to the cell that it belongs to.
 * An immediate's callback becomes a job, which can be terminated without harm. A loop in a package that waits for timers goes on when its cell has been stopped, whatever
 * the cell waits for; it ends where it sets the next one, with a KeyboardInterrupt, so that its `finally` runs. One that catches it gets timers that never fire.
 * @param report is told what a callback throws, in that request's context
 */
export function installTimers(report: (thrown: unknown) => void): void {
  const timed = (callback: Callback, context: Context): Callback =>
    function (this: unknown, ...args) {
      runTimer(context, () => {
        try {
          callback.apply(this, args);
        } catch (thrown) {
          report(thrown);
        }
      });
    };
  /** An interval of a request that was stopped ends at its next tick. */
  const untilStopped = (run: Callback, context: Context): Callback =>
    function (this: unknown, ...args) {
      if (context.interrupted) clearInterval(this as NodeJS.Timeout);
      else run.apply(this, args);
    };
  const { clearImmediate, clearInterval, clearTimeout, queueMicrotask: microtask, setImmediate, setInterval, setTimeout } = globalThis;
  const stopped = <T extends NodeJS.Timeout>(timer: T): T => {
    clearTimeout(timer);
    return timer;
  };
  const never = {
    setTimeout: () => stopped(setTimeout(() => {}, 0)),
    setInterval: () => stopped(setInterval(() => {}, 1)),
    setImmediate() {
      const immediate = setImmediate(() => {});
      clearImmediate(immediate);
      return immediate;
    },
  };
  globalThis.queueMicrotask = (callback) => microtask(owned(currentContext(), callback));
  for (const name of ["setTimeout", "setInterval", "setImmediate"] as const) {
    const original = globalThis[name] as unknown as Callback;
    const wrapped = (callback: unknown, ...rest: unknown[]) => {
      const context = currentContext();
      if (isRefused()) return never[name]();
      if (typeof callback !== "function" || !context) return original(callback, ...rest);
      const run =
        name === "setInterval" ? untilStopped(timed(callback as Callback, context), context) : timed(callback as Callback, context);
      if (name !== "setImmediate") return original(run, ...rest);
      const later = (...args: unknown[]) =>
        job(() => {
          if (!cleared.has(handle)) run(...args);
        });
      const handle = original(later, ...rest) as unknown as object;
      return handle;
    };
    const descriptor = Object.getOwnPropertyDescriptor(original, promisify.custom);
    if (descriptor) Object.defineProperty(wrapped, promisify.custom, descriptor);
    Object.defineProperty(wrapped, "name", { value: name });
    Object.assign(globalThis, { [name]: wrapped });
    Object.assign(timers, { [name]: wrapped });
  }
  function clear(handle: NodeJS.Immediate | undefined): void {
    if (handle instanceof Object) cleared.add(handle);
    clearImmediate(handle);
  }
  Object.defineProperty(clear, "name", { value: "clearImmediate" });
  Object.assign(globalThis, { clearImmediate: clear });
  Object.assign(timers, { clearImmediate: clear });
  installTimerPromises();
  syncBuiltinESMExports(); // for those who import them from "node:timers" and "node:timers/promises"
}
