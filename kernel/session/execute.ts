import ts from "typescript";
import type { Shown } from "../../src/frontend/frontend.js";
import type { Language } from "../language/language.js";
import type { Run, Runtime } from "../language/runtime.js";
import { State } from "../wire/bridge.js";
import { type Context, enterContext } from "./context.js";
import { describeDiagnostics, describeThrown, type ErrorContent } from "./errors.js";
import { format } from "./format.js";
import { KeyboardInterrupt, type Waits } from "./interrupt.js";
import { markTensorScope } from "./tensor-scope.js";

/** How an execution ended. */
export type Executed = { result?: Shown } | { error: ErrorContent };

/** A program that has taken the cell's signal has this long to end by itself, ms. */
const GRACE = 500;

/** Runs cells, one at a time, and stops them. */
export class Executor {
  private stop: ((error: KeyboardInterrupt) => void) | undefined;
  private context: Context | undefined;
  private stopping = false;

  constructor(
    private readonly language: Language,
    private readonly runtime: Runtime,
    private readonly waits: Waits,
    private readonly state: Int32Array,
  ) {}

  /**
   * Checks, compiles and runs a cell and formats its value. Never rejects.
   * @param label how a reader knows the cell, `In[3]`
   * @param keep whether its names stay for later cells
   */
  async execute(code: string, label: string, context: Context, keep = true): Promise<Executed> {
    enterContext(context);
    this.context = context;
    this.stopping = false;
    const interrupted = new Promise<never>((_, reject) => {
      this.stop = reject;
    });
    interrupted.catch(() => {});
    const rewind = markTensorScope();
    try {
      return await Promise.race([this.run(code, label, context, keep), interrupted]);
    } catch (thrown) {
      if (thrown instanceof KeyboardInterrupt || thrown instanceof ts.OperationCanceledException) {
        rewind();
        return { error: interruptContent };
      }
      return { error: describeThrown(thrown) };
    } finally {
      Atomics.store(this.state, State.UserCode, 0);
      this.stop = undefined;
    }
  }

  private async run(code: string, label: string, context: Context, keep: boolean): Promise<Executed> {
    const compiled = this.language.compile(code, this.runtime.shadows);
    if ("diagnostics" in compiled) return { error: describeDiagnostics(label, code, compiled.diagnostics) };

    Atomics.store(this.state, State.UserCode, 1);
    const run = this.runtime.start({ label, source: code, ...compiled });
    const finished = () => {
      const bound = run.keep();
      if (keep) compiled.commit(bound);
    };
    this.running = { run, finished };
    const { result, error } = await run.outcome;
    this.running = undefined;
    finished();
    while (context.pending.size) await Promise.all(context.pending);
    await new Promise((resolve) => setImmediate(resolve)); // what the cell's last step set off: displays, unhandled rejections
    if (this.stopping) throw new KeyboardInterrupt();
    if (error) throw error.thrown;
    return result && result.value !== undefined ? { result: await format(result.value) } : {};
  }

  private running: { run: Run; finished: () => void } | undefined;

  /** Stops the running cell: its signal is aborted first; what does not end by itself is given up. False when no cell runs. */
  interrupt(): boolean {
    if (!this.stop || !this.context) return false;
    if (this.stopping) return true;
    this.stopping = true;
    this.context.controller.abort(new KeyboardInterrupt());
    const stop = this.stop;
    const giveUp = () => {
      if (this.stop !== stop) return;
      const error = new KeyboardInterrupt();
      this.waits.interrupt(error);
      this.running?.finished();
      this.running = undefined;
      stop(error);
    };
    if (this.context.signalTaken) setTimeout(giveUp, GRACE);
    else giveUp();
    return true;
  }
}

const interruptContent: ErrorContent = {
  ename: "KeyboardInterrupt",
  evalue: "the cell was interrupted",
  traceback: ["KeyboardInterrupt: the cell was interrupted"],
};
