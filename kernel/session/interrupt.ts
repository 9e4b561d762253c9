import { type Settled, unwrap, type Waiting } from "../language/runtime.js";

/** The reader pressed stop. */
export class KeyboardInterrupt extends Error {
  override name = "KeyboardInterrupt";
  constructor() {
    super("the cell was interrupted");
  }
}

/** Everything that cells wait for, so that an interrupt can end it: no cell's loop goes on behind a reader's back. */
export class Waits implements Waiting {
  private readonly rejections = new Set<(error: Error) => void>();

  /** A promise of how `value` settles, which an interrupt rejects. Error stacks stay whole across it: each promise has one reaction. */
  wait<T>(value: T | PromiseLike<T>): Promise<Settled<T>> | Settled<T> {
    if (typeof (value as PromiseLike<T> | undefined)?.then !== "function") return { value: value as T };
    return new Promise<Settled<T>>((resolve, reject) => {
      this.rejections.add(reject);
      Promise.resolve(value)
        .then(
          (result): Settled<T> => {
            this.rejections.delete(reject);
            return { value: result };
          },
          (error): Settled<T> => {
            this.rejections.delete(reject);
            return { error };
          },
        )
        .then(resolve, reject);
    });
  }

  /** `for await` over `iterable`, which an interrupt ends; the iterator is told to stop. */
  async *iterate<T>(iterable: AsyncIterable<T> | Iterable<T>): AsyncGenerator<Awaited<T>> {
    const iterator = (iterable as AsyncIterable<T>)[Symbol.asyncIterator]?.() ?? (iterable as Iterable<T>)[Symbol.iterator]();
    let finished = false;
    try {
      for (;;) {
        const step = unwrap(await this.wait(iterator.next()));
        finished = step.done ?? false;
        if (finished) return;
        yield await step.value;
      }
    } catch (error) {
      finished = !(error instanceof KeyboardInterrupt);
      throw error;
    } finally {
      if (!finished) void Promise.resolve(iterator.return?.()).catch(() => {});
    }
  }

  /** Rejects all that is waited for. */
  interrupt(error: KeyboardInterrupt): void {
    const all = [...this.rejections];
    this.rejections.clear();
    for (const reject of all) reject(error);
  }
}
