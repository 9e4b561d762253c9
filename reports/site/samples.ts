import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { currentFrontend, type Shown, setFrontend } from "../../src/frontend/frontend.js";
import { terminal } from "../../src/frontend/terminal.js";
import { packageRoot } from "../../src/setup/paths.js";

/** A block of TypeScript in a Markdown file. */
export interface Sample {
  code: string;
  /** Line of the file, from 1 up, on which the code begins. */
  line: number;
}

/** The blocks of a Markdown text that begin with three backticks and `ts`. */
export function samplesIn(markdown: string): Sample[] {
  const samples: Sample[] = [];
  let open: Sample | undefined;
  for (const [i, line] of markdown.split("\n").entries()) {
    if (open === undefined) {
      if (line === "```ts") open = { code: "", line: i + 2 };
    } else if (line === "```") {
      samples.push(open);
      open = undefined;
    } else open.code += `${line}\n`;
  }
  return samples;
}

/**
 * Runs a sample as a module of its own, with the compiled library as `erpo`.
 * @returns what it has shown, in order, in its last state
 * @throws whatever the sample throws, and what its figures could not draw
 */
export async function runSample(code: string): Promise<Shown[]> {
  const shown = new Map<string, Shown>();
  const pending: Promise<unknown>[] = [];
  const callers = currentFrontend();
  setFrontend({
    ...terminal,
    display: (data, metadata, displayId) => void shown.set(displayId, { data, metadata }),
    format(value, before) {
      const formatted = terminal.format(value, before);
      if (formatted instanceof Promise) pending.push(formatted); // a figure that is being drawn
      return formatted;
    },
  });
  try {
    const library = pathToFileURL(join(packageRoot(), "dist", "src", "index.js")).href;
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    await import(`data:text/javascript,${encodeURIComponent(outputText.replaceAll('from "erpo"', `from "${library}"`))}`);
    await Promise.all(pending);
  } finally {
    setFrontend(callers);
  }
  return [...shown.values()];
}
