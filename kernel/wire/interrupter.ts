import inspector from "node:inspector";
import { State, type ToMain } from "./bridge.js";
import { signalChildren } from "./process-tree.js";

const TICK = 30;
/**
 * How long a main thread that does not answer is left alone, ms: TensorFlow.js's `fit` comes back to the event loop every 125 ms, where it ends in order; terminated, its `finally`
 * frees no tensors. A program that has taken its cell's signal may end by itself.
 */
const PATIENCE = 300;
const PATIENCE_WITH_SIGNAL = 500;
const MAX_PATIENCE = 1000;
/** A termination that takes longer waits for a blocking call, which may be waiting for a process, ms. */
const BLOCKED = 500;

/**
 * Stops whatever the main thread does, from another thread. The main thread is asked first, again and again; while it answers, it stops its
 * cell itself. Where it does not answer, because user code never returns to the event loop, its execution is terminated: that unwinds one
 * job of the event loop, and no `catch` or `finally` sees it.
 *
 * A termination takes effect a little after it was sent. `State.Terminating` covers that time: the main thread lets nothing of its own run
 * while it is set, and this side sends none once `State.UserCode` is 0, or `State.Interrupt`: what was to be stopped is over then.
 *
 * `execSync` and the like see no termination: the processes that they wait for get the signal that a terminal would send.
 */
export class Interrupter {
  private timer: NodeJS.Timeout | undefined;
  private session: inspector.Session | undefined;
  private question: ToMain = { type: "interrupt", id: undefined };
  private answered = true;
  private askedAt = 0;
  private patience = 0;
  private wanted = false;
  private terminatingSince = 0;
  private readonly beside = new Set<number>();

  constructor(
    private readonly state: Int32Array,
    private readonly post: (message: ToMain) => void,
  ) {}

  /** @param question what the main thread is asked: to stop its cell, or to end the process */
  interrupt(question: ToMain): void {
    this.question = question;
    this.wanted = true;
    Atomics.store(this.state, State.Interrupt, 1);
    this.patience = question.type === "interrupt" && Atomics.load(this.state, State.SignalTaken) === 1 ? PATIENCE_WITH_SIGNAL : PATIENCE;
    this.ask();
    this.timer ??= setInterval(() => this.tick(), TICK);
  }

  /** The main thread stands still in a cell that is to be stopped: it is terminated as soon as it goes on, unless the cell may end by itself. */
  stopStanding(): void {
    if (this.wanted && Atomics.load(this.state, State.SignalTaken) === 0) this.terminate();
  }

  /** The main thread has answered. */
  pong(): void {
    this.answered = true;
  }

  /** A process runs beside the main thread, which does not wait for it; or it has ended. */
  child(pid: number, ended: boolean): void {
    if (ended) this.beside.delete(pid);
    else this.beside.add(pid);
  }

  /** The main thread runs no cell any more. */
  settled(): void {
    this.wanted = false;
    clearInterval(this.timer);
    this.timer = undefined;
    this.disconnect();
  }

  private ask(): void {
    this.answered = false;
    this.askedAt = performance.now();
    this.post(this.question);
  }

  private tick(): void {
    if (Atomics.load(this.state, State.Terminating) === 1) this.unblock();
    else if (this.answered) this.ask();
    else if (performance.now() - this.askedAt >= this.patience) this.terminate();
  }

  /** Ends what a blocking call waits for, again and again. */
  private unblock(): void {
    if (performance.now() - this.terminatingSince < BLOCKED) return;
    this.terminatingSince = performance.now();
    signalChildren(process.pid, this.question.type === "shutdown" ? "SIGKILL" : "SIGINT", this.beside);
  }

  private terminate(): void {
    Atomics.store(this.state, State.Terminating, 1);
    this.terminatingSince = performance.now();
    if (Atomics.load(this.state, State.UserCode) === 0 || Atomics.load(this.state, State.Interrupt) === 0) {
      Atomics.store(this.state, State.Terminating, 0);
      return;
    }
    this.patience = Math.min(MAX_PATIENCE, 2 * this.patience);
    if (!this.session) {
      this.session = new inspector.Session();
      this.session.connectToMainThread();
    }
    this.session.post("Runtime.terminateExecution", () => {
      Atomics.store(this.state, State.Terminating, 0);
      if (this.wanted)
        this.ask(); // an earlier question may have been lost in the job that was terminated
      else this.disconnect();
    });
  }

  /** Node waits at its exit for sessions that are open. */
  private disconnect(): void {
    if (Atomics.load(this.state, State.Terminating) === 1) return;
    this.session?.disconnect();
    this.session = undefined;
  }
}
