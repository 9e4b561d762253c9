import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { type Comm, type CommMessage, comms } from "./comms.js";
import type { Displayable } from "./formats.js";
import { DISPLAY } from "./shown.js";
import { joinBuffers, splitBuffers } from "./widget-state.js";

/** What a widget is made of. */
export interface WidgetOptions<State extends object> {
  /**
   * The page's side: the text of a JavaScript module, or its URL, whose default export has `render({ model, el })` (anywidget's protocol,
   * https://anywidget.dev/en/afm). Bytes of the state are `DataView`s there.
   */
  esm: string;
  /** The text of a stylesheet, or its URL. */
  css?: string;
  /** What both sides know: plain objects and lists of texts, finite numbers, booleans, null and typed arrays. */
  state: State;
  /** What reports, PDFs and other pages without a kernel show: `svg(...)`, `html(...)` or `image(...)` of the state when the widget is shown. */
  still?: (state: Readonly<State>) => Displayable;
}

/** The kernel's side of something that a reader works with on the page. */
export interface Widget<State extends object> extends Displayable {
  /** A value of the state, as whichever side has set it last. Change it with `set`: what is done to a list or an object itself is not sent. */
  get<Key extends keyof State>(key: Key): State[Key];
  /** Sets a value here and on the page. One that is the same already changes nothing. @throws TypeError for what cannot be sent */
  set<Key extends keyof State>(key: Key, value: State[Key]): void;
  /**
   * Calls `listener` with the changed values, whichever side has changed them. What the page sends is not held to the type.
   * @returns takes the listener off
   */
  on(event: "change", listener: (changed: Partial<State>) => void): () => void;
  /** Sends a message that is no state; the page has it by `model.on("msg:custom", ...)`. */
  send(content: unknown, buffers?: readonly Uint8Array[]): void;
  /** Calls `listener` with what the page sends by `model.send`. @returns takes the listener off */
  onMessage(listener: (content: unknown, buffers: Uint8Array[]) => void): () => void;
  /** Takes the widget off the page. It keeps its last state, and can be set and sent to no more. */
  close(): void;
}

const VIEW = "application/vnd.jupyter.widget-view+json";
/** The front end's package `anywidget` that this speaks to. */
const FRONT_END = "~0.11.*";
const MODEL = {
  ...{ _model_module: "anywidget", _model_name: "AnyModel", _model_module_version: FRONT_END },
  ...{ _view_module: "anywidget", _view_name: "AnyView", _view_module_version: FRONT_END, _view_count: null },
};
/** Names that the front end uses itself. */
const RESERVED = /^_|^(layout|tabbable|tooltip)$/;

/**
 * Makes a widget: what it is on the page is a module of JavaScript, what it knows is shared with the cells. As a cell's last value, or by
 * `display`, it is shown; several times if asked, with one state. Frontends need ipywidgets 8 and anywidget 0.11 (`pip install anywidget`).
 *
 * @throws TypeError where the state has a name that the front end uses itself, or a value that cannot be sent
 */
export function widget<State extends object>({ esm, css, state, still }: WidgetOptions<State>): Widget<State> {
  const own = Object.keys(state).find((key) => RESERVED.test(key));
  if (own !== undefined) throw new TypeError(`widget: the state's "${own}" is a name that the front end uses itself; take another one`);
  const values = { ...state };
  const changes = new Set<(changed: Partial<State>) => void>();
  const messages = new Set<(content: unknown, buffers: Uint8Array[]) => void>();
  const _anywidget_id = `erpo-${createHash("sha256")
    .update(JSON.stringify([esm, css]))
    .digest("hex")
    .slice(0, 16)}`;

  /** All that a page needs, the module too: anywidget waits for it two seconds from the beginning. */
  function whole() {
    const { state: own, buffer_paths, buffers } = splitBuffers(values);
    return { state: { ...MODEL, _anywidget_id, _esm: esm, ...(css !== undefined && { _css: css }), ...own }, buffer_paths, buffers };
  }

  const { buffers, ...data } = whole();
  const comm: Comm = comms.open("jupyter.widget", data, { version: "2.1.0" }, buffers);
  let open = true;

  function send(data: object, buffers: readonly Uint8Array[]): void {
    if (!open) throw new Error("widget: it is closed; make another one");
    comm.send(data, {}, [...buffers]);
  }

  function sendState(method: "update" | "echo_update", { buffers, ...data }: ReturnType<typeof splitBuffers>): void {
    send({ method, ...data }, buffers);
  }

  const tell = (changed: Partial<State>) => callAll(changes, changed);

  /** The page has changed something. All pages are told, as ipywidgets does, so that two of them agree. */
  function update(data: Record<string, unknown>, buffers: Uint8Array[]): void {
    if (typeof data.state !== "object" || data.state === null) return;
    const received = { ...data.state } as Record<string, unknown>;
    joinBuffers(received, data.buffer_paths, buffers, values);
    const known = Object.entries(received).filter(([key]) => Object.hasOwn(values, key));
    if (known.length === 0) return;
    const changed = Object.fromEntries(known) as Partial<State>;
    Object.assign(values, changed);
    sendState("echo_update", splitBuffers(changed));
    tell(changed);
  }

  comm.onMsg = ({ content, buffers }: CommMessage) => {
    if (typeof content.data !== "object" || content.data === null) return;
    const data = content.data as Record<string, unknown>;
    if (data.method === "update") update(data, buffers);
    else if (data.method === "request_state") sendState("update", whole());
    else if (data.method === "custom") callAll(messages, data.content, buffers);
  };
  comm.onClose = () => {
    open = false;
  };

  return {
    get: (key) => values[key],
    set(key, value) {
      if (Object.is(values[key], value)) return;
      const changed = { [key]: value } as unknown as Partial<State>;
      sendState("update", splitBuffers(changed));
      values[key] = value;
      tell(changed);
    },
    on(_event, listener) {
      changes.add(listener);
      return () => void changes.delete(listener);
    },
    send: (content, buffers = []) => send({ method: "custom", content }, buffers),
    onMessage(listener) {
      messages.add(listener);
      return () => void messages.delete(listener);
    },
    close() {
      open = false;
      comm.close();
    },
    [DISPLAY]() {
      const view = open ? { [VIEW]: { version_major: 2, version_minor: 0, model_id: comm.commId } } : {};
      return { ...still?.(values)[DISPLAY](), "text/plain": inWords(values), ...view };
    },
  };
}

/** Calls all listeners. What one of them throws is told as any error that nobody caught, once the others have been called. */
function callAll<Args extends unknown[]>(listeners: Iterable<(...args: Args) => void>, ...args: Args): void {
  for (const listener of [...listeners]) {
    try {
      listener(...args);
    } catch (thrown) {
      queueMicrotask(() => {
        throw thrown;
      });
    }
  }
}

/** What stands in the place of a widget that nothing else shows. */
function inWords(state: object): string {
  const shown = (value: unknown) =>
    inspect(value, { depth: 1, maxArrayLength: 5, maxStringLength: 80, breakLength: Number.POSITIVE_INFINITY });
  const values = Object.entries(state).map(([key, value]) => `${key} = ${shown(value)}`);
  return `A widget, which works where the kernel runs. ${values.length ? `Its state: ${values.join(", ")}.` : "It has no state."}`;
}
