import { randomUUID } from "node:crypto";
import { currentFrontend, type Shown } from "./frontend.js";

/** A place in the output that can be filled again. */
export interface DisplayHandle {
  /** Jupyter's display id. */
  readonly id: string;
  /** Replaces what the place shows. */
  update(value: unknown): void;
}

/**
 * Shows a value: through its own `[Symbol.for("Jupyter.display")]()` if it has one (which returns a MIME bundle, or
 * `{ data, metadata }`, or a promise of either), else as the frontend formats it.
 *
 * @param options.metadata output metadata, merged over the value's own (Quarto's keys: `label`, `fig-cap`, ...)
 * @returns the handle of the place, for updates
 */
export function display(value: unknown, options: { metadata?: Record<string, unknown> } = {}): DisplayHandle {
  const id = randomUUID();
  let last: Promise<void> | undefined; // of a value that is still being formatted: later ones must not overtake it

  function show(next: unknown, update: boolean): void {
    const frontend = currentFrontend();
    const send = (shown: Shown) => frontend.display(shown.data, { ...shown.metadata, ...options.metadata }, id, update);
    const shown = frontend.format(next, last);
    if (!(shown instanceof Promise)) {
      send(shown);
      return;
    }
    const sent: Promise<void> = shown
      .then(send)
      .catch((error) => void Promise.reject(error)) // told as any that nobody caught, and later ones are shown all the same
      .finally(() => {
        if (last === sent) last = undefined;
      });
    last = sent;
  }

  show(value, false);
  const handle = { id, update: (next: unknown) => show(next, true) };
  handles.add(handle);
  return handle;
}

const handles = new WeakSet<object>();

/** Whether a value is a handle that `display` has returned: as the last value of a cell it is not shown, since what it stands for is. */
export const isDisplayHandle = (value: unknown): boolean => typeof value === "object" && value !== null && handles.has(value);

/** Removes what the running cell has shown so far; with `wait`, only when the next output arrives, which avoids flicker. */
export function clearOutput(wait = false): void {
  currentFrontend().clearOutput(wait);
}
