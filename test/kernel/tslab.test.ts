import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Answer, printed, result, useKernel } from "./client.js";

const kernel = useKernel();

test("a notebook written for tslab runs unedited", async () => {
  const notebook = JSON.parse(readFileSync(new URL("../fixtures/tslab-demo.ipynb", import.meta.url), "utf8"));
  const answers: Answer[] = [];
  for (const cell of notebook.cells) if (cell.cell_type === "code") answers.push(await kernel.run(cell.source.join("")));
  expect(answers.map(({ reply }) => reply.content.evalue ?? reply.content.status)).toEqual(answers.map(() => "ok"));
  expect(result(answers[1]!)).toBe("{ name: 'Alice', age: 20 }");
  expect([printed(answers[2]!), printed(answers[2]!, "stderr")]).toEqual(["Hello Alice!\n", "to stderr\n"]);
  const shown = answers[3]!.outputs.filter((m) => m.header.msg_type === "display_data").map((m) => Object.keys(m.content.data)[0]);
  expect(shown).toEqual(["text/html", "text/markdown", "text/plain", "text/latex", "image/svg+xml", "image/png", "text/plain"]);
  const steps = answers[4]!.outputs.filter((m) => /display_data$/.test(m.header.msg_type));
  expect(steps.map((m) => [m.header.msg_type, m.content.data["text/plain"]])).toEqual([
    ["display_data", "step 0"],
    ["update_display_data", "step 1"],
    ["update_display_data", "step 2"],
  ]);
  expect(new Set(steps.map((m) => m.content.transient.display_id)).size).toBe(1);
  expect(answers.slice(5).map(result)).toEqual(["true", "21", "'DECLARED AGAIN'", "'1.0.22'"]);
});
