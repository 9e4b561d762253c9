import { expect, test } from "vitest";
import { declaredParameters } from "../../reports/execute/parameters.js";
import { parseNotebook } from "../../reports/notebook/read.js";
import { code, notebookJSON } from "./notebooks.js";

const declared = (source: string) =>
  declaredParameters(parseNotebook(notebookJSON([code("let seed = 9;"), code(source, [], { tags: ["parameters"] })]), "nb.ipynb"));

test("what papermill has set stands for what the notebook declares, where it is asked for", () => {
  const cells = [
    code("let beta = 0.1;\nlet seed = 1;", [], { tags: ["parameters"] }),
    code("// Parameters\nlet beta = 0.5;", [], { tags: ["injected-parameters"] }),
  ];
  const notebook = parseNotebook(notebookJSON(cells), "nb.ipynb");
  expect(declaredParameters(notebook)).toEqual({ beta: 0.1, seed: 1 });
  expect(declaredParameters(notebook, ["parameters", "injected-parameters"])).toEqual({ beta: 0.5, seed: 1 });
});

test("a parameters cell's plain values are read, others left aside", () => {
  const source =
    'let profileName = "quick"; // or "full"\nlet seed = 1;\nconst rate: number = -1e-4;\nlet level: "a" | "b" = "a";\nlet on = true;\nlet made = f(2);';
  expect(declared(source)).toEqual({ profileName: "quick", seed: 1, rate: -1e-4, level: "a", on: true });
  expect(declared("export const dir = '../runs/a';\nlet big = 1_000;\nlet twice = 2 * 0.1\nlet half = .5;\nlet on = true // yes")).toEqual({
    dir: "../runs/a",
    on: true,
  });
});
