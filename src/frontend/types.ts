/** What faults that the type checker finds do to a cell: `strict` keeps it from running, `warn` tells of them and runs it, `off` finds none. */
export type TypeCheck = "strict" | "warn" | "off";

/** Representations of one value, by MIME type: text as strings, binary as base64, JSON types as values. */
export interface MimeBundle {
  [mime: string]: unknown;
}

/** A comm message as the other side sees it. */
export interface CommEvent {
  type: "comm_open" | "comm_msg" | "comm_close";
  commId: string;
  /** Only for `comm_open`. */
  targetName?: string;
  data: unknown;
  metadata: Record<string, unknown>;
  buffers: Uint8Array[];
}

/** What stands between a program and its reader. A kernel sets its own; the default writes to the terminal. */
export interface Frontend {
  /** Shows `data`, or replaces what was shown under the same `displayId` if `update` is set. */
  display(data: MimeBundle, metadata: Record<string, unknown>, displayId: string, update: boolean): void;
  /** Removes what the running cell has shown; with `wait`, only once the next output arrives. */
  clearOutput(wait: boolean): void;
  /** Asks the reader; rejects where nobody can be asked. */
  input(prompt: string, password: boolean): Promise<string>;
  /** Sends a comm message to the reader's side. */
  comm(event: CommEvent): void;
  /** Aborted when the reader interrupts the cell that runs now. */
  signal(): AbortSignal;
  /** Sets how later cells are checked. */
  typeCheck(level: TypeCheck): void;
  /** Representations of any value, behind what is to be shown before: `[Symbol.for("Jupyter.display")]()` first, then what this frontend knows to format. */
  format(value: unknown, before?: Promise<void>): Shown | Promise<Shown>;
}

/** A value ready to be shown. */
export interface Shown {
  data: MimeBundle;
  metadata: Record<string, unknown>;
}
