import { EventEmitter } from "node:events";
import { currentContext, owned } from "./context.js";

type Listener = (this: EventEmitter, ...args: unknown[]) => void;
type Add = (this: EventEmitter, event: string | symbol, listener: Listener) => EventEmitter;

/**
 * Makes listeners of Node's event emitters run on behalf of the request that added them. As in Node's own `once`, what is added is a
 * wrapper that names the listener, so `off` and `listeners` know the listener itself.
 */
export function installListeners(): void {
  const prototype = EventEmitter.prototype as unknown as Record<string, Add>;
  const adders = { on: "once", prependListener: "prependOnceListener" } as const;
  for (const [always, once] of Object.entries(adders)) {
    const add = prototype[always]!;
    const addOnce = prototype[once]!;
    prototype[always] = function (event, listener) {
      return add.call(this, event, isOwn(listener) ? named(owned(currentContext(), listener), listener) : listener);
    };
    prototype[once] = function (event, listener) {
      const run = isOwn(listener) ? owned(currentContext(), listener) : listener;
      if (run === listener) return addOnce.call(this, event, listener);
      let fired = false;
      const wrapper: Listener = function (...args) {
        if (fired) return;
        fired = true;
        this.removeListener(event, wrapper);
        run.apply(this, args);
      };
      return add.call(this, event, named(wrapper, listener));
    };
  }
  prototype.addListener = prototype.on!;
}

/** Neither what Node refuses nor one of its own wrappers of a listener. */
function isOwn(listener: unknown): listener is Listener {
  return typeof listener === "function" && !("listener" in listener);
}

function named(wrapper: Listener, listener: Listener): Listener {
  return wrapper === listener ? listener : Object.assign(wrapper, { listener });
}
