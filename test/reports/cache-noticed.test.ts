import { chmodSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { executeNotebook } from "../../reports/execute/execute.js";
import { code, writeNotebook } from "./notebooks.js";
import { useOwnCache } from "./own-cache.js";

useOwnCache();

/** What a cell can ask of its surroundings, and how these change. One with `reason` is never kept. */
interface Question {
  source: string;
  change?: (folder: string) => void;
  reason?: string;
}

const toFolder = (name: string) => (folder: string) => {
  rmSync(join(folder, name));
  mkdirSync(join(folder, name));
};

const questions: Record<string, Question> = {
  "the time of a file that is open": {
    source: '(await (await fs.promises.open("f", "r")).stat()).mtimeMs',
    change: (folder) => utimesSync(join(folder, "f"), 1, 1),
  },
  "whether a file may be executed": {
    source: '(() => { try { fs.accessSync("f", fs.constants.X_OK); return true; } catch { return false; } })()',
    change: (folder) => chmodSync(join(folder, "f"), 0o755),
  },
  "a file of variables": {
    source: '(process.loadEnvFile("env.txt"), process.env.FROM_FILE)',
    change: (folder) => writeFileSync(join(folder, "env.txt"), "FROM_FILE=two"),
  },
  "what the names of a folder are": {
    source: 'fs.readdirSync("dd", { withFileTypes: true }).map((entry) => entry.isDirectory())',
    change: toFolder("dd/a"),
  },
  "what an opened folder gives": {
    source: '(await fs.opendirSync("dd").read())?.isDirectory()',
    change: toFolder("dd/a"),
  },
  "whether a module is there": {
    source: '(() => { try { return require.resolve("./maybe.js"); } catch { return "none"; } })()',
    change: (folder) => writeFileSync(join(folder, "maybe.js"), ""),
  },
  "whether a package is there": {
    source: 'await import("maybe-package" as string).then(() => true, () => false)',
    change: (folder) => {
      mkdirSync(join(folder, "node_modules", "maybe-package"), { recursive: true });
      writeFileSync(join(folder, "node_modules", "maybe-package", "index.js"), "");
    },
  },
  "how full a disk is": { source: "fs.statfsSync(os.tmpdir()).type", reason: "it calls fs.statfs" },
  "a report of the process": {
    source: "typeof (process.report.getReport() as any).environmentVariables.TERM",
    reason: "it calls process.report.getReport",
  },
};

test.each(Object.entries(questions))("%s counts", async (_, { source, change, reason }) => {
  const path = writeNotebook([code('import fs from "node:fs";\nimport os from "node:os";'), code(`console.log(${source})`)]);
  const folder = dirname(path);
  const output = join(folder, "out", "nb.ipynb");
  mkdirSync(join(folder, "dd"));
  for (const name of ["f", "dd/a"]) writeFileSync(join(folder, name), "");
  writeFileSync(join(folder, "env.txt"), "FROM_FILE=one");
  const run = () => executeNotebook(path, { output, cache: { after: [] } });
  const first = await run();
  if (reason !== undefined) return expect(first.uncached).toContain(reason);
  const shown = readFileSync(output, "utf8");
  expect(first.uncached).toBeUndefined();
  expect((await run()).cached).toBeDefined();
  change!(folder);
  expect((await run()).cached).toBeUndefined();
  expect(readFileSync(output, "utf8")).not.toBe(shown);
});

test("a notebook with packages that look around in Node is kept", async () => {
  const path = writeNotebook([code('import * as dfd from "danfojs-node";\nconsole.log(new dfd.Series([1]).shape);')]);
  const run = () => executeNotebook(path, { output: join(dirname(path), "out", "nb.ipynb"), cache: { after: [] } });
  expect((await run()).uncached).toBeUndefined();
  expect((await run()).cached).toBeDefined();
});
