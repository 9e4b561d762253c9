import { type Context, createContext, currentContext, isLate, within } from "./context.js";
import { describeThrown } from "./errors.js";
import { KeyboardInterrupt } from "./interrupt.js";

/** Errors outside of any cell's await: each is told in the cell that it comes from, and the session goes on. */
export class LateErrors {
  private readonly cells = new Map<string, Context>(); // the last of each label

  /** @param warn prints on behalf of the current context */
  constructor(private readonly warn: (text: string) => void) {}

  /** From now on tracebacks that name `label` mean this cell. */
  begin(label: string, context: Context): void {
    this.cells.set(label, createContext(context.parent, context)); // its own holds what its signal's listeners hold
  }

  readonly report = (thrown: unknown): void => {
    if (thrown instanceof KeyboardInterrupt) return;
    const traceback = describeThrown(thrown).traceback.join("\n");
    const cell = /.*(In\[\d+\])/s.exec(traceback)?.[1]; // the outermost frame's
    within(isLate() ? currentContext() : this.cells.get(cell ?? ""), () => this.warn(`Uncaught (in the background)\n${traceback}`));
  };
}
