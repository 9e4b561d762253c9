import { State } from "./bridge.js";

/** Texts that may lie between the threads. */
const MOST = 1000;

/**
 * Call before a text is sent to the protocol's thread. A program that prints faster than its texts are taken waits: else they would pile up in memory, and an interrupt
 * behind them.
 */
export function makeRoom(state: Int32Array): void {
  if (Atomics.add(state, State.Printed, 1) < MOST) return;
  const since = performance.now();
  for (let left = MOST; left > MOST / 2 && performance.now() - since < 1000; left = Atomics.load(state, State.Printed))
    Atomics.wait(state, State.Printed, left, 50);
}

/** The protocol's thread has taken a text. */
export function taken(state: Int32Array): void {
  if (Atomics.sub(state, State.Printed, 1) === MOST / 2) Atomics.notify(state, State.Printed);
}
