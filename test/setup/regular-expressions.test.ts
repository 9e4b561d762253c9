import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { checkSync } from "recheck";
import ts from "typescript";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/setup/paths.js";

const root = packageRoot();
const files = ["src", "reports", "kernel"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(?:ts|mjs)$/.test(name))
    .map((name) => join(root, folder, name)),
);

/** The regular expression literals of a file. */
function literalsOf(file: string): { source: string; flags: string; line: number }[] {
  const parsed = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest);
  const found: ReturnType<typeof literalsOf> = [];
  const visit = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf("/");
      const { line } = parsed.getLineAndCharacterOfPosition(node.getStart(parsed));
      found.push({ source: node.text.slice(1, end), flags: node.text.slice(end + 1), line: line + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  return found;
}

const literals = files.flatMap((file) => literalsOf(file).map((literal) => ({ ...literal, file: relative(root, file) })));

/** Expressions that may take quadratic time, or whose time cannot be told, by what they read: nothing that a stranger can make long. */
const accepted: Record<string, string[]> = {
  "the machine's own description": [String.raw`^flags\s*:.*\b(avx512_bf16|amx_bf16)\b`],
  "a completion, bounded in tokens": [
    String.raw`^\s*<assess>([^<]+)<\/assess>\s*<verify>([^<]+)<\/verify>\s*<calibrate>([^<]+)<\/calibrate>\s*<answer>`,
    String.raw`(?<!(?:^|\n)\s*\d{1,3})[.!?]["')\]*]*(?=\s|$)`,
  ],
  "what Vega has drawn; strangers' figures are drawn in a thread with a limit of time": [
    "<[^>]*>",
    String.raw`-?\d+\.\d{3,}(?:e-?\d+)?`,
    String.raw`<path(?: transform="[^"]*")?(?: d="(?:M0,0h[\d.]+v[\d.]+h-?[\d.]+Z)?")?(?: display="none")?(?:\/>|><\/path>)`,
  ],
  "sanitised markup, whose tags and quotes are closed": [
    String.raw`<(\/?)([\w-]+)([^<>]*)>|[^<]+`,
    String.raw`[\w:-]+="[^"]*"`,
    String.raw`<math\b[\s\S]*?<\/math>`,
    String.raw`<mi(?: [^>]*)?>([^<&])<\/mi>`,
    String.raw`^\s*(?:<title[^>]*>[^<]*<\/title>|<desc[^>]*>[^<]*<\/desc>)+`,
  ],
  "KaTeX's MathML, whose tags are short and closed": [
    String.raw`<annotation[^>]*>[\s\S]*?<\/annotation>`,
    String.raw`<(mi|mn|mo|mtext|ms)((?:\s[a-z]+="[^"]*")*?)\s+mathvariant="([a-z-]+)"((?:\s[a-z]+="[^"]*")*)>([^<&]*)<`,
  ],
  "highlight.js's markup, whose tags are short and closed": [String.raw`<span class="hljs-(\w+)[^"<>]*">|<\/span>`],
  "the page's own style sheet": [String.raw`\/\*[\s\S]*?\*\/\s*|\n\s*`],
  "code that is about to be run as its reader's own": [
    String.raw`^(?:export\s+)?(const|let|var)\s+([\p{L}_$][\p{L}\p{N}_$]*)\s*(:[^=\n]+?)?\s*=`,
    String.raw`[\p{ID_Continue}$]*$`,
    String.raw`\n\/\/# sourceMappingURL=.*\s*$`,
    String.raw`(Cell In\[[^\]]*\]|File .+), line (\d+), column (\d+)`,
    String.raw`^\s+at (?:.* \()?((?:node:|file:|\/|[A-Z]:).*:\d+:\d+)\)?( \{|,)?$`,
    String.raw`.*(In\[\d+\])`,
    String.raw`"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`,
  ],
};
const known = new Set(Object.values(accepted).flat());

/** What the checker tries is bounded by the characters that it reads, and not by time: on a busy machine it would find other than on an idle one. */
const countedNotTimed = { attackTimeout: null, incubationTimeout: null, seedingTimeout: null };

test("regular expressions take linear time, and those of short or own texts polynomial time", () => {
  const sources = new Map(literals.map((literal) => [`/${literal.source}/${literal.flags}`, literal]));
  expect(sources.size).toBeGreaterThan(100);
  const wrong: string[] = [];
  for (const [text, { source, flags, file, line }] of sources) {
    const found = checkSync(source, flags, { ...countedNotTimed, timeout: known.has(source) ? 1000 : 60_000 });
    const complexity = found.status === "unknown" ? undefined : found.complexity;
    const fine = found.status === "safe" || (known.has(source) && complexity?.type !== "exponential");
    if (!fine) wrong.push(`${file}:${line}: ${text}: ${complexity?.summary ?? "its time cannot be told"}`);
  }
  expect(wrong).toEqual([]);
});

test("no accepted expression is gone", () => {
  const present = new Set(literals.map(({ source }) => source));
  expect([...known].filter((source) => !present.has(source))).toEqual([]);
});
