import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { safeMath } from "../../reports/latex/math.js";
import { ALIASES, BEFORE_DELIMITER, CONSTRUCTS, CONTROL_SYMBOLS, ENVIRONMENTS, SYMBOLS, TEXTS } from "../../reports/latex/math-commands.js";
import { skipped } from "../programs.js";
import { compile, texLack } from "./tex.js";

/** A formula with each command of the lists. */
const symbol = (name: string) =>
  name.endsWith("limits")
    ? `\\sum\\${name}_a`
    : name === "hline"
      ? "\\begin{array}{c}\\hline a \\\\ \\hline\\end{array}"
      : /^no(?:number|tag)$/.test(name)
        ? `\\begin{align} a \\${name} \\end{align}`
        : `a \\${name} b`;
const delimited = (name: string) =>
  /^(?:left|right|middle)$/.test(name) ? "\\left( a \\middle| b \\right\\}" : `\\${name}( \\${name}\\langle a`;
const environment = (name: string) => {
  const { columns, argument } = ENVIRONMENTS[name]!;
  const given = argument ? (argument.test("cc") ? "{cc}" : "{1}") : "";
  return `\\begin{${name}}${given} a ${columns > 1 ? "&" : ""} b \\\\ [x] \\\\[2pt] * c \\end{${name}}`;
};
const formulas = [
  ...[...SYMBOLS].map(symbol),
  ...Object.entries(CONSTRUCTS).map(([name, count]) => `\\${name}${"{a}".repeat(count)} \\frac12`),
  ...[...TEXTS].map((name) => `\\${name}{a-b -- $x$ \\% \\{ é}`),
  ...[...CONTROL_SYMBOLS].map((name) => `a\\${name}b`),
  ...Object.keys(ALIASES).map((name) => `\\${name} x`),
  ...[...BEFORE_DELIMITER].map(delimited),
  ...Object.keys(ENVIRONMENTS).map(environment),
  "x^\\frac12 + x^\\text{a b}_c + x^\\mathrm d",
  "\\sqrt[3]{x} \\xrightarrow[a]{b}",
  "α ≤ x² ∈ ℝ, 𝔼 f′ x_α^β, \\text{α ≤ 漢}",
  "a \\\\ b \\\\ [c]",
  "x \\tag{a $y$}",
  "a % comment }\n b",
  "\\mathbb{1} \\mathcal{abc} \\mathbb{R}",
  "\\mathrm\\ x\\ ",
];

test.each(formulas)("KaTeX and the list know %s", (formula) => {
  expect(safeMath(formula, true)).toBeDefined();
});

test.skipIf(texLack)(`and TeX compiles them all${skipped(texLack)}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const preamble =
    "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{lmodern}\\usepackage{amsmath,amssymb}\\setcounter{MaxMatrixCols}{30}\\newcommand\\missing[1]{U+#1}";
  const body = formulas.map((formula) => `\\[${safeMath(formula, true)}\\]`).join("\n");
  writeFileSync(join(folder, "m.tex"), `${preamble}\\begin{document}\n${body}\n\\end{document}`);
  expect(compile(folder, "m", "pdflatex", 1).problems).toEqual([]);
});

describe("refused, so that they are shown as code", () => {
  test.each([
    "\\input{x}",
    "\\def\\a{b}",
    "\\gdef\\a{b}\\a",
    "\\newcommand{\\a}{b}\\a",
    "\\let\\a=b",
    "\\char`a",
    "\\href{https://example.org}{x}",
    "\\url{x}",
    "\\includegraphics{x}",
    "\\htmlClass{a}{b}",
    "\\verb|x|",
    "\\rule{1em}{1em}",
    "\\kern1em x",
    "\\hspace{9999em}",
    "\\color{red}x",
    "\\textcolor{a\\b}{x}",
    "x^^5c",
    "x ^ ^ y",
    "a & b",
    "\\frac{a",
    "a}",
    "{a",
    "\\text{\\input{x}}",
    "\\text{\\def\\a{}}",
    "\\begin{array}{c}a&b\\end{array}",
    "\\begin{foo}\\end{foo}",
    "\\begin{array}{>{\\input x}c}a\\end{array}",
    "\\unknown",
    "#1",
    "$",
    "",
    "  ",
    "% only a comment",
    "漢",
    "{".repeat(40) + "}".repeat(40),
    "\\\\[99999pt]",
    "\u0000",
  ])("%s", (formula) => {
    const written = safeMath(formula, true);
    if (formula === "\\\\[99999pt]") expect(written).not.toContain("\\\\[");
    else expect(written).toBeUndefined();
  });
});

test("a formula is its tokens written anew: every argument in braces", () => {
  expect(safeMath("\\frac12 x^2_i \\sqrt\\alpha \\bm x", false)).toBe("\\frac{1}{2} x^{2}_{i} \\sqrt{\\alpha} \\boldsymbol{x}");
  expect(safeMath("\\begin{align*} a &= b \\\\ [c] \\end{align*}", true)).toBe("\\begin{aligned} a &= b \\\\{} [c] \\end{aligned}");
  expect(safeMath("a \\\\ b", true)).toBe("\\begin{gathered}\na \\\\ b\n\\end{gathered}");
});

test.each([
  ["a \\\\[10.25pt] b \\\\[ -10.125pt ] c", "\\begin{gathered}\na \\\\[10.25pt] b \\\\[-10.125pt] c\n\\end{gathered}"],
  ["a \\\\ [2pt] b \\\\ * c", "\\begin{gathered}\na \\\\{} [2pt] b \\\\{} * c\n\\end{gathered}"], // as KaTeX shows them
  ["\\begin{array}{cc} a & b \\\\ c & d \\end{array}", "\\begin{array}{cc} a & b \\\\ c & d \\end{array}"],
  ["\\begin{alignedat}{2} a & b & c & d \\end{alignedat}", "\\begin{alignedat}{2} a & b & c & d \\end{alignedat}"],
  ["\\begin{array}{c|c} a & b & c \\end{array}", undefined],
  ["\\begin{cases} [a] \\end{cases}", "\\begin{cases}{}[a] \\end{cases}"],
  ["a \\\\ b \\tag{1}", undefined],
  ["\\sum_{\\substack{a \\\\ b}} x", "\\sum_{\\substack{a \\\\ b}} x"],
  ["\\sqrt{a \\\\ b}", undefined],
  ["\\sqrt[\\frac12]{x}", "\\sqrt[{\\frac{1}{2}}]{x}"],
  ["\\mathbb{r} \\mathbb R \\mathcal{c}", "\\mathbf{r} \\mathbb{R} \\mathit{c}"],
  ["\\text{a\\\nb\\quad c}\\\nd", "\\text{a\\ b\\quad{} c}\\ d"],
  ["a\n + b", "a\n+ b"],
])("rows, cells, options and spaces of %j", (formula, written) => {
  expect(safeMath(formula, true)).toBe(written);
});

test("a line break within a line of text is a space", () => {
  expect(safeMath("a\\\\b", false)).toBe("a b");
});

const KNOWN = new Set([
  ...SYMBOLS,
  ...TEXTS,
  ...BEFORE_DELIMITER,
  ...Object.keys(CONSTRUCTS).map((name) => name.replace("*", "")),
  "begin",
  "end",
  "tag",
  "missing",
  "ensuremath",
  "textbackslash",
  "textasciicircum",
  "textasciitilde",
  "textasciigrave",
  "textquotedbl",
  "allowbreak",
  "boldsymbol",
]);

test("whatever is thrown at it: commands of the lists only, balanced braces", () => {
  const part = fc.oneof(
    fc.constantFrom(
      "{",
      "}",
      "^",
      "_",
      "&",
      "\\\\",
      "$",
      "%",
      "#",
      "~",
      " ",
      "\n",
      "[",
      "]",
      "x",
      "1",
      "\\input",
      "\\def",
      "\\csname",
      "\\text{",
      "\\frac",
      "\\left(",
      "\\right)",
      "\\begin{aligned}",
      "\\end{aligned}",
      "^^",
      "\\",
    ),
    fc.constantFrom(...[...SYMBOLS].map((name) => `\\${name} `)),
    fc.constantFrom(...Object.keys(CONSTRUCTS).map((name) => `\\${name}`)),
    fc.string({ maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.boolean(), (parts, display) => {
      const written = safeMath(parts.join(""), display);
      if (written === undefined) return;
      for (const [, name] of written.matchAll(/\\(?:([a-zA-Z]+)|[\s\S])/g)) if (name) expect(KNOWN).toContain(name);
      expect(written).not.toMatch(/\^\^|(?<!\\)[#%]/);
      const braces = written.replace(/\\[^a-zA-Z]/g, "");
      expect(braces.split("{").length).toBe(braces.split("}").length);
      expect(braces).not.toMatch(/\\$/); // which would take the dollar behind it
    }),
    { numRuns: 2000 },
  );
});
