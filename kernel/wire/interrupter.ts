import inspector from "node:inspector";
import { State, type ToMain } from "./bridge.js";

/** A training loop that takes the cell's signal has this long to end by itself, ms. */
const FIRST_WAIT = 500;
const TICK = 60;

/**
 * Stops whatever the main thread does, from another thread. The main thread is asked first; while it answers, it stops its cell itself.
 * Where it does not answer, because user code never returns to the event loop, its execution is terminated, again and again until it does:
 * each termination unwinds one job of the event loop, and no `catch` or `finally` sees it.
 */
export class Interrupter {
  private timer: NodeJS.Timeout | undefined;
  private session: inspector.Session | undefined;
  private answered = true;
  private waited = 0;

  constructor(
    private readonly state: Int32Array,
    private readonly post: (message: ToMain) => void,
  ) {}

  /** @param patience ms that a main thread which does not answer is left alone */
  interrupt(patience = FIRST_WAIT): void {
    Atomics.store(this.state, State.Interrupt, 1);
    this.ask();
    this.waited = FIRST_WAIT - patience;
    this.timer ??= setInterval(() => this.tick(), TICK);
  }

  pong(): void {
    this.answered = true;
  }

  settled(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.session?.disconnect();
    this.session = undefined;
  }

  private ask(): void {
    this.answered = false;
    this.post({ type: "interrupt" });
  }

  private tick(): void {
    this.waited += TICK;
    if (this.answered) this.ask();
    else if (this.waited >= FIRST_WAIT && Atomics.load(this.state, State.UserCode) === 1) this.terminate();
  }

  private terminate(): void {
    if (!this.session) {
      this.session = new inspector.Session();
      this.session.connectToMainThread();
    }
    this.session.post("Runtime.terminateExecution");
  }
}
