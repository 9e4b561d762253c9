import { askInVain } from "./context.js";
import { KeyboardInterrupt } from "./interrupt.js";

/** So many errors in a row end a loop and all that encloses it, each with its `finally`. */
const ERRORS = 10;

/**
 * Whether what runs asks for something on behalf of a request that was stopped, which is to be given nothing that ever happens. A loop that catches every error and asks again would hold the
 * thread for ever: it is to wait for ever.
 * @throws KeyboardInterrupt the first times, so that `finally` runs
 */
export function isRefused(): boolean {
  const times = askInVain();
  if (times > 0 && times <= ERRORS) throw new KeyboardInterrupt();
  return times > 0;
}

/** The same for what promises something. Undefined where nothing is refused. */
export function refusal(): Promise<never> | undefined {
  try {
    return isRefused() ? new Promise(() => {}) : undefined;
  } catch (error) {
    return Promise.reject(error);
  }
}
