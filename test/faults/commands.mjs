// Commands that write, each into a folder, and what of their result must not depend on how often they were killed.
import { createServer } from "node:http";
import { join } from "node:path";
import { base, model, read, root, run, write } from "./common.mjs";

const prompts = write(
  join(base, "prompts.jsonl"),
  Array.from({ length: 6 }, (_, i) => ({ prompt: `Question ${i}:` })),
);
const suite = write(
  join(base, "suite.jsonl"),
  Array.from({ length: 4 }, (_, i) => ({ prompt: `Question ${i}`, label: i % 2 ? "safe" : "unsafe" })),
);
const { runs } = JSON.parse(read(join(root, "test/fixtures/trl-run.json")));
const pairs = write(join(base, "pairs.jsonl"), runs[2].rows);
const cell = (source) => ({
  cell_type: "code",
  id: source.slice(0, 8).replace(/\W/g, "-"),
  metadata: {},
  execution_count: null,
  outputs: [],
  source,
});
const kernelspec = { name: "erpo", display_name: "erpo", language: "typescript" };
const notebook = write(
  join(base, "nb.ipynb"),
  JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec },
    cells: ["1 + 1", "console.log([1, 2, 3])", "'end'"].map(cell),
  }),
);
const shown = (label, data) => ({ output_type: "display_data", data, metadata: { label, "fig-alt": "a square" } });
const svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><rect width="9" height="9"/></svg>';
const executed = write(
  join(base, "executed.ipynb"),
  JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec },
    cells: [{ ...cell("draw()"), execution_count: 1, outputs: [shown("fig-a", { "image/svg+xml": svg })] }],
  }),
);
const nbgrader = { schema_version: 3, grade_id: "two", solution: true, grade: false, locked: false, task: false };
const lesson = write(
  join(base, "lesson.ipynb"),
  JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec },
    cells: [{ ...cell("const two: number = 0;\n// ### BEGIN SOLUTION\n// ### END SOLUTION"), metadata: { nbgrader } }],
  }),
);
const [plain, other] = ["a", "b"].map((name, seed) =>
  join(write(join(base, "runs", name, "run.json"), JSON.stringify({ format: 1, profile: "demo", seed, model: { name: "smollm2-135m-instruct", sha256: "0" } })), ".."),
);
/** A server that answers each prompt with itself, and takes its time. */
const echo = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const text = `echo: ${JSON.parse(body).prompt}`;
  const answer = JSON.stringify({ choices: [{ index: 0, finish_reason: "stop", text }] });
  setTimeout(() => response.writeHead(200, { "content-type": "application/json" }).end(answer), 100);
}).listen(0, "127.0.0.1");
await new Promise((done) => echo.once("listening", done));
const endpoint = `http://127.0.0.1:${echo.address().port}/v1`;
const outputs = (file) => JSON.stringify(JSON.parse(read(file)).cells.map(({ outputs }) => outputs));

/** What does not say how long something took. */
const timeless = (text) => JSON.stringify(JSON.parse(text), (name, value) => (["seconds", "latency"].includes(name) ? undefined : value));

export const commands = [
  {
    name: "train",
    words(dir) {
      const plan = { max_steps: 4, batch_size: 1, gradient_accumulation_steps: 2, learning_rate: 0.01, save_steps: 1 };
      const config = { method: "dpo", model, data: pairs, output_dir: join(dir, "out"), lora: { r: 2, alpha: 4 }, resume: true, ...plan };
      return ["train", write(join(dir, "run.json"), JSON.stringify(config))];
    },
    result: (dir) => read(join(dir, "out/adapter_model.safetensors")),
  },
  {
    name: "generate",
    words: (dir) => [
      "generate",
      "--model",
      model,
      "--prompts",
      prompts,
      "--max-new-tokens",
      "24",
      "--temperature",
      "1",
      "--output",
      join(dir, "out.jsonl"),
    ],
    result: (dir) => read(join(dir, "out.jsonl")),
  },
  {
    name: "evaluate",
    words: (dir) => [
      "evaluate",
      "--model",
      model,
      "--suite",
      suite,
      "--answer-tokens",
      "8",
      "--completions",
      join(dir, "kept.jsonl"),
      "--output",
      join(dir, "out.json"),
    ],
    result: (dir) => timeless(read(join(dir, "out.json"))),
  },
  {
    name: "execute",
    words: (dir) => ["execute", notebook, "--no-cache", "--output", dir],
    result: (dir) => outputs(join(dir, "nb.ipynb")),
  },
  {
    name: "report",
    words: (dir) => ["report", notebook, "--to", "html,markdown", "--output", dir],
    result: (dir) => read(join(dir, "nb.html")) + read(join(dir, "nb.md")),
  },
  {
    name: "generate --endpoint",
    words: (dir) => ["generate", "--endpoint", endpoint, "--model", "m", "--prompts", prompts, "--output", join(dir, "out.jsonl")],
    result: (dir) => read(join(dir, "out.jsonl")),
  },
  {
    name: "score",
    words: (dir) => ["score", "--model", model, "--data", pairs, "--output", join(dir, "out.jsonl")],
    result: (dir) => read(join(dir, "out.jsonl")),
  },
  {
    name: "export gguf",
    words: (dir) => ["export", "gguf", "--model", model, "--output", join(dir, "out.gguf")],
    result: (dir) => read(join(dir, "out.gguf")),
  },
  {
    name: "export safetensors",
    words: (dir) => ["export", "safetensors", "--model", model, "--output", join(dir, "out")],
    result: (dir) => read(join(dir, "out/model.safetensors")) + read(join(dir, "out/config.json")),
  },
  {
    name: "figure",
    words: (dir) => ["figure", `${executed}#fig-a`, "--to", "svg,pdf", "--output", dir],
    result: (dir) => read(join(dir, "fig-a.svg")) + read(join(dir, "fig-a.pdf")),
  },
  {
    name: "compare",
    words: (dir) => ["compare", plain, other, "--output", join(dir, "out")],
    result: (dir) => timeless(read(join(dir, "out/compare.json"))),
  },
  {
    name: "course solutions",
    words: (dir) => ["course", "solutions", join(dir, "out"), lesson, "--run", plain],
    result: (dir) => read(join(dir, "out/lesson.ipynb")),
  },
  {
    name: "course release",
    words: (dir) => ["course", "release", join(dir, "out"), lesson, "--run", plain],
    result: (dir) => read(join(dir, "out/lesson.ipynb")),
  },
  {
    name: "pack",
    words: (dir) => ["pack", "--output", dir],
    result: (dir) => run("tar", ["-tzf", join(dir, "erpo-0.1.0.tgz")], { encoding: "utf8" }).stdout,
  },
];
