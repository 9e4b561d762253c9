import { currentContext, within } from "./context.js";

/**
 * Makes the `unhandledRejection` event run on behalf of the request whose code rejected the promise. Node tells of it when that code is
 * over; but when a promise is rejected it asks for `process.domain`, and hands the rejection to the domain that it was given.
 */
export function installRejections(): void {
  Object.defineProperty(process, "domain", {
    configurable: true,
    get() {
      const context = currentContext();
      return context && { emit: (_: "error", reason: unknown) => within(context, () => emitRejection(reason)) };
    },
  });
}

/** A domain is not told of the promise: the event has another one, which is rejected with the same reason. */
function emitRejection(reason: unknown): boolean {
  const promise = Promise.reject(reason);
  promise.catch(() => {});
  return process.emit("unhandledRejection", reason, promise);
}
