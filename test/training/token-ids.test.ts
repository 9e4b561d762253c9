import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { formatJsonl } from "../../src/data/jsonl.js";
import { pairToColumns, rowToColumns } from "../../src/data/token-rows.js";
import { readPlan } from "../../src/training/plan-file.js";
import { type RowModel, readTokenPairs, readTokenRows } from "../../src/training/rows.js";

/** A RUN.json's rows of token ids and its file of batches. */

const root = mkdtempSync(join(tmpdir(), "erpo-ids-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const file = join(root, "rows.jsonl");
const model = { config: { vocabSize: 10, maxPositions: 6 } } as RowModel; // its tokenizer is not needed
const write = (...rows: object[]) => writeFileSync(file, formatJsonl(rows));
const uncut = { maxLength: null };

test("rows and pairs are read as they were written", () => {
  const rows = [
    { prompt: [1, 2], completion: [3, 4], weights: [0.1, 1] },
    { prompt: [], completion: [5, 6] },
  ];
  write(...rows.map(rowToColumns));
  expect(readTokenRows(file, model, uncut)).toEqual({ rows, leftOut: [] });
  const pairs = [
    { prompt: [1], chosen: [2], rejected: [3, 4], reference: { chosen: -0.1, rejected: -2.5 } },
    { prompt: [1], chosen: [2], rejected: [3] },
    { prompt: [1], chosen: [2, 5], rejected: [3], weights: { chosen: [1, 0], rejected: [1] } },
  ];
  write(...pairs.map(pairToColumns));
  expect(readTokenPairs(file, model, uncut)).toEqual({ rows: pairs, leftOut: [] });
});

test("max_length cuts weights with their tokens and leaves out what has no token left", () => {
  write({ prompt_ids: [1, 2], completion_ids: [3, 4], weights: [0.5, 1] }, { prompt_ids: [1, 2, 3], completion_ids: [4] });
  const rows = [{ prompt: [1, 2], completion: [3], weights: [0.5] }];
  expect(readTokenRows(file, model, { maxLength: 3 })).toEqual({ rows, leftOut: [2] });
  write({ prompt_ids: [1], chosen_ids: [2, 3, 4], rejected_ids: [5], chosen_weights: [1, 0.5, 0], rejected_weights: [1] });
  const pairs = [{ prompt: [1], chosen: [2, 3], rejected: [5], weights: { chosen: [1, 0.5], rejected: [1] } }];
  expect(readTokenPairs(file, model, { maxLength: 3 })).toEqual({ rows: pairs, leftOut: [] });
  write({ prompt_ids: [1, 2, 3], chosen_ids: [4], rejected_ids: [5] }, { prompt_ids: [1], chosen_ids: [4], rejected_ids: [5] });
  expect(readTokenPairs(file, model, { maxLength: 3 })).toEqual({ rows: [{ prompt: [1], chosen: [4], rejected: [5] }], leftOut: [1] });
});

test("a row may fill the model's positions", () => {
  write({ prompt_ids: [1, 2, 3, 4], completion_ids: [5, 6] });
  expect(readTokenRows(file, model, uncut).rows).toHaveLength(1);
});

test.each([
  [{ prompt_ids: [1], completion_ids: [2], weights: [] }, ":1: weights: must have a number for each of completion_ids"],
  [{ prompt_ids: [1], completion_ids: [2], weights: [-1] }, ":1: weights.0: Too small: expected number to be >=0"],
  [{ prompt_ids: [1], completion_ids: [] }, ":1: completion_ids: Too small"],
  [{ prompt_ids: [1], completion_ids: [10] }, ": row 1: token 10 is not among the model's 10"],
  [{ prompt_ids: [1, 2, 3, 4], completion_ids: [5, 6, 7] }, ": row 1: 7 tokens, but the model has 6 positions"],
])("a row that cannot be trained on is named: %o", (row, message) => {
  write(row);
  expect(() => readTokenRows(file, model, uncut)).toThrow(`${file}${message}`);
});

test.each([
  [{ chosen_weights: [1], rejected_weights: [1] }, ":1: chosen_weights: must have a number for each of chosen_ids"],
  [{ chosen_weights: [1, 1], rejected_weights: [] }, ":1: rejected_weights: must have a number for each of rejected_ids"],
  [{ chosen_ids: [2], rejected_ids: [3, 4], ref_chosen_logps: -1, ref_rejected_logps: -1 }, ": row 1: its ref_chosen_logps are of more"],
  [{ rejected_weights: [1] }, ":1: chosen_weights: and rejected_weights belong together"],
  [{ ref_chosen_logps: -1 }, ":1: ref_chosen_logps: and ref_rejected_logps belong together"],
  [{ ref_chosen_logps: -1, ref_rejected_logps: -1 }, ": row 1: its ref_chosen_logps are of more tokens than max_length 2 keeps"],
])("a pair that cannot be trained on is named: %o", (more, message) => {
  write({ prompt_ids: [1], chosen_ids: [2, 3], rejected_ids: [4], ...more });
  expect(() => readTokenPairs(file, model, { maxLength: 2 })).toThrow(`${file}${message}`);
});

test.each([
  ["[[0, 1], [1]]", [], undefined],
  ["[[0], [2]]", [], "step 2 has row 2, but the data's rows are 0 to 1"],
  ["[[0], []]", [], "must be a list of lists of row numbers: [1]: Too small"],
  ["[0]", [], "must be a list of lists of row numbers: [0]: Invalid input"],
  ["[[0]", [], "not JSON"],
  ["[[0]]", [3], "row 3 of the data is left out by max_length"],
])("a plan: %s", (text, leftOut, message) => {
  const plan = join(root, "plan.json");
  writeFileSync(plan, text);
  const read = () => readPlan(plan, { rows: ["a", "b"], leftOut });
  if (message) expect(read).toThrow(`${plan}: ${message}`);
  else expect(read()).toEqual(JSON.parse(text));
});
