import { diffWordsWithSpace } from "diff";
import { parseTrace, redactText } from "../../src/index.js";
import { escapeHTML } from "../html/escape.js";
import type { Answer } from "./evaluations.js";
import { type PairedTrial, refused, sameAnswer } from "./paired.js";

/** How many prompts of a policy are shown, and of each how many completions that differ from the baseline's. */
const SHOWN_PROMPTS = 6;
const SHOWN_COMPLETIONS = 5;

/** A prompt that at least one run answers otherwise than the baseline does. */
export interface Sample {
  id: string;
  title: string;
  /** Prompts and completions that may be harmful are not shown in full. */
  harmful: boolean;
  baseline: Answer;
  /** Other answers and the runs that gave them, most runs first. */
  others: { runs: string[]; answer: Answer }[];
  /** Runs that answer as the baseline does. */
  same: string[];
}

/** Prompts of a policy to show: those on which runs differ in what is refused come before those on which they differ in words. */
export function samplesOf(trials: readonly PairedTrial[]): { shown: Sample[]; differing: number } {
  const samples = new Map<string, Sample>();
  for (const { trial, title, harmful, run, pairs } of trials) {
    for (const pair of pairs) {
      const [baseline, answer] = pair;
      const key = `${trial} ${baseline.id}`;
      const sample = samples.get(key) ?? {
        ...{ id: baseline.id, title, baseline, others: [], same: [] },
        harmful: harmful || baseline.label !== "safe" || answer.label !== "safe",
      };
      samples.set(key, sample);
      const known = sample.others.find((other) => sameAnswer([other.answer, answer]));
      if (sameAnswer(pair)) sample.same.push(run);
      else if (known) known.runs.push(run);
      else sample.others.push({ runs: [run], answer });
    }
  }
  const differing = [...samples.values()].filter(({ others }) => others.length > 0);
  const turned = ({ baseline, others }: Sample) => others.some(({ answer }) => refused(answer) !== refused(baseline));
  const groups = [differing.filter(turned), differing.filter((sample) => !turned(sample))].map(inTurn);
  for (const { others } of differing) others.sort((a, b) => b.runs.length - a.runs.length);
  return { shown: groups.flat().slice(0, SHOWN_PROMPTS), differing: differing.length };
}

/** One prompt of each trial, then the second of each, so that a few of them are of all kinds. */
function inTurn(samples: readonly Sample[]): Sample[] {
  const rank = new Map<Sample, number>();
  const counts = new Map<string, number>();
  for (const sample of samples) {
    const count = counts.get(sample.title) ?? 0;
    rank.set(sample, count);
    counts.set(sample.title, count + 1);
  }
  return [...samples].sort((a, b) => rank.get(a)! - rank.get(b)!);
}

/**
 * A table of samples: under each prompt a row for the baseline's completion and one for each other completion, with its differences from
 * the baseline's word by word. Where refusing is right, or the prompt is unsafe, prompt and completion are redacted.
 *
 * @param prompts texts by id
 */
export function samplesHTML(samples: readonly Sample[], baseline: string, prompts: ReadonlyMap<string, string>): string {
  const rows = samples.flatMap((sample) => {
    const { id, title, harmful, others, same } = sample;
    const text = prompts.get(id);
    const shown = text === undefined ? "" : `: ${harmful ? redactText(text) : text}`;
    const head = `<tr><th colspan="2" scope="colgroup">${escapeHTML(`${title}, ${id} (${sample.baseline.label}, ${sample.baseline.category})${shown}`)}</th></tr>`;
    const more = others.slice(SHOWN_COMPLETIONS).flatMap(({ runs }) => runs);
    return [
      head,
      row([baseline, ...same], sample.baseline, harmful ? redacted(sample.baseline) : escapeHTML(sample.baseline.completion ?? "")),
      ...others
        .slice(0, SHOWN_COMPLETIONS)
        .map(({ runs, answer }) => row(runs, answer, harmful ? redacted(answer) : changes(sample.baseline.completion, answer.completion))),
      ...(more.length ? [`<tr><th scope="row">${names(more)}</th><td>other completions, not shown</td></tr>`] : []),
    ];
  });
  return `<table>\n<thead>\n<tr><th scope="col">run</th><th scope="col">completion</th></tr>\n</thead>\n<tbody>\n${rows.join("\n")}\n</tbody>\n</table>`;
}

const row = (runs: readonly string[], answer: Answer, html: string) =>
  `<tr><th scope="row">${names(runs)}<br><small>${answer.judgement}, ${answer.tokens} tokens</small></th><td>${html || "–"}</td></tr>`;

const names = (runs: readonly string[]) => {
  const rest = runs.length - 3;
  return escapeHTML(rest > 1 ? `${runs.slice(0, 3).join(", ")} and ${rest} more` : runs.join(", "));
};

/** What may be said of a completion to a harmful prompt: how it begins and what its trace decided. */
function redacted({ completion }: Answer): string {
  if (completion === undefined) return "";
  const trace = parseTrace(completion);
  const decision = trace ? `, ${trace.rule ?? "no rule"} ${trace.verdict}` : "";
  return escapeHTML(`${redactText(trace ? trace.answer : completion)}${decision}`);
}

/** The second text with what was taken out of the first and put in, word by word; plain where too little is left of the first. */
export function changes(before = "", after = ""): string {
  const parts = diffWordsWithSpace(before, after);
  const kept = parts.filter(({ added, removed }) => !added && !removed).reduce((sum, { value }) => sum + value.trim().length, 0);
  if (kept < 0.3 * Math.max(before.length, after.length)) return escapeHTML(after);
  return parts
    .map(({ value, added, removed }) => {
      const text = escapeHTML(value);
      return added ? `<ins>${text}</ins>` : removed ? `<del>${text}</del>` : text;
    })
    .join("");
}
