import { createState, State } from "../wire/bridge.js";
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
  /** The reader has stopped it, and what it waited for has been rejected. */
  interrupted: boolean;
  /** What was thrown where something was to be shown. */
  failure: { thrown: unknown } | undefined;
  /** It has been answered: what fails from now on is told beside it. */
  over: boolean;
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
    interrupted: false,
    failure: undefined,
    over: false,
    pending: new Set(),
  };
}

const { queueMicrotask } = globalThis; // cells get another, which calls what it is given on behalf of somebody
const nextTick = process.nextTick.bind(process);

/** On whose behalf the code runs that is on the stack now. */
let current: Context | undefined;
/** The request that was begun last: what belongs to nobody in particular is counted as its. */
let foreground: Context | undefined;
/** The request whose timer has just run: what goes on until something else does is of its loops, those in packages too. */
let timed: Context | undefined;
/** How often `timed`, which was stopped, has asked for something since its timer has run. */
let asked = 0;
let shared: Int32Array = createState();
/** What code of a request has thrown out of its job, until somebody asks. */
let escaped: { thrown: unknown; context: Context | undefined } | undefined;

/** Says where `State.UserCode` is kept: code of cells may be terminated, the kernel's own may not. */
export function shareState(state: Int32Array): void {
  shared = state;
}

/** On whose behalf the code on the stack runs; between requests, the one that was begun last. Undefined before the first. */
export function currentContext(): Context | undefined {
  return current;
}

/** Whether it is known that the code on the stack runs on behalf of an earlier request than the last. */
export function isLate(): boolean {
  return current !== foreground;
}

/** Begins a request. The function returned ends a silent one: what comes late is then the earlier one's again. */
export function enterContext(context: Context): () => void {
  const before = foreground;
  current = context;
  foreground = context;
  timed = undefined;
  return () => {
    if (!context.silent || !before) return;
    foreground = before;
    current = before;
  };
}

/**
 * A request was stopped and given up: what belongs to nobody in particular, such as a loop in a package that an earlier cell has left behind, is no part of it. Until the
 * next request it is shown where that one's was.
 */
export function leaveStopped(context: Context): void {
  if (foreground !== context) return;
  foreground = { ...createContext(context.parent, context), over: true };
  resetContext();
}

/**
 * Runs `callback`, of a timer of `context`. What awaits the timer goes on behind it, and is counted as code of `context`, too; where `context` was stopped, another
 * press of stop may terminate it.
 */
export function runTimer(context: Context, callback: () => void): void {
  asked = 0;
  within(context, () => {
    timed = context;
    callback();
  });
  current = context;
  timed = context;
  const idle = context.interrupted && Atomics.exchange(shared, State.UserCode, 1) === 0;
  // the tick comes when all reactions have run, also those of reactions, and before any other event
  queueMicrotask(() =>
    nextTick(() => {
      if (idle) Atomics.store(shared, State.UserCode, 0);
      if (timed !== context) return;
      timed = undefined;
      if (current === context) current = foreground;
    }),
  );
}

/** Notes that what runs asks for something. The count of that since the last timer, if it belongs to a loop of a request that was stopped, else 0. */
export function askInVain(): number {
  const ending = timed !== undefined && timed === current && timed.interrupted;
  return ending ? ++asked : 0;
}

/** Forgets on whose behalf terminated code ran, which could not do so itself. */
export function resetContext(): void {
  current = foreground;
  timed = undefined;
}

/** Code of `context` goes on behind an `await`: what it does until it waits again is on behalf of `context`. */
export function resumeContext(context: Context | undefined): void {
  const idle = Atomics.exchange(shared, State.UserCode, 1) === 0;
  const other = context !== undefined && current !== context;
  if (other) current = context;
  if (!idle && !other) return;
  queueMicrotask(() => {
    if (other && current === context) current = timed ?? foreground;
    if (idle) Atomics.store(shared, State.UserCode, 0);
  });
}

/** Runs `work`, code of a cell, on behalf of `context`; what goes on in the meantime stays as it was. */
export function within<T>(context: Context | undefined, work: () => T): T {
  const before = current;
  const earlier = escaped;
  const running = Atomics.exchange(shared, State.UserCode, 1);
  const loop = timed;
  current = context ?? before;
  timed = undefined;
  try {
    return work();
  } catch (thrown) {
    if (escaped === earlier || !Object.is(escaped?.thrown, thrown)) escaped = { thrown, context: current }; // the innermost counts
    throw thrown;
  } finally {
    current = before;
    timed = loop;
    Atomics.store(shared, State.UserCode, running);
  }
}

/** On whose behalf the code ran that has thrown this, as far as it is known. */
export function throwerOf(thrown: unknown): Context | undefined {
  const context = escaped && Object.is(escaped.thrown, thrown) ? escaped.context : undefined;
  escaped = undefined;
  return context;
}

/** `callback` as one that runs on behalf of `context`, whenever it is called. */
export function owned<T>(context: Context | undefined, callback: T): T {
  if (typeof callback !== "function" || !context) return callback;
  return function (this: unknown, ...args: unknown[]) {
    return within(context, () => callback.apply(this, args));
  } as T;
}

/** The same for a promise's reaction: that its promise is rejected with what it throws is still on behalf of `context`. */
export function begun<T>(context: Context | undefined, callback: T): T {
  const run = owned(context, callback);
  if (run === callback) return callback;
  return function (this: unknown, ...args: unknown[]) {
    try {
      return (run as (...args: unknown[]) => unknown).apply(this, args);
    } catch (thrown) {
      current = context;
      queueMicrotask(() => {
        if (current === context) current = timed ?? foreground;
      });
      throw thrown;
    }
  } as T;
}

/** `owned` for a function that Node is given: it keeps its name and its number of parameters, which `node:test` asks for. */
export function given<T extends (...args: never[]) => unknown>(context: Context | undefined, callback: T): T {
  const run = owned(context, callback);
  if (run === callback) return callback;
  const { name, length } = callback;
  return Object.defineProperties(run, { name: { value: name, configurable: true }, length: { value: length, configurable: true } });
}
