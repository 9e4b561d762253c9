import { isDisplayHandle } from "../../src/frontend/display.js";
import type { Shown } from "../../src/frontend/frontend.js";
import type { TypeCheck } from "../../src/frontend/type-check.js";
import { job } from "../language/job.js";
import type { LanguageThread } from "../language/language-thread.js";
import type { Runtime } from "../language/runtime.js";
import { State } from "../wire/bridge.js";
import { type Context, enterContext, leaveStopped, resetContext } from "./context.js";
import { describeDiagnostics, describeThrown, type ErrorContent } from "./errors.js";
import { format } from "./format.js";
import { showInherited } from "./inherited.js";
import { KeyboardInterrupt, type Waits } from "./interrupt.js";
import { hintFor } from "./magics.js";
import { warn } from "./outputs.js";
import { runScript } from "./shell.js";
import { markTensorScope } from "./tensor-scope.js";
import { endTraining } from "./training.js";

/** How an execution ended. */
export type Executed = { result?: Shown } | { error: ErrorContent };

/** A program that has taken the cell's signal has this long to end by itself, ms. */
const GRACE = 500;

/** The cell that runs. */
interface Current {
  readonly context: Context;
  /** Ends the execution, whatever the cell does. */
  readonly giveUp: (error: KeyboardInterrupt) => void;
  /** Settles which names the cell has brought into being; `over` unless it may still run. Undefined before it starts and once that is done. */
  settle: ((over: boolean, failed: boolean) => void) | undefined;
  /** When the reader pressed stop. */
  stoppingSince: number | undefined;
  /** It is being given up. */
  abandoned: boolean;
}

/** Runs cells, one at a time, and stops them. */
export class Executor {
  private current: Current | undefined;
  /** How cells are checked from the next one on. */
  typeCheck: TypeCheck = "strict";

  constructor(
    private readonly language: Pick<LanguageThread, "compile" | "commit" | "stop">,
    private readonly runtime: Runtime,
    private readonly waits: Waits,
    private readonly state: Int32Array,
  ) {}

  /**
   * Checks, compiles and runs a cell and formats its value. Never rejects.
   * @param label how a reader knows the cell, `In[3]`
   */
  execute(code: string, label: string, context: Context): Promise<Executed> {
    return this.attempt(context, (current) => this.run(code, label, current, "kept"));
  }

  /** The same for an expression whose names, if any, later cells do not know. */
  evaluate(expression: string, label: string, context: Context): Promise<Executed> {
    return this.attempt(context, (current) => this.run(expression, label, current, "forgotten"));
  }

  /** Runs a script of bash's, which ends with its cell. Never rejects. */
  shell(script: string, context: Context): Promise<Executed> {
    return this.attempt(context, async (current) => {
      await runScript(script, context.controller.signal);
      await this.absorb();
      if (current.stoppingSince !== undefined) throw new KeyboardInterrupt();
      context.over = true;
      return {};
    });
  }

  private async attempt(context: Context, run: (current: Current) => Promise<Executed>): Promise<Executed> {
    const leave = enterContext(context);
    Atomics.store(this.state, State.SignalTaken, 0);
    const rewind = markTensorScope();
    let current: Current | undefined;
    try {
      return await new Promise<Executed>((resolve, giveUp) => {
        current = { context, giveUp, settle: undefined, stoppingSince: undefined, abandoned: false };
        this.current = current;
        run(current).then(resolve, giveUp);
      });
    } catch (thrown) {
      if (current?.stoppingSince !== undefined) {
        rewind();
        endTraining(context);
        return { error: interruptContent };
      }
      return { error: describeThrown(thrown) };
    } finally {
      this.current = undefined;
      leave();
    }
  }

  private async run(code: string, label: string, current: Current, names: "kept" | "forgotten"): Promise<Executed> {
    const compiled = await this.language.compile(code, this.typeCheck);
    if (this.current !== current) return {}; // given up meanwhile
    if ("faults" in compiled) {
      const error = describeDiagnostics(`Cell ${label}`, code, compiled.faults);
      const hint = hintFor(code) ?? compiled.hint;
      return { error: hint === undefined ? error : { ...error, traceback: [...error.traceback, `Hint: ${hint}.`] } };
    }
    if (compiled.warnings.length) warn(describeDiagnostics(`Cell ${label}`, code, compiled.warnings).traceback.join("\n"));
    for (const { label, code, faults } of compiled.files) {
      warn(`The file ${label} has faults:\n${describeDiagnostics(label, code, faults).traceback.join("\n")}`);
    }
    for (const cell of names === "kept" ? compiled.outdated : []) {
      const { traceback } = describeDiagnostics(`Cell ${cell.label}`, cell.code, cell.faults);
      warn(`Cell ${cell.label} no longer fits what this cell declares; run it again, or change it:\n${traceback.join("\n")}`);
    }

    resetContext(); // an earlier cell's callback may have been terminated while this one was compiled
    Atomics.store(this.state, State.UserCode, 1);
    const { context } = current;
    const run = this.runtime.start({ label, source: code, ...compiled });
    current.settle = (over, failed) => {
      current.settle = undefined;
      const bound = run.keep(over, failed);
      if (names === "kept") this.language.commit({ label, code, names: compiled.declares.filter(bound) });
    };
    const { result, error } = await run.outcome;
    current.settle?.(true, error !== undefined);
    const { pending } = context;
    while (pending.size) await Promise.all(pending);
    await new Promise<void>(job); // what the cell's last step set off: displays, unhandled rejections
    const value = result?.value;
    const shown = error || value === undefined || isDisplayHandle(value) ? undefined : await format(value);
    if (this.current !== current) return {}; // given up long ago
    await this.absorb();
    if (current.stoppingSince !== undefined) throw new KeyboardInterrupt();
    context.over = true;
    if (error) throw error.thrown;
    if (context.failure) throw context.failure.thrown;
    return shown ? { result: shown } : {};
  }

  /** Whether a cell is being executed. */
  get running(): boolean {
    return this.current !== undefined;
  }

  /**
   * Stops the running cell: its signal is aborted first; what does not end by itself is given up. Asked again and again until the cell has
   * settled. False when no cell runs.
   */
  interrupt(): boolean {
    const current = this.current;
    if (!current) return false;
    if (current.stoppingSince === undefined) {
      current.stoppingSince = performance.now();
      this.language.stop();
      current.context.controller.abort(new KeyboardInterrupt());
    }
    if (!current.context.signalTaken || performance.now() - current.stoppingSince >= GRACE) void this.abandon(current);
    return true;
  }

  private async abandon(current: Current): Promise<void> {
    if (current.abandoned) return;
    current.abandoned = true;
    await this.absorb();
    if (this.current !== current) return;
    showInherited();
    const error = new KeyboardInterrupt();
    await this.separately(() => this.waits.interrupt(current.context, error)); // runs the cell's own catch and finally
    await this.absorb();
    resetContext();
    if (this.current !== current) return;
    leaveStopped(current.context);
    current.settle?.(false, true);
    current.giveUp(error);
  }

  /** Runs code of a cell beside the one that may be running; goes on when it is over or has been terminated. */
  async beside(work: () => void): Promise<void> {
    await this.separately(work);
    if (!this.running) await this.absorb();
  }

  /** Goes on when whatever ran beside cells is over or has been terminated. */
  async stopBeside(): Promise<void> {
    await this.absorb();
    showInherited();
    resetContext(); // a timer's callback may have been what ran
  }

  /** Runs code of a cell in a job of its own; goes on when it is over or has been terminated. */
  private separately(work: () => void): Promise<void> {
    return new Promise((resolve) => {
      job(() => {
        Atomics.store(this.state, State.UserCode, 1);
        work();
      });
      job(resolve);
    });
  }

  /** Declares that user code is over, and waits until no termination is on its way, with a job that may be its victim. */
  async absorb(): Promise<void> {
    Atomics.store(this.state, State.UserCode, 0);
    const terminating = () => Atomics.load(this.state, State.Terminating) === 1;
    if (!terminating()) return;
    await new Promise<void>((resolve) => {
      const wait = () => {
        if (!terminating()) {
          resolve();
          return;
        }
        job(wait);
        while (terminating());
      };
      job(wait);
    });
  }
}

const interruptContent: ErrorContent = {
  ename: "KeyboardInterrupt",
  evalue: "the cell was interrupted",
  traceback: ["KeyboardInterrupt: the cell was interrupted"],
};
