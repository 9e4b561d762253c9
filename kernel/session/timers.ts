import { promisify } from "node:util";
import { type Context, currentContext, within } from "./context.js";

type Callback = (...args: unknown[]) => void;

/**
 * Makes timers run on behalf of the request that set them, so that late output goes to the cell that it belongs to.
 * @param report is told what a callback throws, in that request's context
 */
export function installTimers(report: (thrown: unknown) => void): void {
  const owned = (callback: Callback, context: Context | undefined): Callback =>
    function (this: unknown, ...args) {
      within(context, () => {
        try {
          callback.apply(this, args);
        } catch (thrown) {
          report(thrown);
        }
      });
    };
  for (const name of ["setTimeout", "setInterval", "setImmediate"] as const) {
    const original = globalThis[name] as unknown as Callback;
    const wrapped = (callback: unknown, ...rest: unknown[]) => {
      const context = currentContext();
      return original(typeof callback === "function" && context ? owned(callback as Callback, context) : callback, ...rest);
    };
    const descriptor = Object.getOwnPropertyDescriptor(original, promisify.custom);
    if (descriptor) Object.defineProperty(wrapped, promisify.custom, descriptor);
    Object.defineProperty(wrapped, "name", { value: name });
    (globalThis as unknown as Record<string, unknown>)[name] = wrapped;
  }
}
