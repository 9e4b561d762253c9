import type { MessagePort } from "node:worker_threads";
import type { Header, Message } from "./messages.js";

/** A message without its routing prefix: what crosses between the protocol's thread and the main thread. */
export type Request = Omit<Message, "identities" | "parentHeader">;

/** From the protocol's thread to the main thread, which runs the cells. */
export type ToMain =
  /** Handle it; answer with a `reply` of the same `id` (comm messages too, with an empty reply). */
  | { type: "request"; id: number; request: Request }
  /**
   * Stop the request `id`, the one that ran when the reader asked, and no later one; undefined: whatever runs beside cells. Sent again
   * and again until `settled`; each is answered by `pong`.
   */
  | { type: "interrupt"; id: number | undefined }
  /** What the reader typed; null where no cell is running that may ask. */
  | { type: "input"; value: string | null }
  | { type: "shutdown" };

/** From the main thread to the protocol's thread. */
export type FromMain =
  /** The answer; null content for requests that have none. `failed` aborts the execute requests that wait. */
  | { type: "reply"; id: number; replyType: string; content: Record<string, unknown> | null; failed: boolean }
  /** Content and metadata as JSON: what JSON cannot hold fails where it was made, in the cell. */
  | { type: "publish"; parent: Header; msgType: string; content: string; metadata: string; buffers: Uint8Array[] }
  | { type: "stream"; parent: Header; name: "stdout" | "stderr"; text: string }
  | { type: "input"; parent: Header; prompt: string; password: boolean }
  | { type: "pong" }
  /** Where the language's thread is asked, from now on. */
  | { type: "language"; questions: MessagePort }
  /** A signal asks for what the stop button asks for. */
  | { type: "interrupt" }
  /** A process that a cell has started and that runs beside it, and its end. */
  | { type: "child"; pid: number; ended: boolean }
  /** No cell is running (any more). */
  | { type: "settled" }
  /** Deliver what is queued, close the sockets and set `State.Closed`: the process is about to end. */
  | { type: "close" };

/** Indices into the `Int32Array` that both threads see. */
export enum State {
  /** 1 while user code may be on the main thread's stack: only then may it be terminated. */
  UserCode = 0,
  /** 1 from an interrupt until the cell has settled. */
  Interrupt = 1,
  /** 1 once the sockets are closed. */
  Closed = 2,
  /** 1 while a termination is on its way to the main thread or at work there. */
  Terminating = 3,
  /** 1 when the running cell has asked for its `AbortSignal`: it is given time to end by itself. */
  SignalTaken = 4,
  /** How many texts the protocol's thread has still to take; see `room.ts`. */
  Printed = 5,
}

/** The memory for `State`. */
export const createState = () => new Int32Array(new SharedArrayBuffer(6 * Int32Array.BYTES_PER_ELEMENT));

/** What the protocol's thread is started with. */
export interface ProtocolData {
  connectionFile: string;
  state: Int32Array;
}
