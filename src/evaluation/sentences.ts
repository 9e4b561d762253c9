import type { PairedTest } from "./intervals.js";

/**
 * What a paired comparison says, in words that follow from its numbers: which of two policies is right more often, and whether chance explains that (McNemar's exact p
 * against 0.05).
 * @param prompts what was compared, such as "dev prompts"
 */
export function comparisonInWords(first: string, second: string, { onlyA, onlyB, p }: PairedTest, prompts: string): string {
  const counts = `on ${onlyB} ${prompts} only ${second} is right, on ${onlyA} only ${first}`;
  if (onlyA + onlyB === 0) return `${first} and ${second} are right on the same ${prompts}.`;
  const sized = p < 0.001 ? "p < 0.001" : `p = ${p.toPrecision(2)}`;
  if (p >= 0.05) return `${capital(counts)}: chance explains that (${sized}), so these prompts show no difference.`;
  return `${capital(counts)}: ${onlyB > onlyA ? second : first} is right more often, which chance does not explain (${sized}).`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
