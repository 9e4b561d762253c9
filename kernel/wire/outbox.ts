import type { MessageLike } from "zeromq";

interface Sending {
  send(frames: MessageLike[]): Promise<void>;
}

/** Sends on one socket in order: ZeroMQ sockets take one message at a time. */
export class Outbox {
  private tail: Promise<void> = Promise.resolve();

  constructor(private readonly socket: Sending) {}

  /** Queues a message. A peer that is gone or a closed socket loses it; nobody is left to be told. */
  post(frames: readonly Uint8Array[]): void {
    this.tail = this.tail.then(() => this.socket.send(frames as unknown as MessageLike[])).catch(() => {});
  }

  /** Resolves when all that was posted is with the socket. */
  drained(): Promise<void> {
    return this.tail;
  }
}
