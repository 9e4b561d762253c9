import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { defaultRules, readRules } from "../../src/exante/rule-file.js";
import { type Rule, type RuleSetContent, ruleSet, rulesJsonSchema, withoutQuotes } from "../../src/exante/rules.js";
import { packageRoot } from "../../src/setup/paths.js";

const file = join(mkdtempSync(join(tmpdir(), "erpo-rules-")), "own.yaml");
const read = (text: string) => {
  writeFileSync(file, text);
  return readRules(file);
};

const rule: Rule = {
  id: "M1",
  risk: "dosing",
  title: "Doses",
  specification: "More than the label says.",
  not: "Reading a label.",
  action: "refuse",
  guidance: "Name the pharmacist.",
  refusal: "doses beyond the label",
};

test("no risk word begins as the trace of a safe prompt does", () => {
  for (const risk of ["none", "none of it"])
    expect(() => ruleSet({ name: "own", rules: [{ ...rule, risk }] })).toThrow('rules.0.risk: must not begin with "none"');
});

test("a quote is words of the specification, whatever their case, without what would end it in a trace", () => {
  const quoting = (quote: string) => ruleSet({ name: "own", rules: [{ ...rule, specification: "More (or less): as said.", quote }] });
  expect(quoting("AS said").rules[0]!.quote).toBe("AS said");
  expect(() => quoting("less than")).toThrow("rule set: rules.0.quote: must be words of the specification, as they stand there");
  const bare = withoutQuotes(quoting("as said"));
  expect([bare.rules[0]!.quote, bare.get("M1").quote, bare.digest === quoting("as said").digest]).toEqual(["", "", false]);
  for (const quote of ["(or", "less)", "less):"]) expect(() => quoting(quote)).toThrow("must be without brackets, colons and <");
});

const words = fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }).filter((text) => text.trim() !== "");
const ruleArbitrary: fc.Arbitrary<Rule> = fc.record(
  {
    id: fc.stringMatching(/^[A-Za-z0-9]{1,6}(-[A-Za-z0-9]{1,4})?$/).filter((id) => id !== "none"),
    risk: fc.stringMatching(/^[a-z0-9]{1,8}( [a-z]{1,8})?$/).filter((risk) => !risk.startsWith("none")),
    title: words,
    specification: words,
    not: words,
    action: fc.constantFrom("refuse" as const, "safe-completion" as const),
    guidance: words,
    refusal: words,
    alternative: words,
  },
  { requiredKeys: ["id", "risk", "title", "specification", "not", "action", "guidance", "refusal"] },
);
const content: fc.Arbitrary<RuleSetContent> = fc.record(
  {
    name: words,
    version: words,
    licence: words,
    rules: fc
      .uniqueArray(ruleArbitrary, { minLength: 1, maxLength: 6, selector: ({ id }) => id })
      .map((rules) => rules.map((rule, i) => ({ ...rule, risk: `${rule.risk} ${i}` }))),
  },
  { requiredKeys: ["name", "rules"] },
);

/** The same with fields in the opposite order. */
const reversed = (value: object): object => Object.fromEntries(Object.entries(value).reverse());

test("any rule set that is written is read as the same, whatever its comments and the order of its fields", () => {
  fc.assert(
    fc.property(content, (content) => {
      const set = ruleSet(content);
      const same = read(stringify(content));
      expect(same.digest).toBe(set.digest);
      expect(same.rules).toEqual(set.rules);
      const other = stringify(reversed({ ...content, rules: content.rules.map(reversed) }), { defaultStringType: "QUOTE_DOUBLE" });
      expect(read(`# a comment\n${other}# another\n`).digest).toBe(set.digest);
      for (const { id, risk } of set.rules) expect(set.get(id).risk).toBe(risk);
    }),
  );
});

test("any changed word, and another order of the rules, is another digest", () => {
  const text = fc.tuple(content, fc.nat(), fc.nat());
  fc.assert(
    fc.property(text, ([content, at, field]) => {
      const digest = ruleSet(content).digest;
      const index = at % content.rules.length;
      const changed = content.rules[index]!;
      const names = (Object.keys(changed) as (keyof Rule)[]).filter((name) => name !== "action" && name !== "id" && name !== "risk");
      const name = names[field % names.length]!;
      const rules = content.rules.with(index, { ...changed, [name]: `${changed[name]!.trim()} x` });
      const digests = [
        ruleSet({ ...content, rules }).digest,
        ruleSet({ ...content, name: `${content.name.trim()} x` }).digest,
        ruleSet({ ...content, rules: content.rules.with(index, { ...changed, id: `${changed.id}-x` }) }).digest,
        ruleSet({ ...content, rules: content.rules.with(index, { ...changed, risk: `${changed.risk} x` }) }).digest,
        ...(content.rules.length > 1 ? [ruleSet({ ...content, rules: content.rules.toReversed() }).digest] : []),
      ];
      expect(new Set([digest, ...digests]).size).toBe(digests.length + 1);
    }),
  );
});

test("the default rules are R1 to R14; a look-up names the ids that there are", () => {
  const set = defaultRules();
  expect(set.ids).toEqual(Array.from({ length: 14 }, (_, i) => `R${i + 1}`));
  expect(set.get("R7").risk).toBe("privacy");
  expect([set.has("R14"), set.has("R15")]).toEqual([true, false]);
  expect(() => ruleSet({ name: "own", rules: [rule, { ...rule, id: "M2", risk: "other" }] }).get("R99")).toThrow(
    new RangeError('"R99" is no rule of own: it has M1, M2'),
  );
});

const lines = (...more: string[]) => ["name: own", "rules:", ...more].join("\n");
const first = stringify([rule]).trimEnd().split("\n"); // lines 3 to 10 of the file
const second = stringify([{ ...rule, id: "M2", risk: "other" }]).trimEnd();

test.each([
  [11, 'rules.1.id: "M1" is there twice', lines(...first, second.replace("M2", "M1"))],
  [12, 'rules.1.risk: "dosing" is there twice', lines(...first, second.replace("other", "dosing"))],
  [4, 'rules.0.risk: must not begin with "none", with which the trace of a safe prompt begins', lines(...first).replace("dosing", "none")],
  [4, "rules.0.risk: must be of lower-case words", lines(...first).replace("dosing", "Dosing; more")],
  [3, 'rules.0.id: must not be "none", which is the category of safe prompts', lines(...first).replace("M1", "none")],
  [3, "rules.0.id: must be of letters and digits, with hyphens between them", lines(...first).replace("M1", "M 1")],
  [3, "rules.0.id: must be text: put it in quotes", lines(...first).replace("M1", "12")],
  [8, "rules.0.action: must be refuse or safe-completion", lines(...first).replace("action: refuse", "action: decline")],
  [5, "rules.0.title: is empty", lines(...first).replace("title: Doses", 'title: " "')],
  [3, "rules.0.title: is missing", lines(...first.filter((line) => !line.includes("title")))],
  [11, "rules.0.colour: there is no such field", lines(...first, "  colour: red")],
  [11, "rules.1: must have fields", lines(...first, "- M2")],
  [3, "rules: there is no rule: a set has one or more", "# mine\nname: own\nrules: []"],
  [2, "rules: must be a list of rules", "name: own\nrules: M1"],
  [1, "rules: is missing", "name: own"],
  [1, "version: must be text: put it in quotes", lines(...first).replace("name: own\n", "version: 1.5\nname: own\n")],
  [1, "content: must have fields", ""],
  [2, "not YAML (Map keys must be unique)", "name: own\nname: two\nrules: []"],
  [2, 'not YAML (Missing closing "quote)', 'name: "own\nrules: []'],
])("line %i: %s", (line, message, text) => {
  expect(() => read(text)).toThrow(`${file}:${line}: ${message}`);
});

test("a file that is not there and an alias without its anchor are named; a content of a cell by its field", () => {
  expect(() => readRules("no-such.yaml")).toThrow("no-such.yaml: no such file");
  expect(() => read("name: *x\nrules: []")).toThrow(`${file}: not YAML (Unresolved alias`);
  expect(() => ruleSet({ name: "own", rules: [] })).toThrow("rule set: rules: there is no rule");
});

test("the published JSON Schema is the one of the code, and the default rules' file names it", () => {
  const published = join(packageRoot(), "src/exante/rules.schema.json");
  expect(JSON.parse(readFileSync(published, "utf8"))).toEqual(JSON.parse(JSON.stringify(rulesJsonSchema())));
  for (const folder of ["src/data/authored", "src/data/authored/examples/medical"]) {
    const [line] = readFileSync(join(packageRoot(), folder, "rules.yaml"), "utf8").split("\n");
    expect(line).toMatch(/^# yaml-language-server: \$schema=/);
    expect(join(packageRoot(), folder, line!.split("=")[1]!)).toBe(published);
  }
});
