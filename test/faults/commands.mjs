// Commands that write, each into a folder, and what of their result must not depend on how often they were killed.
import { join } from "node:path";
import { base, model, read, root, write } from "./common.mjs";

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
];
