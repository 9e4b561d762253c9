import { currentFrontend } from "./frontend.js";

/**
 * Asks the reader for a line of text.
 *
 * @param question shown before the field
 * @param options.password hides what is typed
 * @throws an Error that says so where nobody can be asked (a notebook that is run by a program, input that is no terminal)
 */
export function ask(question = "", options: { password?: boolean } = {}): Promise<string> {
  return currentFrontend().input(question, options.password ?? false);
}

/** Aborted when the reader interrupts the running cell. A loop that takes it is given half a second to end well by itself. */
export function interruptSignal(): AbortSignal {
  return currentFrontend().signal();
}
