import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { renderReports } from "../../reports/report.js";
import { skipped } from "../programs.js";
import { code, md, notebookJSON, type RawCell, shown } from "./notebooks.js";
import { compile, texLack } from "./tex.js";

/** TeX that reads secret.txt, writes canary.txt, runs a program or breaks the document, if it ever reaches TeX as commands. */
const payloads = [
  "\\input{secret.txt}",
  "\\input secret.txt ",
  "\\include{secret}",
  "\\InputIfFileExists{secret.txt}{}{}",
  "\\openin5=secret.txt \\read5 to\\x \\x",
  "\\newwrite\\w\\immediate\\openout\\w=canary.txt\\immediate\\write\\w{x}\\immediate\\closeout\\w",
  "\\immediate\\write18{touch canary.txt}",
  '\\input|"touch canary.txt"',
  '\\directlua{os.execute("touch canary.txt")}',
  '\\directlua{tex.print(io.open("secret.txt"):read("a"))}',
  "\\begin{filecontents}{canary.txt}x\\end{filecontents}",
  "^^5cinput{secret.txt}",
  "^^5c^^69nput{secret.txt}",
  "x^^^^^^00005cinput{secret.txt}",
  "\\csname input\\endcsname{secret.txt}",
  "\\catcode`\\@=0 @input{secret.txt}",
  "\\let\\x\\input\\x secret.txt ",
  "\\def\\x{\\input{secret.txt}}\\x",
  "\\expandafter\\input\\expandafter{secret.txt}",
  "\\lowercase{\\INPUT}\\scantokens{\\input{secret.txt}}",
  "\\end{codecell}\\input{secret.txt}",
  "\\end{verbatim}\\end{document}\\input{secret.txt}",
  "\\end{document}",
  "}}}}\\input{secret.txt}{{{{",
  "$\\input{secret.txt}$",
  "$$\\write18{touch canary.txt}$$",
  "\\]\\input{secret.txt}\\[",
  "\\)\\input{secret.txt}\\(",
  "%\n\\input{secret.txt}\n%",
  "% \r\\input{secret.txt}",
  "\\\\[\\input{secret.txt}]",
  "[\\input{secret.txt}] * & # _ ^ ~ % $ \" ' ` -- <<>> ?` !`",
  "\\text{\\input{secret.txt}}",
  "\\text{$\\input{secret.txt}$}",
  "\\operatorname{\\input{secret.txt}}",
  "\\tag{\\input{secret.txt}}",
  "\\frac\\input{secret.txt}{x}",
  "\\left\\input{secret.txt}\\right.",
  "\\begin{array}{c}\\input{secret.txt}\\end{array}",
  "\\begin{array}{>{\\input{secret.txt}}c}x\\end{array}",
  "\\begin{\\input{secret.txt}}\\end{x}",
  "\\verb|\\input{secret.txt}|",
  "\\includegraphics{secret.txt}",
  "\\special{x}\\pdfobj file{secret.txt}",
  "\\href{run:canary.txt}{x}\\url{file:secret.txt}",
  "\\loop\\iftrue\\repeat",
  "\\def\\x{\\x\\x}\\x",
  "\u2028\\input{secret.txt}\u2029",
  "\u0000\u0001\u0007\u001b[31m\u007f\ufeff\u202e漢字 😀 \ud800",
  "\\unknown \\missing{zz}\\codeline{}}",
];

const oneLine = (payload: string) => payload.replace(/\s+/g, " ");

/** Every place of a notebook that reaches the document. */
const slots: ((payload: string, i: number) => RawCell)[] = [
  (payload) => md(`text ${payload}\n\n${payload}`),
  (payload) => md(`## ${oneLine(payload)} {#sec-${oneLine(payload)}}\n\n*${payload}* **${payload}** ~~${payload}~~ \`${payload}\``),
  (payload) => md(`- ${payload}\n  1. ${payload}\n\n> ${payload}\n\n- [ ] ${payload}`),
  (payload) => md(`| ${oneLine(payload)} | b |\n| --- | --- |\n| ${oneLine(payload)} | ${oneLine(payload)} |`),
  (payload) => md(`[${payload}](<https://example.org/${oneLine(payload)}>) ![${payload}](<${oneLine(payload)}>) [x](#${payload})`),
  (payload) => md(`$${payload}$ and $x ${payload}$ and $\\text{${payload}}$ and $\\mathrm{${payload}}_{${payload}}$`),
  (payload, i) => md(`$$\n${payload}\n$$ {#eq-p${i}}\n\n$$\nx = ${payload}\n$$`),
  (payload) => md(`\`\`\`${oneLine(payload)}\n${payload}\n\`\`\``),
  (payload, i) => md(`note[^n${i}] [${oneLine(payload)} @key, ${oneLine(payload)}] @fig-${oneLine(payload)}\n\n[^n${i}]: ${payload}`),
  (payload) => md(`<div>${payload}<table><tr><td>${payload}</td></tr></table></div>\n\nH<sub>${payload}</sub>`),
  (payload) => ({ cell_type: "raw", metadata: {}, source: payload }),
  (payload) => code(payload),
  (payload) => code("1", [shown({ "text/html": `<p>${payload}</p><pre>${payload}</pre><a href="${payload}">${payload}</a>` })]),
  (payload, i) =>
    code("1", [
      shown(
        { "text/html": `<table><tr><th>${payload}</th></tr><tr><td>${payload}</td></tr></table>` },
        { label: `tbl-${i}`, "tbl-cap": payload },
      ),
    ]),
  (payload, i) =>
    code("1", [shown({ "image/svg+xml": '<svg width="9" height="9"/>' }, { label: `fig-${i}`, "fig-cap": payload, "fig-alt": payload })]),
  (payload) =>
    code("1", [shown({ "text/latex": payload }), shown({ "text/latex": `$$${payload}$$` }), shown({ "text/latex": `\\[${payload}\\]` })]),
  (payload) => code("1", [shown({ "text/markdown": payload }), shown({ "text/plain": payload })]),
  (payload, i) => code("1", [shown({ "application/json": payload }, { label: `val-${i}`, text: payload })]),
  (payload) => code("1", [{ output_type: "stream", name: "stdout", text: payload }]),
  (payload) => code("1", [{ output_type: "error", ename: payload, evalue: payload, traceback: [payload] }]),
];

/** A notebook with the payload at hand in each slot, title, author, parameters and bibliography. */
async function report(chosen: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const all = chosen.join(" ");
  const cells = chosen.flatMap((payload, i) => slots.map((slot) => slot(payload, i)));
  const execution = {
    started: all,
    seconds: 1,
    kernel: all,
    parameters: { x: all },
    complete: true,
    environment: { commit: all, cpu: all },
  };
  const metadata = { title: all, authors: [all], language_info: { name: all }, erpo: { execution } };
  writeFileSync(
    join(folder, "references.bib"),
    `@article{key, title = {${oneLine(all).replace(/[{}]/g, "")}}, author = "${oneLine(all).replace(/["{}]/g, "")}", note = {\\input}, url = {https://example.org/\\input}}`,
  );
  writeFileSync(join(folder, "nb.ipynb"), notebookJSON([md("[@key]"), ...cells], metadata));
  mkdirSync(join(folder, "latex"));
  writeFileSync(join(folder, "latex", "secret.txt"), "SECRET");
  const { failures } = await renderReports([join(folder, "nb.ipynb")], { output: folder, to: ["latex", "markdown"] });
  expect(failures).toEqual([]);
  return join(folder, "latex");
}

describe.skipIf(texLack)(`compiled with TeX${skipped(texLack)}`, () => {
  test.each(["pdflatex", "lualatex"] as const)("nothing of a stranger's notebook is run by %s, and all of it compiles", async (engine) => {
    const folder = await report(engine === "pdflatex" ? payloads : payloads.slice(0, 16)); // LuaTeX is slow
    const { problems, log, text } = compile(folder, "nb", engine, 2);
    expect(problems.filter((line) => !/^Overfull|^Missing character|undefined on input/.test(line))).toEqual([]);
    expect(text).toContain("\\input{secret.txt}");
    expect(text).not.toContain("SECRET");
    expect(log).not.toContain("secret.txt)");
    expect(log).not.toMatch(/runsystem\((?!r?epstopdf)/);
    expect(existsSync(join(folder, "canary.txt"))).toBe(false);
  });
});

test("the commands of a document are the writer's own", async () => {
  const tex = readFileSync(join(await report(payloads), "nb.tex"), "utf8").split("\\begin{document}")[1]!;
  expect(tex).not.toMatch(
    /\\(?:input|include|openin|openout|write|read|immediate|csname|catcode|let|def|directlua|special|loop|verb|expandafter)(?![a-zA-Z])/,
  );
  expect(tex).not.toContain("^^");
  expect(tex.match(/\\end\{document\}/g)).toHaveLength(1);
});
