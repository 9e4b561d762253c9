import { randomUUID } from "node:crypto";
import { type CommEvent, currentFrontend } from "./frontend.js";

/** What a handler is given: the Jupyter message, its payload in `content.data`. */
export interface CommMessage {
  content: { comm_id: string; target_name?: string; data: unknown };
  metadata: Record<string, unknown>;
  buffers: Uint8Array[];
}

/** One end of a two-way channel to the reader's side (JupyterLab's names). */
export interface Comm {
  readonly commId: string;
  readonly targetName: string;
  /** Called for each message of the other side; setting it again replaces the handler. */
  onMsg: ((message: CommMessage) => void) | undefined;
  /** Called once, when the other side closes. */
  onClose: ((message: CommMessage) => void) | undefined;
  /** Sends a message to the other side. @throws Error when the comm is closed */
  send(data: unknown, metadata?: Record<string, unknown>, buffers?: Uint8Array[]): void;
  /** Closes the comm; the other side is told once. */
  close(data?: unknown): void;
}

/** Called when the other side opens a comm on a registered target. */
export type CommTarget = (comm: Comm, message: CommMessage) => void;

const open = new Map<string, Comm>();
const targets = new Map<string, CommTarget>();

function createComm(commId: string, targetName: string): Comm {
  const emit = (type: CommEvent["type"], data: unknown, metadata: Record<string, unknown> = {}, buffers: Uint8Array[] = []) =>
    currentFrontend().comm({ type, commId, data, metadata, buffers });
  const comm: Comm = {
    commId,
    targetName,
    onMsg: undefined,
    onClose: undefined,
    send(data, metadata, buffers) {
      if (!open.has(commId)) throw new Error(`comm ${targetName} is closed: open a new one`);
      emit("comm_msg", data, metadata, buffers);
    },
    close(data = {}) {
      if (open.delete(commId)) emit("comm_close", data);
    },
  };
  open.set(commId, comm);
  return comm;
}

/** Two-way channels between a program and widgets on its reader's side. */
export const comms = {
  /** Accepts comms that the other side opens under `name`. */
  registerTarget(name: string, target: CommTarget): void {
    targets.set(name, target);
  },

  /** Comms that are opened for this name are closed again from now on. */
  unregisterTarget(name: string): void {
    targets.delete(name);
  },

  /** Opens a comm towards a target that the other side has registered. */
  open(targetName: string, data: unknown = {}, metadata: Record<string, unknown> = {}, buffers: Uint8Array[] = []): Comm {
    const comm = createComm(randomUUID(), targetName);
    try {
      currentFrontend().comm({ type: "comm_open", commId: comm.commId, targetName, data, metadata, buffers });
    } catch (error) {
      open.delete(comm.commId); // such as data that is no JSON
      throw error;
    }
    return comm;
  },

  /** The open comms: id to target. */
  info(): Record<string, { target_name: string }> {
    return Object.fromEntries([...open.values()].map((comm) => [comm.commId, { target_name: comm.targetName }]));
  },

  /** Hands a message of the other side to the program. The frontend calls it; programs do not. */
  receive(event: CommEvent): void {
    const message: CommMessage = {
      content: { comm_id: event.commId, data: event.data, ...(event.targetName === undefined ? {} : { target_name: event.targetName }) },
      metadata: event.metadata,
      buffers: event.buffers,
    };
    if (event.type === "comm_open") {
      const target = targets.get(event.targetName ?? "");
      const comm = createComm(event.commId, event.targetName ?? "");
      if (!target) {
        comm.close();
        return;
      }
      try {
        target(comm, message);
      } catch (error) {
        comm.close();
        throw error;
      }
      return;
    }
    const comm = open.get(event.commId);
    if (event.type === "comm_msg") comm?.onMsg?.(message);
    else if (open.delete(event.commId)) comm?.onClose?.(message);
  },
};
