import inspector from "node:inspector";
import { Refusal } from "./protocol.js";

/** A main thread that answers no later than this is in a call that blocks it, ms. */
const PATIENCE = 10_000;
/** Answers come late to a thread whose loop does not turn, ms. */
const TURN = 50;

/** V8's inspector of the main thread, from another thread: it answers whatever JavaScript runs there. */
export class MainInspector {
  private readonly session = new inspector.Session();
  private readonly pending = new Set<(error: Error) => void>();
  private turning: NodeJS.Timeout | undefined;
  private open = true;

  /** @param onEvent is told what the main thread's debugger does */
  constructor(onEvent: (method: string, params: unknown) => void) {
    this.session.connectToMainThread();
    this.session.on("inspectorNotification", ({ method, params }: { method: string; params?: unknown }) => onEvent(method, params));
  }

  /**
   * Asks the inspector.
   * @throws Refusal what it answers, or that there is no answer
   */
  post<T = unknown>(method: string, params: object = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (!this.open) {
        reject(new Refusal("the kernel is about to end"));
        return;
      }
      const late = () =>
        over(new Refusal("the main thread has not answered within 10 s: it is in a call that blocks it; try again when that is over"));
      const timer = setTimeout(late, PATIENCE);
      const over = (error: Error | null, result?: unknown) => {
        clearTimeout(timer);
        this.pending.delete(over);
        if (this.pending.size === 0) {
          clearInterval(this.turning);
          this.turning = undefined;
        }
        if (error) reject(error);
        else resolve(result as T);
      };
      this.pending.add(over);
      this.turning ??= setInterval(() => {}, TURN);
      this.session.post(method, params, (error, result) => over(error && new Refusal(error.message), result));
    });
  }

  /** Ends the connection: Node waits at its exit for one that is open. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.session.disconnect();
    for (const end of [...this.pending]) end(new Refusal("the kernel is about to end"));
  }
}
