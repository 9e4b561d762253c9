import type { Message } from "./messages.js";

/** A request that a client has sent. */
export interface Job {
  readonly id: number;
  readonly channel: "shell" | "control";
  readonly message: Message;
}

/** What is to be done with a request now. */
export interface Step {
  /**
   * - `busy`, `idle`: tell all clients that its handling begins, has ended
   * - `answer`: reply without the main thread, where the protocol has a reply
   * - `forward`: hand it to the main thread, whose reply goes to `finished`
   * - `reply`: send what the main thread has replied
   * - `abort`: reply that it was not run
   * - `remind`: call `overdue` with it when `SHUTDOWN_WAIT` is over
   */
  readonly do: "busy" | "idle" | "answer" | "forward" | "reply" | "abort" | "remind";
  readonly job: Job;
}

/** How long a shutdown on shell waits for what was sent before it, ms. */
export const SHUTDOWN_WAIT = 500;

/** Requests that only the main thread can answer. */
const FOR_MAIN = new Set([
  "execute_request",
  "complete_request",
  "inspect_request",
  "is_complete_request",
  "history_request",
  "comm_info_request",
  "comm_open",
  "comm_msg",
  "comm_close",
]);

const typeOf = (job: Job) => job.message.header.msg_type;

/**
 * Decides which request is handled when. Requests on shell are handled one after the other in the order in which they came; those on
 * control, and those on shell that stop something, at once. Each method returns the steps to take, in order; nothing is done here.
 */
export class RequestQueue {
  private readonly waiting: Job[] = [];
  private readonly bypassing = new Map<number, Job>();
  private current: Job | undefined;
  private nextId = 0;

  /** The request in its turn that the main thread has: what an interrupt stops, and what may ask the reader. */
  get running(): Job | undefined {
    return this.current;
  }

  /** A request has come. */
  arrived(channel: Job["channel"], message: Message): Step[] {
    const job: Job = { id: this.nextId++, channel, message };
    // VS Code asks for interrupts on shell: what stops a cell cannot wait for it.
    if (channel === "control" || typeOf(job) === "interrupt_request") return answered(job);
    // A message on a comm that is open reaches a cell that awaits it; everything else keeps its turn.
    if (this.current && this.waiting.length === 0 && /^comm_(msg|close)$/.test(typeOf(job))) {
      this.bypassing.set(job.id, job);
      return [step("busy", job), step("forward", job)];
    }
    this.waiting.push(job);
    const steps = this.next();
    if (typeOf(job) === "shutdown_request" && this.waiting.includes(job)) steps.push(step("remind", job));
    return steps;
  }

  /** A request has waited long enough: if it still does, it is answered out of its turn. */
  overdue(job: Job): Step[] {
    const at = this.waiting.indexOf(job);
    if (at < 0) return [];
    this.waiting.splice(at, 1);
    return answered(job);
  }

  /**
   * The main thread has replied to a request that was forwarded. Call it when all that clients have sent so far has arrived: a failure
   * aborts the execute requests among it.
   * @param outcome failed: the request was a cell that stops those behind it
   */
  finished(id: number, { failed }: { failed: boolean }): Step[] {
    const job = this.bypassing.get(id) ?? (this.current?.id === id ? this.current : undefined);
    if (!job) return [];
    const steps = [step("reply", job), step("idle", job)];
    if (this.bypassing.delete(id)) return steps;
    this.current = undefined;
    const aborted = failed ? this.takeExecutions() : [];
    return [...steps, ...aborted.flatMap((other) => [step("busy", other), step("abort", other), step("idle", other)]), ...this.next()];
  }

  /** Takes the execute requests out of those that wait. */
  private takeExecutions(): Job[] {
    const taken = this.waiting.filter((job) => typeOf(job) === "execute_request");
    const left = this.waiting.filter((job) => !taken.includes(job));
    this.waiting.splice(0, this.waiting.length, ...left);
    return taken;
  }

  /** Goes on with those that wait, up to the first that the main thread must answer. */
  private next(): Step[] {
    const steps: Step[] = [];
    while (!this.current) {
      const job = this.waiting.shift();
      if (!job) break;
      if (FOR_MAIN.has(typeOf(job))) {
        this.current = job;
        steps.push(step("busy", job), step("forward", job));
      } else steps.push(...answered(job));
    }
    return steps;
  }
}

const step = (what: Step["do"], job: Job): Step => ({ do: what, job });
const answered = (job: Job): Step[] => [step("busy", job), step("answer", job), step("idle", job)];
