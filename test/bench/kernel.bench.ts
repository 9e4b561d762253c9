import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { install } from "../../kernel/install.js";
import { packageRoot } from "../../src/setup/paths.js";
import { makeTestPython, testPython } from "../kernel/python-env.js";
import { machine, median } from "./common.js";

const ROUNDS = 5;

/** Each kernel's figures, one a round. */
type Figures = Record<string, Record<string, number[]>>;

test("kernels: start, cells, loops, memory", () => {
  makeTestPython();
  const python = testPython()!;
  const prefix = mkdtempSync(join(tmpdir(), "erpo-bench-"));
  install({ prefix });
  execFileSync(python, ["-m", "ipykernel", "install", "--prefix", prefix, "--name", "python3"], { stdio: "ignore" });
  const tslab = join(packageRoot(), "node_modules", ".bin", "tslab");
  execFileSync(tslab, ["install", "--prefix", prefix, "--binary", tslab, "--python", python], { stdio: "ignore" });

  const script = fileURLToPath(new URL("kernel_bench.py", import.meta.url));
  const output = execFileSync(python, [script, String(ROUNDS), process.execPath, "erpo", "python3", "tslab"], {
    cwd: packageRoot(),
    env: { ...process.env, JUPYTER_PATH: join(prefix, "share", "jupyter") },
    encoding: "utf8",
    maxBuffer: 1e8,
  });
  const figures = JSON.parse(output.trim().split("\n").at(-1)!) as Figures;
  const kernels = Object.keys(figures);
  const rows = [...new Set(kernels.flatMap((name) => Object.keys(figures[name]!)))];
  const cell = (name: string, row: string) => {
    const values = figures[name]![row];
    return values ? `${median(values).toPrecision(3)} (${Math.min(...values).toPrecision(3)}-${Math.max(...values).toPrecision(3)})` : "";
  };
  const ratio = (row: string) => {
    const other = figures.python3![row];
    return other ? (median(figures.erpo![row]!) / median(other)).toFixed(2) : "";
  };
  console.log(machine());
  console.log(`medians of ${ROUNDS} rounds (range), ms unless said otherwise\n`);
  console.log(`| | ${kernels.join(" | ")} | erpo / ipykernel |`);
  console.log(`|---|${kernels.map(() => "---").join("|")}|---|`);
  for (const row of rows) console.log(`| ${row} | ${kernels.map((name) => cell(name, row)).join(" | ")} | ${ratio(row)} |`);
});
