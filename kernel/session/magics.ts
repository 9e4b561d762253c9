import type { MimeBundle } from "../../src/frontend/frontend.js";

/** What the first line of a cell, or the beginnings of its lines, ask for beside TypeScript. */
export interface Magic {
  /** What is run: TypeScript, with the places of the reader's text where that is TypeScript. */
  code: string;
  /** Print how long the cell takes. */
  timed: boolean;
  /** What the cell shows as it stands. */
  shown?: MimeBundle;
}

const types: Record<string, string> = {
  html: "text/html",
  markdown: "text/markdown",
  latex: "text/latex",
  svg: "image/svg+xml",
};

/** The names of a first line `%%NAME`. */
export const magics: readonly string[] = ["time", "bash", ...Object.keys(types)];

/** Reads a cell: `%%time`, `%%bash`, `%%html` and its like in the first line; or nothing but lines that begin with `!`, which are commands. */
export function readMagic(typed: string): Magic {
  const [first, name] = /^%%(\w+)[^\S\n]*(?:\n|$)/.exec(typed) ?? [];
  const body = typed.slice(first?.length ?? 0);
  if (name === "time") return { code: typed.replace("%%", "//"), timed: true };
  if (name === "bash") return { code: shellCode(body), timed: false };
  if (name !== undefined && name in types) return { code: "", timed: false, shown: { [types[name]!]: body, "text/plain": body } };
  const lines = typed.split("\n").filter((line) => line.trim() !== "");
  if (lines.length > 0 && lines.every((line) => line.startsWith("!"))) {
    return { code: shellCode(lines.map((line) => line.slice(1)).join("\n")), timed: false };
  }
  return { code: typed, timed: false };
}

/** A cell's text as TypeScript of the same length, for the language's questions; undefined where it is none. */
export function typescriptOf(typed: string): string | undefined {
  const { code } = readMagic(typed);
  return code.length === typed.length ? code : undefined;
}

/**
 * TypeScript that runs a script, in a process group of its own that a stopped cell ends, and fails where its last command does. The cell
 * ends with the script's shell: what that has left in the background holds its pipes open, and prints below the cell later.
 */
function shellCode(script: string): string {
  return `await (async () => {
  const { spawn } = await import("node:child_process");
  const child = spawn("bash", ["-c", ${JSON.stringify(script)}], { stdio: ["ignore", "inherit", "inherit"], detached: true });
  let over = false;
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (message: string) => reject(Object.assign(new Error(message), { stack: "Error: " + message }));
      child.once("error", (error) => { over = true; fail("bash does not start: " + error.message); });
      child.once("exit", (status, signal) => {
        over = true;
        const end = () => { if (status === 0) resolve(); else fail("bash ended with " + (signal ?? "status " + status)); };
        child.once("close", end);
        setTimeout(() => setImmediate(end), 50); // what the shell has printed lies in the pipes by now, and is read between the two
      });
    });
  } finally {
    const group = -(child.pid ?? 0);
    if (!over && group !== 0) {
      process.kill(group, "SIGINT");
      setTimeout(() => { try { process.kill(group, "SIGTERM"); } catch {} }, 500); // what bash has set off in the background hears no SIGINT
    }
  }
})();`;
}

/** What a trimmed line of Python's looks like, and what to write here. */
const hints: [isWritten: (line: string) => boolean, hint: string][] = [
  [
    (line) => /^%(pip|conda|npm)\b/.test(line),
    "packages come from npm: run `npm install NAME` in the notebook's folder, in a terminal or in a cell `!npm install NAME`",
  ],
  [
    (line) => line.startsWith("%matplotlib"),
    'figures need no magic: `display(spec)` shows a Vega-Lite specification, `figure` of "erpo" numbers and captions it',
  ],
  [
    (line) => /^%%?\w/.test(line),
    `this kernel knows ${magics.map((name) => `%%${name}`).join(", ")} in a cell's first line, and no other magic`,
  ],
  [(line) => line.startsWith("!"), "`!COMMAND` stands in a cell whose lines all begin with `!`; a script stands under %%bash"],
  [
    (line) => /^import [\w.]+( as \w+)?$/.test(line) || /^from [\w.]+ import /.test(line),
    'that is Python: here it is `import * as name from "package"`, with packages of npm (danfojs-node for frames, @tensorflow/tfjs for arrays)',
  ],
  [
    (line) => /^(def|for|if|elif|else)\b/.test(line) && line.endsWith(":"),
    "that is Python: blocks stand in braces, functions are `function name(x: number) { ... }`",
  ],
  [(line) => /\bprint\(/.test(line), "`console.log(...)` prints"],
  [(line) => /\b(True|False|None)\b/.test(line), "here they are true, false and null"],
  [(line) => /^#\s/.test(line), "comments begin with //"],
];

/** A line for somebody who knows Python, where a cell that cannot be run looks like it. */
export function hintFor(typed: string): string | undefined {
  const lines = typed.split("\n").map((line) => line.trim());
  return hints.find(([isWritten]) => lines.some(isWritten))?.[1];
}
