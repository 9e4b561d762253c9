import type { Message } from "./messages.js";

/** A request that a client has sent. */
export interface Job {
  readonly id: number;
  readonly channel: "shell" | "control";
  readonly message: Message;
  /** The kernel's own: no failure before it aborts it. */
  readonly own?: true;
}

/** What is to be done with a request now. */
export interface Step {
  /**
   * - `busy`, `idle`: tell all clients that its handling begins, has ended
   * - `resume`: tell them again that it goes on, since they show the status that they heard last
   * - `answer`: reply without the main thread, where the protocol has a reply
   * - `forward`: hand it to the main thread, whose reply goes to `finished`
   * - `ask`: hand it to the language's thread, whose reply goes to `finished`
   * - `reply`: send what that thread has replied
   * - `prepare`: let the language's thread look at it: it comes next, behind a cell that takes its time
   * - `abort`: reply that it was not run
   * - `remind`: call `overdue` with it when its `patience` is over
   */
  readonly do: "busy" | "idle" | "resume" | "answer" | "forward" | "ask" | "reply" | "prepare" | "abort" | "remind";
  readonly job: Job;
  /** With `ask` and `prepare`: the cells before it that are not over, in their order. */
  readonly before?: readonly Job[];
}

/** Questions about code: they keep their turn behind a cell that ends soon, and pass one that does not. */
const FOR_LANGUAGE = new Set(["complete_request", "inspect_request", "is_complete_request"]);

/** How long a request on shell waits for what was sent before it until `overdue` is asked, ms. Undefined: until its turn comes. */
export function patience({ message: { header } }: Job): number | undefined {
  if (header.msg_type === "shutdown_request") return 500;
  return FOR_LANGUAGE.has(header.msg_type) || header.msg_type === "execute_request" ? 50 : undefined;
}

/** Requests that only the main thread can answer. */
const FOR_MAIN = new Set(["execute_request", "history_request", "comm_info_request", "comm_open", "comm_msg", "comm_close"]);

const typeOf = (job: Job) => job.message.header.msg_type;
const isOfSameComm = (a: Job, b: Job) =>
  /^comm_(open|msg|close)$/.test(typeOf(b)) && a.message.content.comm_id === b.message.content.comm_id;
const isCell = (job: Job) => typeOf(job) === "execute_request";

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
    if (channel === "control" || typeOf(job) === "interrupt_request") return [...answered(job), ...this.resumed()];
    // A message on a comm that is open reaches a cell that awaits it; everything else keeps its turn, also what is sent on one comm.
    if (this.current && /^comm_(msg|close)$/.test(typeOf(job)) && !this.waiting.some((other) => isOfSameComm(job, other))) {
      this.bypassing.set(job.id, job);
      return [step("busy", job), step("forward", job)];
    }
    this.waiting.push(job);
    const steps = this.next();
    const isReminded = isCell(job) ? this.nextCell === job : patience(job) !== undefined && this.waiting.includes(job);
    return isReminded ? [...steps, step("remind", job)] : steps;
  }

  /** The kernel has a cell to run behind those that wait. */
  ownCell(message: Message): Step[] {
    this.waiting.push({ id: this.nextId++, channel: "shell", message, own: true });
    return this.next();
  }

  /** A request has waited long enough: if it still does, it is answered out of its turn; a cell is prepared for it. */
  overdue(job: Job): Step[] {
    const at = this.waiting.indexOf(job);
    if (at < 0) return [];
    const before = [...(this.current ? [this.current] : []), ...this.waiting.slice(0, at)].filter(isCell);
    if (isCell(job)) return this.nextCell === job ? [{ do: "prepare", job, before }] : [];
    this.waiting.splice(at, 1);
    return FOR_LANGUAGE.has(typeOf(job)) ? this.ask(job, before) : answered(job);
  }

  /**
   * A thread has replied to a request that it was handed. Call it when all that clients have sent so far has arrived: a failure
   * aborts the execute requests among it.
   * @param outcome failed: the request was a cell that stops those behind it
   */
  finished(id: number, { failed }: { failed: boolean }): Step[] {
    const job = this.bypassing.get(id) ?? (this.current?.id === id ? this.current : undefined);
    if (!job) return [];
    const steps = [step("reply", job), step("idle", job)];
    if (this.bypassing.delete(id)) return [...steps, ...this.resumed()];
    this.current = undefined;
    const aborted = failed ? this.takeExecutions() : [];
    return [...steps, ...aborted.flatMap((other) => [step("busy", other), step("abort", other), step("idle", other)]), ...this.next()];
  }

  /** Takes clients' execute requests out of those that wait. */
  private takeExecutions(): Job[] {
    const taken = this.waiting.filter((job) => isCell(job) && !job.own);
    const left = this.waiting.filter((job) => !taken.includes(job));
    this.waiting.splice(0, this.waiting.length, ...left);
    return taken;
  }

  /** Goes on with those that wait, up to the first that is the main thread's. */
  private next(): Step[] {
    const steps: Step[] = [];
    while (!this.current) {
      const job = this.waiting.shift();
      if (!job) break;
      if (FOR_MAIN.has(typeOf(job))) {
        this.current = job;
        steps.push(step("busy", job), step("forward", job));
        if (this.nextCell) steps.push(step("remind", this.nextCell));
      } else steps.push(...(FOR_LANGUAGE.has(typeOf(job)) ? this.ask(job, []) : answered(job)));
    }
    return steps;
  }

  /** The cell that comes behind one that runs. */
  private get nextCell(): Job | undefined {
    return this.current && isCell(this.current) ? this.waiting.find(isCell) : undefined;
  }

  private ask(job: Job, before: readonly Job[]): Step[] {
    this.bypassing.set(job.id, job);
    return [step("busy", job), { do: "ask", job, before }];
  }

  /** What has passed a request has said `idle`. */
  private resumed(): Step[] {
    return this.current ? [step("resume", this.current)] : [];
  }
}

const step = (what: Step["do"], job: Job): Step => ({ do: what, job });
const answered = (job: Job): Step[] => [step("busy", job), step("answer", job), step("idle", job)];
