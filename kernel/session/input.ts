import { currentContext } from "./context.js";
import type { Post } from "./outputs.js";

/** The reader cannot be asked: the frontend said so with `allow_stdin: false`, or it is no cell that asks. */
class StdinNotAllowedError extends Error {
  override name = "StdinNotAllowedError";
}

/** Questions to the reader, one at a time. */
export class Questions {
  private answer: ((value: string | null) => void) | undefined;
  private tail: Promise<unknown> = Promise.resolve();
  private cells = 0; // that are over

  constructor(private readonly post: Post) {}

  ask(prompt: string, password: boolean): Promise<string> {
    const context = currentContext();
    if (!context?.allowStdin) {
      const isCell = context?.parent.msg_type === "execute_request";
      const why = isCell ? "this frontend takes no input (allow_stdin is false)" : "only a cell can ask, and this runs beside cells";
      return Promise.reject(new StdinNotAllowedError(`"${prompt}" cannot be asked: ${why}`));
    }
    const { cells } = this;
    const asked = this.tail.then(
      () =>
        new Promise<string>((resolve, reject) => {
          const refuse = () => reject(new StdinNotAllowedError(`"${prompt}" cannot be asked: its cell is over`));
          if (this.cells !== cells) {
            refuse();
            return;
          }
          this.answer = (value) => (value === null ? refuse() : resolve(value));
          this.post({ type: "input", parent: context.parent, prompt, password });
        }),
    );
    this.tail = asked.catch(() => {});
    return asked;
  }

  receive(value: string | null): void {
    this.answer?.(value);
    this.answer = undefined;
  }

  /** Refuses the open question and those behind it: their cell is over. */
  reset(): void {
    this.cells++;
    this.receive(null);
    this.tail = Promise.resolve();
  }
}
