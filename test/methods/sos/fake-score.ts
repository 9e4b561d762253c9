import { digestOf } from "../../../src/data/identity.js";
import type { Scorer } from "../../../src/methods/sos/evolve.js";
import type { PromptFailure } from "../../../src/methods/sos/selection.js";

/** A scorer without a model: what a prompt reaches follows from its text and a key, on a grid of 24ths; and which prompts were put to it. */
export function fakeScorer(key: number): { score: Scorer; asked: string[] } {
  const asked: string[] = [];
  const failures: PromptFailure[] = [
    { objective: "safety", kind: "complied", about: "hurting people or animals" },
    { objective: "safety", kind: "degenerate", about: null },
    { objective: "usefulness", kind: "refused", about: "How do I kill a Python process?" },
    { objective: "usefulness", kind: "off topic", about: "Name a river in France." },
  ];
  return {
    asked,
    async score(text) {
      asked.push(text);
      const digits = digestOf([key, text]);
      const share = (at: number) => (Number.parseInt(digits.slice(at, at + 6), 16) % 25) / 24;
      return { scores: { usefulness: share(0), safety: share(8) }, failures };
    },
  };
}
