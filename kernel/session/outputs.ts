import { type CommEvent, type Frontend, type MimeBundle, setFrontend } from "../../src/frontend/frontend.js";
import { type FromMain, State } from "../wire/bridge.js";
import { type Context, currentContext } from "./context.js";
import { format } from "./format.js";

const { stringify } = JSON; // Node's own, whatever a cell puts in its place

/** Where the main thread's messages go. */
export type Post = (message: FromMain) => void;

/** What requests show: it goes to their senders, and nowhere from silent ones. */
export class Outputs {
  constructor(private readonly post: Post) {}

  /** Sends on iopub on behalf of `context`. */
  publish(context: Context | undefined, msgType: string, content: unknown, metadata = {}, buffers: Uint8Array[] = []): void {
    if (!context || context.silent) return;
    const json = { content: stringify(content), metadata: stringify(metadata) };
    this.post({ type: "publish", parent: context.parent, msgType, ...json, buffers });
  }

  print(context: Context, name: "stdout" | "stderr", text: string): void {
    if (text && !context.silent) this.post({ type: "stream", parent: context.parent, name, text });
  }
}

/** Sends everything that the process prints to the cell that runs. Before the first request it goes to the terminal. */
export function captureStreams(outputs: Outputs): void {
  for (const name of ["stdout", "stderr"] as const) {
    const stream = process[name];
    const original = stream.write.bind(stream);
    const decoder = new TextDecoder();
    stream.write = ((chunk: string | Uint8Array, encoding?: BufferEncoding | (() => void), done?: () => void): boolean => {
      const context = currentContext();
      if (!context) return original(chunk as string, encoding as BufferEncoding, done as never);
      const isText = typeof chunk === "string" && (typeof encoding !== "string" || /^utf-?8$/i.test(encoding));
      const text = isText ? chunk : decoder.decode(Buffer.from(chunk as string, encoding as BufferEncoding), { stream: true });
      outputs.print(context, name, text);
      const callback = typeof encoding === "function" ? encoding : done;
      if (callback) process.nextTick(callback);
      return true;
    }) as typeof stream.write;
  }
  toStderr = process.stderr.write.bind(process.stderr);
}

let toStderr = process.stderr.write.bind(process.stderr);

/** Writes to the running cell's stderr, whatever a cell puts in the place of `process.stderr.write`. */
export function warn(text: string): void {
  toStderr(text.endsWith("\n") ? text : `${text}\n`);
}

const ofTheirCells = new WeakSet<object>();

/** Whether this was thrown where a running cell shows something, and so is that cell's error and not one beside it. */
export const isOfItsCell = (thrown: unknown): boolean => ofTheirCells.has(thrown as object);

/** Makes `erpo`'s display functions, comms and questions go through the kernel. */
export function connectFrontend(outputs: Outputs, state: Int32Array, { input, typeCheck }: Pick<Frontend, "input" | "typeCheck">): void {
  const idle = new AbortController().signal;
  const origins = new WeakMap<MimeBundle, Context>(); // of values that were still being formatted when their request showed them
  const frontend: Frontend = {
    display(data, metadata, displayId, update) {
      const content = { data, metadata, transient: { display_id: displayId } };
      outputs.publish(origins.get(data) ?? currentContext(), update ? "update_display_data" : "display_data", content);
    },
    clearOutput(wait) {
      outputs.publish(currentContext(), "clear_output", { wait });
    },
    input,
    typeCheck,
    comm({ type, commId, targetName, data, metadata, buffers }: CommEvent) {
      const content = { comm_id: commId, data, ...(targetName === undefined ? {} : { target_name: targetName }) };
      outputs.publish(currentContext(), type, content, metadata, buffers);
    },
    signal() {
      const context = currentContext();
      if (!context) return idle;
      context.signalTaken = true;
      Atomics.store(state, State.SignalTaken, 1);
      return context.controller.signal;
    },
    format(value, before) {
      const shown = before ? before.then(() => format(value)) : format(value);
      const context = currentContext();
      if (shown instanceof Promise && context) {
        const settled = shown.then(
          ({ data }) => void origins.set(data, context),
          (thrown) => {
            if (context.over) return;
            context.failure ??= { thrown };
            if (typeof thrown === "object" && thrown !== null) ofTheirCells.add(thrown);
          },
        );
        context.pending.add(settled);
        void settled.then(() => context.pending.delete(settled));
      }
      return shown;
    },
  };
  setFrontend(frontend);
}
