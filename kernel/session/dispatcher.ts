import { type Request, State, type ToMain } from "../wire/bridge.js";
import type { CommMessages } from "./comm-messages.js";
import { describeThrown } from "./errors.js";
import type { Post } from "./outputs.js";
import type { Content, Session } from "./session.js";

/** What runs and can be stopped; see `Executor`. */
export interface Stoppable {
  readonly running: boolean;
  interrupt(): boolean;
  stopBeside(): Promise<void>;
  absorb(): Promise<void>;
}

/** Where the messages of the protocol's thread go. */
export interface Receivers {
  session: Pick<Session, "execute" | "history">;
  comms: Pick<CommMessages, "receive" | "info">;
  executor: Stoppable;
  questions: { receive(value: string | null): void };
  /** Ends the process. */
  exit(): void;
}

/** The main thread's end of the bridge: hands on each message of the protocol's thread, and replies. */
export class Dispatcher {
  private executing: number | undefined; // the execute request that was begun last

  /** @param state shared with the protocol's thread */
  constructor(
    private readonly to: Receivers,
    private readonly state: Int32Array,
    private readonly post: Post,
  ) {}

  receive(message: ToMain): void {
    if (message.type === "request") void this.respond(message.id, message.request);
    else if (message.type === "input") this.to.questions.receive(message.value);
    else if (message.type === "interrupt") {
      this.post({ type: "pong" });
      this.interrupt(message.id);
    } else void this.shutdown();
  }

  private async respond(id: number, request: Request): Promise<void> {
    const { msg_type } = request.header;
    const replyType = msg_type.replace(/_request$/, "_reply");
    if (msg_type === "execute_request") this.executing = id;
    await this.to.executor.absorb(); // a callback that was terminated has not said that its code is over
    try {
      const { content, failed } = await this.answer(request);
      if (Atomics.load(this.state, State.Interrupt) === 1 && !this.to.executor.running) this.settled(); // a comm's message may come while a cell is being stopped
      this.post({ type: "reply", id, replyType, content, failed });
    } catch (thrown) {
      this.post({ type: "reply", id, replyType, content: { status: "error", ...describeThrown(thrown) }, failed: false });
    }
  }

  /** The content of the answer; null where the protocol has none. */
  private async answer(request: Request): Promise<{ content: Content | null; failed: boolean }> {
    const { session, comms } = this.to;
    const { header, content } = request;
    const fine = (content: Content | null) => ({ content, failed: false });
    switch (header.msg_type) {
      case "execute_request":
        return session.execute(request);
      case "history_request":
        return fine(session.history(content));
      case "comm_info_request":
        return fine(comms.info(content));
      default:
        await comms.receive(request);
        return fine(null);
    }
  }

  /** @param id the request that ran when the reader asked; undefined: none did */
  private interrupt(id: number | undefined): void {
    const { executor } = this.to;
    if (executor.running && id !== this.executing)
      this.settled(); // what was to be stopped is over, and another cell has begun
    else if (!executor.interrupt()) void executor.stopBeside().then(() => this.settled());
  }

  private settled(): void {
    Atomics.store(this.state, State.Interrupt, 0);
    this.post({ type: "settled" });
  }

  private async shutdown(): Promise<void> {
    await this.to.executor.absorb();
    this.to.exit();
  }
}
