import type { Interface } from "node:readline";
import { PassThrough } from "node:stream";

/** A terminal that is told to mark what is pasted, or no longer to. */
const marking = { on: "\x1b[?2004h", off: "\x1b[?2004l" };

/**
 * What is entered, one after the other: a line each; what is pasted, of however many lines, is one with the rest of the line that Enter is then pressed in.
 * @param terminal where both ends are one: what writes to it and what reads its keys
 */
export function entered(lines: Interface, terminal?: { input: NodeJS.ReadStream; output: NodeJS.WriteStream }): AsyncIterable<string> {
  const whole = new PassThrough({ objectMode: true });
  let pasting = false;
  let held: string[] = [];
  terminal?.output.write(marking.on);
  terminal?.input.on("keypress", (_, { name }: { name?: string }) => {
    if (name === "paste-start" || name === "paste-end") pasting = name === "paste-start";
  });
  lines.on("line", (line) => {
    held.push(line);
    if (pasting || whole.writableEnded) return;
    whole.write(held.join("\n"));
    held = [];
  });
  lines.on("close", () => {
    terminal?.output.write(marking.off);
    whole.end();
  });
  return whole;
}
