import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { changedProfile, type Profile, profile, profileDifferences } from "../../src/runs/profile.js";
import { reopenRun } from "../../src/runs/run.js";
import { fixture } from "../model/open.js";
import { openTiny, runsFolder } from "./tiny-run.js";

/** Profiles as values: what a file says, what a run keeps of them, and what is refused. */

const folder = runsFolder();
afterAll(folder.remove);

function written(name: string, content: unknown): string {
  const path = folder.path(name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

const first = await openTiny(folder.path("first")); // makes the folder too
const { model } = first;

test("a file changes what it names of the profile that it extends, and nothing else", () => {
  const tiny = profile("tiny");
  const change = fc.record(
    {
      answerTokens: fc.integer({ min: 100, max: 999 }),
      stage1: fc.record(
        {
          verbose: fc.constantFrom(0, 0.25, 1),
          corrections: fc.constantFrom(0, 0.25),
          quotes: fc.constant(false),
          verdictWeight: fc.constant(0),
        },
        { requiredKeys: [] },
      ),
      stage3: fc.record({ rounds: fc.constantFrom(0, 1, 3), efficiency: fc.constant(false) }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(change, (changes) => {
      const read = profile(written("changed.json", { extends: "tiny", ...changes }));
      const { stage1 = {}, stage3 = {}, ...flat } = changes;
      const named = [
        ...Object.keys(flat),
        ...Object.keys(stage1).map((field) => `stage1.${field}`),
        ...Object.keys(stage3).map((field) => `stage3.${field}`),
      ];
      expect(read.name).toBe("changed");
      expect(profileDifferences(tiny, read).map((text) => text.split(" ")[0])).toEqual(named.sort());
      expect(read).toEqual({
        ...tiny,
        ...changes,
        name: "changed",
        stage1: { ...tiny.stage1, ...stage1 },
        stage3: { ...tiny.stage3, ...stage3 },
      });
    }),
  );
  expect(profile(written("of-quick.json", { stage3: { rounds: 0 } })).stage1).toEqual(profile("quick").stage1);
});

test.each([
  [{ stage1: { corections: 0 } }, "stage1.corections: there is no such field; there are decisionTokens, decisionPasses, decisionRate, "],
  [{ ranks: 3 }, "ranks: there is no such field; there are name, notebooks, rank, firstLayer, stage1, "],
  [{ stage1: { corrections: 1.5 } }, "stage1.corrections: must be a number from 0 to 1"],
  [{ stage1: { quotes: "no" } }, "stage1.quotes: must be true or false"],
  [{ stage1: 3 }, "stage1: must have fields"],
  [{ stage3: { rounds: -1 } }, "stage3.rounds: must be a whole number of 0 or more"],
  [{ stage2: { prompts: 2.5 } }, "stage2.prompts: must be a whole number of 1 or more"],
  [{ name: "../up" }, "name: must be of letters, digits, dots, hyphens and underscores"],
  [{ extends: "huge" }, 'extends: "huge" is no built-in profile: choose quick, full, demo or tiny'],
  [{ name: "full" }, 'name: "full" is a built-in profile (with '],
])("%j is refused", (content, words) => {
  const path = written("wrong.json", content);
  expect(() => profile(path)).toThrow(`${path}: ${words}`);
});

test("a name that is neither a profile nor a JSON file is refused with the names that there are", () => {
  expect(() => profile("huge")).toThrow('profile "huge" does not exist: choose quick, full, demo or tiny, or a .json file');
  expect(() => profile(folder.path("nowhere.json"))).toThrow("nowhere.json: ");
});

test("a run keeps the whole profile where it is no built-in one, and opens again without its file", async () => {
  const record = (dir: string) => JSON.parse(readFileSync(`${dir}/run.json`, "utf8"));
  const path = written("no-corrections.json", { extends: "tiny", stage1: { corrections: 0 } });
  const run = await openTiny(folder.path("own"), { profile: path });
  expect(record(run.dir)).toMatchObject({ profile: "no-corrections", settings: run.profile });
  expect(record(first.dir)).toMatchObject({ profile: "tiny" });
  expect(record(first.dir).settings).toBeUndefined();
  writeFileSync(path, "{}");
  expect((await reopenRun(run.dir, { model })).profile).toEqual(run.profile);

  const { verbose: _, ...older } = run.profile.stage1; // of a version without this knob
  writeFileSync(run.path("run.json"), JSON.stringify({ ...record(run.dir), settings: { ...run.profile, stage1: older } }));
  expect((await reopenRun(run.dir, { model })).profile).toEqual(run.profile);
});

test("another profile than the stored one is refused by what differs; one of the same values is the same", async () => {
  const dir = folder.path("stored");
  const stored = changedProfile(profile("tiny"), { name: "stored", stage1: { corrections: 0 } });
  await openTiny(dir, { profile: stored });
  const open = (given: string | Profile) => openTiny(dir, { profile: given });
  await expect(open("tiny")).rejects.toThrow(
    `${dir} holds a run with profile stored, not tiny (stage1.corrections 0, not 1): open it with that profile (run.json has it as \`settings\`), or choose another folder`,
  );
  await expect(open(changedProfile(stored, { stage3: { rounds: 1 } }))).rejects.toThrow("not stored (stage3.rounds 2, not 1)");
  expect((await open({ ...stored, name: "renamed" })).profile.name).toBe("stored");
  await expect(openTiny(first.dir, { profile: "quick", model: fixture("llama-tiny") })).rejects.toThrow(
    /profile tiny, not quick \(answerTokens 8, not 32; evaluation\.attackPrompts 2, not 20; evaluation\.devPrompts 4, not 100; \.\.\.\)/,
  );
});

test("a run of another seed or built-in profile names the option that opens it, and advises nobody to remove it", async () => {
  const ways = (word: string, option: string) => `open it with that ${word} (${option}), or choose another folder`;
  await expect(openTiny(first.dir, { seed: 2 })).rejects.toThrow(
    `${first.dir} holds a run with seed 1, not 2: ${ways("seed", "{ seed: 1 }, or --seed 1")}`,
  );
  await expect(openTiny(first.dir, { profile: "quick" })).rejects.toThrow(ways("profile", '{ profile: "tiny" }, or --profile tiny'));
});

test("a record that names no built-in profile and does not say what it was is refused", async () => {
  const run = await openTiny(folder.path("nameless"));
  writeFileSync(run.path("run.json"), readFileSync(run.path("run.json"), "utf8").replace('"tiny"', '"mine"'));
  await expect(reopenRun(run.dir, { model })).rejects.toThrow('run.json: profile "mine" is no built-in one, and what it says is not noted');
});
