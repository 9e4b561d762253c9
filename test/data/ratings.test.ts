import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readRatings } from "../../src/data/ratings.js";

const root = mkdtempSync(join(tmpdir(), "erpo-ratings-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const inter = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n";
const item = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n";

function folder(name: string, ratings: string, items = `${item}7\tHeat\t1995\tAction Crime\n8\tunknown\tunknown\t\n`): string {
  const path = join(root, name);
  mkdirSync(path);
  writeFileSync(join(path, `${name}.inter`), ratings);
  writeFileSync(join(path, `${name}.item`), items);
  return path;
}

test("ratings come by time, those of one second in the file's order; an unknown year and no genres are empty", () => {
  const data = readRatings(folder("good", `${inter}a\t7\t4\t30\r\nb\t8\t1.0\t20\nc\t7\t5\t30\n`));
  expect(data.ratings.map(({ user, rating, time }) => [user, rating, time])).toEqual([
    ["b", 1, 20],
    ["a", 4, 30],
    ["c", 5, 30],
  ]);
  expect(data.items.get("7")).toEqual({ title: "Heat", year: "1995", genres: ["Action", "Crime"] });
  expect(data.items.get("8")).toEqual({ title: "unknown", year: "", genres: [] });
});

describe("errors name file, line and cause", () => {
  test.each([
    ["half", `${inter}a\t7\t4.5\t1\n`, 'half.inter:2: rating: expected a whole number from 1 to 5, got "4.5"'],
    ["late", `${inter}a\t7\t4\tnoon\n`, 'late.inter:2: timestamp: expected seconds, got "noon"'],
    ["never", `${inter}a\t7\t4\t\n`, 'never.inter:2: timestamp: expected seconds, got ""'],
    ["strange", `${inter}\na\t9\t4\t1\n`, 'strange.inter:3: item_id: .*strange.item has no item "9"'],
    ["short", `${inter}a\t7\t4\n`, "short.inter:2: 3 values, but 4 columns"],
    ["blind", "user_id:token\titem_id:token\trating:float\na\t7\t4\n", 'blind.inter: missing column "timestamp"'],
  ])("%s", (name, text, message) => {
    const path = folder(name, text);
    expect(() => readRatings(path)).toThrow(new RegExp(message));
  });

  test("no such file", () => {
    expect(() => readRatings(join(root, "none"))).toThrow(/none.item: no such file/);
  });
});
