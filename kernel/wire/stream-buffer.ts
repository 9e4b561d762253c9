import type { Header } from "./messages.js";

const FLUSH_MS = 25;
const FLUSH_CHARACTERS = 65_536;

/** Joins what a program prints into few stream messages, in order, live within 25 ms. */
export class StreamBuffer {
  private parts: string[] = [];
  private length = 0;
  private parent: Header | undefined;
  private name: "stdout" | "stderr" = "stdout";
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly send: (parent: Header, name: string, text: string) => void) {}

  write(parent: Header, name: "stdout" | "stderr", text: string): void {
    if (name !== this.name || parent.msg_id !== this.parent?.msg_id) this.flush();
    this.parent = parent;
    this.name = name;
    this.parts.push(text);
    this.length += text.length;
    if (this.length >= FLUSH_CHARACTERS) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.parent || this.length === 0) return;
    const text = this.parts.join("");
    this.parts = [];
    this.length = 0;
    this.send(this.parent, this.name, text);
  }
}
