import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../../src/setup/paths.js";
import { erpo } from "../reports/cli.js";
import { tellsMistakes, withSolutions } from "./solutions.js";

/** The notebook that makes each contract's value in a cell: its form, what a run of it and of its solutions on a tiny model shows, and the names that it needs. */

interface Cell {
  id: string;
  cell_type: "markdown" | "code";
  source: string[];
  outputs?: { text?: string[] | string; data?: Record<string, string[] | string> }[];
}

const notebook = join(packageRoot(), "notebooks/how-to/contracts.ipynb");
const cellsOf = (path: string) => (JSON.parse(readFileSync(path, "utf8")) as { cells: Cell[] }).cells;
const cells = cellsOf(notebook);

let scratch: string;
let ran: Cell[];
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "erpo-contracts-"));
  const parameters = ["-p", "modelName", join(packageRoot(), "test/fixtures/llama-tiny"), "-p", "runDir", join(scratch, "run")];
  const executed = join(scratch, "executed");
  const solved = withSolutions("how-to/contracts", scratch);
  const { code, stderr } = await erpo(["execute", solved, "--no-cache", "--output", executed, ...parameters]);
  expect(code, stderr).toBe(0);
  tellsMistakes("how-to/contracts", join(executed, "contracts.ipynb"));
  ran = cellsOf(join(executed, "contracts.ipynb"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const shown = (id: string): string =>
  ran
    .find((cell) => cell.id === id)!
    .outputs!.map(({ text, data }) => [text ?? data!["text/plain"]!].flat().join(""))
    .join("");

test("no cell has more than 15 lines, and each section has prose before its code and a check", () => {
  for (const { id, cell_type, source } of cells) if (cell_type === "code") expect(source.length, id).toBeLessThanOrEqual(15);
  expect(new Set(cells.map(({ id }) => id)).size).toBe(cells.length);
  const starts = cells.flatMap(({ source }, i) => (source[0]!.startsWith("## ") ? [i] : []));
  const sections = starts.map((start, k) => cells.slice(start, starts[k + 1]));
  expect(sections.length).toBeGreaterThan(11);
  for (const [heading, ...rest] of sections.slice(1, -2)) {
    expect(heading!.source.length, heading!.id).toBeGreaterThan(2);
    expect(rest.some(({ source }) => source.some((line) => line.startsWith("check(") || line.startsWith("  check(")))).toBe(true);
  }
});

test("a rule set is cited and noted, and another one is refused", () => {
  const [trace, noted, refused] = shown("use-rules").split("\n");
  expect(trace).toMatch(/<verify>[^<]+ \(K3\): violates<\/verify>/);
  expect(JSON.parse(noted!)).toEqual(JSON.parse(readFileSync(join(scratch, "run-rules/run.json"), "utf8")).rules);
  expect(refused).toMatch(/^DataError: .* holds a run with rules kitchen \(SHA-256 \w{12}\), not default /);
});

test("another judge and another beta are refused in one line each", () => {
  const ways = (...paths: string[]) =>
    `use a branch (run.branch) or another folder, or remove ${paths.map((path) => join(scratch, "run", path)).join(" and ")}`;
  const judged = "evaluation/base/capitals.json";
  expect(shown("check-evaluate").split("\n")[1]).toBe(`KeptError: ${judged} was made with words 7, not 3: ${ways(judged, `${judged}l`)}`);
  expect(shown("branch").split("\n")[0]).toBe(`KeptError: 2-dpo was trained with beta 0.5, not 0.1: ${ways("2-dpo")}`);
});

test("a branch has stage 1 and the pairs in common with its run, and an adapter of its own", () => {
  const inode = (run: string, file: string) => statSync(join(scratch, run, file)).ino;
  const shared = (file: string) => inode("run", file) === inode("run-beta", file);
  expect(["1-sft/adapter_model.safetensors", "2-dpo/pairs.json", "2-dpo/adapter_model.safetensors"].map(shared)).toEqual([
    true,
    true,
    false,
  ]);
});

test("the gradient's norm is the slope along it, and the logger has written each step of the branch", () => {
  const [, norm, slope] = /norm is ([\d.]+), the slope along it ([\d.]+) nats/.exec(shown("finite-differences"))!;
  expect(Number(slope) / Number(norm)).toBeCloseTo(1, 1);
  const steps = readFileSync(join(scratch, "run-beta/2-dpo/metrics.jsonl"), "utf8").trim().split("\n");
  const lines = readFileSync(join(scratch, "run-beta/dpo.csv"), "utf8").trim().split("\n");
  expect(lines.slice(1).map((line) => Number(line.split(",")[1]))).toEqual(steps.map((step) => JSON.parse(step).loss));
});

test("the exercise's attack changes what both policies say, and its vector what the model does", () => {
  const answers = (policy: string, trial: string) =>
    readFileSync(join(scratch, `run/evaluation/${policy}/${trial}.jsonl`), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).completion)
      .sort();
  for (const policy of ["base", "careful"]) {
    expect(answers(policy, "alone")).toEqual(answers(policy, "none"));
    expect(answers(policy, "split")).not.toEqual(answers(policy, "none"));
  }
  const bias = JSON.parse(readFileSync(join(scratch, "run/without-r/bias.json"), "utf8")) as number[];
  expect(new Set(bias)).toEqual(new Set([0, -99]));
});

test("all types that the contracts name are exported", () => {
  const contracts = [
    ...["RuleSet", "thoughtFor", "writeThought", "Objective", "ScoredBatch", "PairBatch", "TokenLogps", "TrainOptions", "MetricsLogger"],
    ...["Decoding", "LogitsRule", "StateRule", "Search", "bestOf", "contrast", "Policy", "policyIdentity", "loadPolicy"],
    ...["Trial", "Attack", "Judge", "TrialResult", "SuiteMetrics", "keep", "openRun"],
  ];
  const { config } = ts.readConfigFile(join(packageRoot(), "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, packageRoot());
  const program = ts.createProgram([join(packageRoot(), "src/index.ts")], options);
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(join(packageRoot(), "src/index.ts"))!)!);
  const target = (symbol: ts.Symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
  const known = new Set(exported.map(target));
  const missing = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node)) return; // a function's signature is looked at, not its body
    const symbol = ts.isTypeReferenceNode(node) ? checker.getSymbolAtLocation(node.typeName) : undefined;
    const named = symbol && target(symbol);
    const ours = named?.declarations?.[0]?.getSourceFile().fileName.startsWith(join(packageRoot(), "src"));
    if (named && ours && !(named.flags & ts.SymbolFlags.TypeParameter) && !known.has(named)) missing.add(named.name);
    ts.forEachChild(node, visit);
  };
  for (const name of contracts) {
    const symbol = exported.find((one) => one.name === name);
    expect(symbol, name).toBeDefined();
    for (const declaration of target(symbol!).declarations!) visit(declaration);
  }
  expect([...missing]).toEqual([]);
});
