import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { inspect } from "node:util";
import { ownDisplay } from "./shown.js";
import type { Frontend, MimeBundle, Shown } from "./types.js";

const never = new AbortController().signal;
let lastId = "";

/** Writes to the terminal: the text of a value, updates of the last one in place. Where stdout is no terminal, updates are lines. */
export const terminal: Frontend = {
  display(data, _metadata, displayId, update) {
    const text = plainText(data);
    const inPlace = process.stdout.isTTY && update && displayId === lastId && !text.includes("\n");
    process.stdout.write(`${inPlace ? "\x1b[1A\x1b[2K" : ""}${text}\n`);
    lastId = displayId;
  },
  clearOutput() {},
  async input(prompt, password) {
    if (!process.stdin.isTTY) throw new Error(`nobody can be asked "${prompt}": standard input is not a terminal`);
    const hidden = new Writable({ write: (_chunk, _encoding, done) => done() });
    if (password) process.stdout.write(prompt);
    const lines = createInterface({ input: process.stdin, output: password ? hidden : process.stdout, terminal: true });
    try {
      return await lines.question(prompt);
    } finally {
      lines.close();
      if (password) process.stdout.write("\n");
    }
  },
  comm() {},
  signal: () => never,
  typeCheck() {},
  format(value, before) {
    if (before) return before.then(() => terminal.format(value));
    const otherwise = (): Shown => ({ data: { "text/plain": typeof value === "string" ? value : inspect(value) }, metadata: {} });
    const own = ownDisplay(value);
    return own instanceof Promise ? own.then((shown) => shown ?? otherwise()) : (own ?? otherwise());
  },
};

/** The text of a bundle, or the names of what it holds. */
function plainText(data: MimeBundle): string {
  const text = data["text/plain"] ?? data["text/markdown"] ?? data["text/latex"];
  return typeof text === "string" ? text : `[${Object.keys(data).join(", ")}]`;
}
