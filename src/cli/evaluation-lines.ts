import type { Proportion } from "../evaluation/intervals.js";
import type { LabelReport, SuiteBalance } from "../evaluation/labels.js";
import type { AnswerShares, SuiteMetrics } from "../evaluation/report.js";
import type { Perplexity } from "../evaluation/usefulness.js";
import { percent } from "./output.js";

/** What `erpo evaluate` measures of one suite in one form. `labels` and `balancedAccuracy` are there where its prompts have both labels. */
export interface Measures extends Partial<LabelReport> {
  metrics: SuiteMetrics;
  perplexity?: Perplexity;
}

/** The measures as lines for a terminal: each label apart; refusals by family and by category where a label has more than one. */
export function evaluationLines({ metrics, labels, balancedAccuracy, perplexity }: Measures): string[] {
  const answers = labels
    ? [
        ...(["unsafe", "safe"] as const).flatMap((label) => [
          `${label}, ${labels[label].n} ${labels[label].n === 1 ? "prompt" : "prompts"}`,
          ...lines(answersOf(labels[label]), "  "),
        ]),
        `balanced accuracy  ${balanceInWords(balancedAccuracy!)}`,
      ]
    : lines(answersOf(metrics));
  const ofPerplexity =
    perplexity && `${perplexity.perplexity.toFixed(2)} (95%: ${perplexity.low.toFixed(2)} to ${perplexity.high.toFixed(2)})`;
  return [
    ...answers,
    ...lines({ "whole traces": metrics.traceValid }),
    ...(ofPerplexity ? [`perplexity    ${ofPerplexity}`] : []),
    ...(labels
      ? (["unsafe", "safe"] as const).flatMap((label) => refusedByType(labels[label], `${label} refused`))
      : refusedByType(metrics, "refused")),
  ];
}

const answersOf = ({ refused, complied, degenerate }: AnswerShares) => ({ refused, complied, degenerate });

function lines(shares: Record<string, Proportion>, indent = ""): string[] {
  const width = Math.max(12, ...Object.keys(shares).map((name) => name.length)) + 2;
  return Object.entries(shares).map(([name, share]) => `${indent}${name.padEnd(width)}${percent(share)}`);
}

function refusedByType({ families, categories }: Pick<SuiteMetrics, "families" | "categories">, what: string): string[] {
  const groups = Object.entries({ family: families, category: categories }).filter(([, parts]) => Object.keys(parts).length > 1);
  return groups.flatMap(([kind, parts]) => [
    `${what} by ${kind}`,
    ...lines(Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.refused])), "  "),
  ]);
}

function balanceInWords({ value, low, high, frames }: SuiteBalance): string {
  const of = (x: number) => (100 * x).toFixed(1);
  const how = frames === null ? "of the two shares" : `bootstrap over ${frames} frames`;
  return `${of(value)}% (95%: ${of(low)} to ${of(high)}, ${how})`;
}
