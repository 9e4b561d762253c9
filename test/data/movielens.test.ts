import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { checkMovieLensTerms, movieLensFolder, readMovieLens } from "../../src/data/movielens.js";
import { timeSplit } from "../../src/methods/reason4rec/split.js";
import { SetupError } from "../../src/setup/files.js";
import { packageRoot } from "../../src/setup/paths.js";

const { ERPO_CACHE: given, PATH: programs } = process.env;
const root = mkdtempSync(join(tmpdir(), "erpo-movielens-"));
afterAll(() => {
  if (given === undefined) delete process.env.ERPO_CACHE;
  else process.env.ERPO_CACHE = given;
  rmSync(root, { recursive: true, force: true });
});

describe("where MovieLens 100K is not in the cache", () => {
  let cache: string;
  beforeEach(() => {
    cache = mkdtempSync(join(root, "cache-"));
    process.env.ERPO_CACHE = cache;
  });

  test.each([undefined, "", "gemma"])(
    "its terms, accepted as %s, are named with the command that accepts them, and nothing is fetched",
    async (accepted) => {
      await expect(movieLensFolder(accepted)).rejects.toThrow(
        /^movielens-100k: MovieLens 100K is given under the terms of GroupLens, https:\/\/files.grouplens.org\S+README.txt .*nobody redistributes it, uses it commercially.*nothing was downloaded.*erpo setup --data movielens-100k --accept-terms grouplens$/,
      );
      expect(readdirSync(cache)).toEqual([]);
    },
  );

  test("its terms are named before a download that they are accepted for", async () => {
    process.env.PATH = "/nonexistent"; // no pip
    const lines: string[] = [];
    try {
      await expect(readMovieLens("grouplens", (line) => void lines.push(line))).rejects.toThrow(/is fetched with pip/);
    } finally {
      process.env.PATH = programs;
    }
    expect(lines[0]).toContain("https://files.grouplens.org/");
  });

  test("erpo setup refuses without the terms (1), and other data or two things at once (2)", () => {
    const setup = (...words: string[]) => {
      const { status, stderr } = spawnSync(process.execPath, [join(packageRoot(), "src/setup/bootstrap.mjs"), "setup", ...words], {
        encoding: "utf8",
      });
      return { status, last: stderr.trim().split("\n").at(-1) };
    };
    expect(setup("--data", "movielens-100k")).toMatchObject({ status: 1, last: expect.stringContaining("--accept-terms grouplens") });
    expect(setup("--data", "netflix")).toMatchObject({ status: 2, last: expect.stringContaining("known: movielens-100k") });
    expect(setup("--data", "movielens-100k", "--model", "gemma-3-270m").status).toBe(2);
    expect(setup("--accept-terms", "grouplens").status).toBe(2);
    expect(readdirSync(cache)).toEqual([]);
  }, 180_000);
});

test("the pinned wheel has 100,000 ratings of 1,682 films by 943 users, no file about users, and enough to predict", async (context) => {
  process.env.ERPO_CACHE = join(root, "fetched"); // apart: whoever runs tests has not accepted the terms for the rest
  let folder: string;
  try {
    folder = await movieLensFolder("grouplens");
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return context.skip(`MovieLens 100K cannot be fetched: ${error.message}`);
  }
  checkMovieLensTerms(); // it is there now
  expect(readdirSync(folder).sort()).toEqual(["ml-100k.inter", "ml-100k.item"]);
  const sha256 = createHash("sha256")
    .update(readFileSync(join(folder, "ml-100k.inter")))
    .digest("hex");
  expect(sha256).toBe("4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff");
  const data = await readMovieLens();
  expect(data.ratings).toHaveLength(100_000);
  expect([new Set(data.ratings.map(({ user }) => user)).size, data.items.size]).toEqual([943, 1682]);
  const { train, test: tested } = timeSplit(data);
  expect([train.targets.length, tested.targets.length]).toEqual([3420, 2917]); // counted by another script
  expect(new Set(tested.targets.map(({ user }) => user)).size).toBe(108);
}, 180_000);
