import { currentContext, isLate, within } from "./context.js";

/**
 * Makes the `unhandledRejection` event run on behalf of the request whose code rejected the promise. Node tells of it when that code is
 * over; but when a promise is rejected it asks for `process.domain`, and hands the rejection to the domain that it was given. What the
 * last request rejects needs none, and packages that ask see the domain that they have set.
 */
export function installRejections(): void {
  let domain: unknown;
  function get() {
    const context = currentContext();
    if (!isLate() || !askedByNode(get)) return domain;
    return { emit: (_: "error", reason: unknown) => within(context, () => emitRejection(reason)) };
  }
  Object.defineProperty(process, "domain", {
    configurable: true,
    get,
    set(value) {
      domain = value;
    },
  });
}

/** Whether the part of Node that keeps account of rejected promises called `getter`. */
function askedByNode(getter: () => unknown): boolean {
  const caller: { stack?: unknown } = {};
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 1;
  Error.captureStackTrace(caller, getter);
  Error.stackTraceLimit = stackTraceLimit;
  return String(caller.stack).includes("node:internal/process/promises");
}

/** A domain is not told of the promise: the event has another one, which is rejected with the same reason. */
function emitRejection(reason: unknown): boolean {
  const promise = Promise.reject(reason);
  promise.catch(() => {});
  return process.emit("unhandledRejection", reason, promise);
}
