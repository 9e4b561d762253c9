import { currentContext } from "./context.js";
import type { Post } from "./outputs.js";

/** The reader cannot be asked: the frontend said so with `allow_stdin: false`. */
export class StdinNotAllowedError extends Error {
  override name = "StdinNotAllowedError";
}

/** Questions to the reader, one at a time. */
export class Questions {
  private answer: ((value: string) => void) | undefined;
  private tail: Promise<unknown> = Promise.resolve();

  constructor(private readonly post: Post) {}

  ask(prompt: string, password: boolean): Promise<string> {
    const context = currentContext();
    if (!context?.allowStdin) {
      return Promise.reject(new StdinNotAllowedError(`"${prompt}" cannot be asked: this frontend takes no input (allow_stdin is false)`));
    }
    const asked = this.tail.then(
      () =>
        new Promise<string>((resolve) => {
          this.answer = resolve;
          this.post({ type: "input", parent: context.parent, prompt, password });
        }),
    );
    this.tail = asked;
    return asked;
  }

  receive(value: string): void {
    this.answer?.(value);
    this.answer = undefined;
  }

  /** Forgets the open question: its cell is over. */
  reset(): void {
    this.answer = undefined;
    this.tail = Promise.resolve();
  }
}
