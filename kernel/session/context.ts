import type { Header } from "../wire/messages.js";

/** The request on whose behalf something runs: output goes to its sender. */
export interface Context {
  readonly parent: Header;
  /** Broadcast nothing. */
  readonly silent: boolean;
  readonly allowStdin: boolean;
  readonly controller: AbortController;
  /** True once the program has asked for the signal: it may then end by itself when interrupted. */
  signalTaken: boolean;
  /** What must be shown before the request counts as done. */
  readonly pending: Set<Promise<unknown>>;
}

export function createContext(parent: Header, options: { silent?: boolean; allowStdin?: boolean } = {}): Context {
  return {
    parent,
    silent: options.silent ?? false,
    allowStdin: options.allowStdin ?? false,
    controller: new AbortController(),
    signalTaken: false,
    pending: new Set(),
  };
}

const { queueMicrotask } = globalThis; // cells get another, which calls what it is given on behalf of somebody

/** On whose behalf the code runs that is on the stack now. */
let current: Context | undefined;
/** The request that was begun last: what belongs to nobody in particular is counted as its. */
let foreground: Context | undefined;

/** The request that runs now, or the one that ran last. Undefined before the first. */
export function currentContext(): Context | undefined {
  return current;
}

export function enterContext(context: Context): void {
  current = context;
  foreground = context;
}

/** Code of `context` goes on behind an `await`: what it does until it waits again is on behalf of `context`. */
export function resumeContext(context: Context): void {
  if (current === context) return;
  current = context;
  queueMicrotask(() => {
    if (current === context) current = foreground;
  });
}

/** Runs `work` on behalf of `context`; what goes on in the meantime stays as it was. */
export function within<T>(context: Context | undefined, work: () => T): T {
  const before = current;
  current = context ?? before;
  try {
    return work();
  } finally {
    current = before;
  }
}

/** `callback` as one that runs on behalf of `context`, whenever it is called. */
export function owned<T>(context: Context | undefined, callback: T): T {
  if (typeof callback !== "function" || !context) return callback;
  return function (this: unknown, ...args: unknown[]) {
    return within(context, () => callback.apply(this, args));
  } as T;
}
