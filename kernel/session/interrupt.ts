import type { Resume, Waiting } from "../language/runtime.js";
import { begun, type Context, currentContext, given, owned, resumeContext } from "./context.js";

/** The reader pressed stop. */
export class KeyboardInterrupt extends Error {
  override name = "KeyboardInterrupt";
  constructor() {
    super("the cell was interrupted");
  }
}

/** All that cells wait for, so that an interrupt can end it, and so that what comes after a wait counts as the waiting cell's. */
export class Waits implements Waiting {
  private readonly rejections = new Map<(error: Error) => void, Context | undefined>();

  /**
   * A promise of how `value` settles, which an interrupt rejects. Error stacks stay whole across it: each promise has one reaction.
   * Code of a cell that was given up waits for ever: no loop of it goes on behind a reader's back.
   */
  wait<T>(value: T | PromiseLike<T>): Promise<Resume<T>> | Resume<T> {
    const context = currentContext();
    if (context?.interrupted) return new Promise(() => {});
    if (typeof (value as PromiseLike<T> | undefined)?.then !== "function") return resuming(context, () => value as T);
    return new Promise<Resume<T>>((resolve, reject) => {
      this.rejections.set(reject, context);
      Promise.resolve(value)
        .then(
          (result): Resume<T> => {
            this.rejections.delete(reject);
            return resuming(context, () => result);
          },
          (error): Resume<T> => {
            this.rejections.delete(reject);
            return resuming(context, () => {
              throw error;
            });
          },
        )
        .then(resolve, reject);
    });
  }

  /** The items of `iterable`; an interrupt ends it. The iterator is told to stop when the loop is left early, and waited for. */
  async *iterate<T>(iterable: AsyncIterable<T> | Iterable<T>): AsyncGenerator<Resume<Awaited<T>>> {
    const iterator = (iterable as AsyncIterable<T>)[Symbol.asyncIterator]?.() ?? (iterable as Iterable<T>)[Symbol.iterator]();
    const context = currentContext();
    let left = false; // with an item in hand: the iterator has neither ended nor failed
    let interrupted = false;
    try {
      for (;;) {
        left = false;
        const step = (await this.wait(iterator.next()))();
        if (step.done) return;
        left = true;
        const item = (await this.wait(step.value as Awaited<T>))(); // of a list of promises, a promise
        yield resuming(context, () => item);
      }
    } catch (error) {
      interrupted = error instanceof KeyboardInterrupt;
      throw error;
    } finally {
      if (interrupted) void Promise.resolve(iterator.return?.()).catch(() => {});
      else if (left) (await this.wait(iterator.return?.()))();
    }
  }

  owned<T>(callback: T): T {
    return owned(currentContext(), callback);
  }

  begun<T>(callback: T): T {
    return begun(currentContext(), callback);
  }

  given<T extends (...args: never[]) => unknown>(callback: T): T {
    return given(currentContext(), callback);
  }

  /** Rejects all that a cell waits for, once and for all. */
  interrupt(context: Context, error: KeyboardInterrupt): void {
    context.interrupted = true;
    for (const [reject, owner] of [...this.rejections]) {
      if (owner !== context) continue;
      this.rejections.delete(reject);
      reject(error);
    }
  }
}

/** `then` as what is called behind a wait of `context`. */
function resuming<T>(context: Context | undefined, then: () => T): Resume<T> {
  return () => {
    resumeContext(context);
    return then();
  };
}
