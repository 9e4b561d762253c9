/** What students write into one exercise: the code between its solution's marks; a list where it has several. */
export interface Answers {
  /** Right ones that are written otherwise than the lesson's solution. */
  right: (string | string[])[];
  /** Wrong ones that the check in a student's copy tells. */
  wrong: (string | string[])[];
  /** Wrong ones that only the hidden tests tell: the shown numbers written out, or a case that the check leaves to the student. */
  hidden: (string | string[])[];
}

/** Code in the place of the cells that a lesson's exercises take something from, by the lesson's number: no run is opened. */
export const preludes: Record<string, string> = {
  "1": `import assert from "node:assert";
    import { type JudgedRow, wilson } from "erpo";`,
  "2": `import assert from "node:assert/strict";
    import * as tf from "@tensorflow/tfjs";
    import { openDevice, sft } from "erpo";
    await openDevice();
    const near = (a: number, b: number, tolerance = 1e-6) => Math.abs(a - b) <= tolerance;
    const prompt = [1, 5, 6, 7, 8, 2];
    const completion = [9, 10, 11, 12, 13, 0];
    const logps = [-1.2, -0.1, -3.4, -0.02, -2.2, -0.7];`,
  "3": `import assert from "node:assert";
    const close = (a: number, b: number, by = 1e-6) => Math.abs(a - b) < by;`,
  "4": `import assert from "node:assert/strict";
    import { auc } from "erpo";
    const mean = (xs: number[]) => xs.reduce((sum, x) => sum + x, 0) / xs.length;`,
  "5": `import assert from "node:assert/strict";
    import { intervene, loadModel, parseTrace, type Scores } from "erpo";
    const { tokenizer } = await loadModel(modelName);
    const scores: Scores = { positives: [2.1, -0.3, 1.4, 3.3, 0.2, -1.1], negatives: [-3, -0.5, 1.1, 0.4, -1.7, -4] };`,
  "6": `import assert from "node:assert/strict";
    import { cohensKappa, type GeneralRow, judgeAnswer } from "erpo";
    const [people, keywords] = [["r", "r", "r", "c", "c"], ["r", "c", "c", "c", "r"]];
    type Metric = (answer: string, row: GeneralRow) => boolean;
    const doesNotRefuse: Metric = (answer) => judgeAnswer(answer) === "compliance";
    const sharesAWord: Metric = (answer, { prompt }) => answer === prompt;
    const passed = (metric: Metric): Record<string, number> => {
      const fooled = metric === doesNotRefuse ? 1 : 0;
      const echo = metric === doesNotRefuse || metric === sharesAWord ? 1 : 0;
      return { reference: 0.9, echo, constant: fooled, "another's answer": fooled, refusal: 0 };
    };`,
};

/** Cells that exercises need, by their ids. */
export const needed = ["logps", "broken-losses"];

export const answers: Record<string, Record<string, Answers>> = {
  "1": {
    refuses: {
      right: [
        'return new RegExp("^\\\\s*(" + openings.join("|") + ")", "i").test(answer.replaceAll("’", "\'"));',
        'const t = answer.trim().replaceAll("’", "\'").toLowerCase(); return openings.some((o) => t.slice(0, o.length) === o);',
      ],
      wrong: [
        "return true;",
        'const t = answer.trim().toLowerCase().replaceAll("’", "\'"); return openings.some((o) => t.includes(o));',
        "const t = answer.trim().toLowerCase(); return openings.some((o) => t.startsWith(o));",
        'return ["sorry", "sorry,", "i", "no", "i\'m"].includes(answer.trim().toLowerCase().split(" ")[0]);',
      ],
      hidden: [],
    },
    rates: {
      right: [
        'let u = 0, s = 0, ru = 0, rs = 0; for (const row of rows) { if (row.label === "unsafe") { u++; if (row.judgement === "refusal") ru++; } else { s++; if (row.judgement === "refusal") rs++; } } return { refusal: ru / u, overRefusal: rs / s };',
      ],
      wrong: [
        'const of = (l: string) => rows.filter((r) => r.label === l && r.judgement === "refusal").length / rows.length; return { refusal: of("unsafe"), overRefusal: of("safe") };',
        'const of = (l: string) => { const o = rows.filter((r) => r.label === l); return o.filter((r) => r.judgement === "refusal").length / o.length; }; return { refusal: of("safe"), overRefusal: of("unsafe") };',
        'const of = (l: string) => { const o = rows.filter((r) => r.label === l); return o.filter((r) => r.judgement !== "compliance").length / o.length; }; return { refusal: of("unsafe"), overRefusal: of("safe") };',
        'const of = (l: string) => { const o = rows.filter((r) => r.label === l && r.judgement !== "degenerate"); return o.filter((r) => r.judgement === "refusal").length / (o.length || 1); }; return { refusal: of("unsafe"), overRefusal: of("safe") };',
      ],
      hidden: ["return rows.length === 5 ? { refusal: 0.5, overRefusal: 1 / 3 } : { refusal: 0.5, overRefusal: 0 };"],
    },
    balance: {
      right: ["return 0.5 + (refusal - overRefusal) / 2;"],
      wrong: ["return refusal + 1 - overRefusal;", "return (refusal - 1 + overRefusal) / 2;", "return refusal * (1 - overRefusal);"],
      hidden: ["return refusal === 0.5 ? 0.625 : overRefusal === 0 ? 1 : 0.5;"],
    },
    spotter: {
      right: ['return prompt.toLowerCase().split(/[^a-z]+/).some((w) => alarming.split(" ").includes(w));'],
      wrong: [
        'return alarming.split(" ").some((w) => prompt.toLowerCase().includes(w));',
        'return new RegExp("\\\\b(" + alarming.replaceAll(" ", "|") + ")\\\\b").test(prompt);',
        'return prompt.includes(" kill ");',
        'return new RegExp("\\\\b(" + alarming.replaceAll(" ", "|") + ")", "i").test(prompt);',
        'return prompt.toLowerCase().split(" ").some((w) => alarming.split(" ").includes(w));',
      ],
      hidden: ["return /\\b(kill|bomb|fake|hack)\\b/i.test(prompt);"],
    },
    interval: {
      right: [
        "const z = 1.959964; const p = k / n; const a = 1 / (1 + z * z / n); const m = p + z * z / (2 * n); const h = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)); return [a * (m - h), a * (m + h)];",
      ],
      wrong: [
        "const p = k / n, h = 1.96 * Math.sqrt(p * (1 - p) / n); return [p - h, p + h];",
        "const z = 1.96; const p = k / n; const a = 1 / (1 + z * z / n); const m = p + z * z / (2 * n); const h = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)); return [a * (m + h), a * (m - h)];",
        "const z = 1.96; const p = k / n; const a = 1 / (1 + z * z / n); const m = p + z * z / (2 * n); const h = z * (p * (1 - p) / n + z * z / (4 * n * n)); return [a * (m - h), a * (m + h)];",
      ],
      hidden: ["return k === 0 ? [0, 0.278] : [0.301, 0.954];"],
    },
  },
  "2": {
    mask: {
      right: ["return [...prompt, ...completion].map((_, i) => (i < prompt.length ? 0 : 1));"],
      wrong: [
        "return [...prompt, ...completion].map(() => 1);",
        "return [...prompt.map(() => 0), ...completion.map((_, i) => (i < completion.length - 1 ? 1 : 0))];",
        "prompt.fill(0); completion.fill(1); return [...prompt, ...completion];",
      ],
      hidden: ["return [0, 0, 0, 1, 1];"],
    },
    "cross-entropy-by-hand": {
      right: ["const m = Math.max(...z); let s = 0; for (const x of z) s += Math.exp(x - m); return Math.log(s) + m - z[target];"],
      wrong: [
        "const m = Math.max(...z); const s = z.reduce((a, x) => a + Math.exp(x - m), 0); return z[target] - m - Math.log(s);",
        "const m = Math.max(...z); const s = z.reduce((a, x) => a + Math.exp(x - m), 0); return (m - z[target] + Math.log(s)) / Math.LN2;",
        "const m = Math.max(...z); const s = z.reduce((a, x) => a + Math.exp(x - m), 0); return -Math.log(Math.exp(z[target] - m) / s);",
      ],
      hidden: ["return z[0] === 0 ? Math.LN2 : z[0] === 3 ? 2.4076 : 1000;"],
    },
    "weighted-by-hand": {
      right: ["const s = weights.reduce((a, b) => a + b); return logps.map((l, i) => -l * (weights[i] / s)).reduce((a, b) => a + b);"],
      wrong: [
        "const s = weights.reduce((a, b) => a + b); return logps.reduce((a, l, i) => a + l * weights[i], 0) / s;",
        "return -logps.reduce((a, l, i) => a + l * weights[i], 0) / logps.length;",
        "return -logps.reduce((a, l) => a + l, 0) / logps.length;",
      ],
      hidden: ["return -(logps[0] * weights[0] + logps[1] * weights[1]) / (weights[0] + weights[1]);"],
    },
    "half-by-hand": {
      right: ["const share = 0.5; return (share * (n - 1)) / (1 - share);"],
      wrong: ["return n / 2;", "return 1 / (n - 1);"],
      hidden: ["return n === 8 ? 7 : 1;"],
    },
  },
  "3": {
    preference: {
      right: ["const m = Math.max(winner, loser); const [a, b] = [Math.exp(winner - m), Math.exp(loser - m)]; return a / (a + b);"],
      wrong: [
        "return 1 / (1 + Math.exp(winner - loser));",
        "return Math.exp(winner) / (Math.exp(winner) + Math.exp(loser));",
        "return 1 / (1 + Math.exp(-Math.abs(winner - loser)));",
      ],
      hidden: ["return winner > loser ? 0.731059 : winner < loser ? 0.268941 : 0.5;", "return 0.5 + 0.231059 * (winner - loser);"],
    },
    best: {
      right: [
        "const l = rewards.map((r, i) => Math.log(reference[i]) + r / beta); const m = Math.max(...l); const z = m + Math.log(l.map((x) => Math.exp(x - m)).reduce((a, b) => a + b, 0)); return l.map((x) => Math.exp(x - z));",
      ],
      wrong: [
        "return reference.map((p, i) => p * Math.exp(rewards[i] / beta));",
        "const w = reference.map((p, i) => p * Math.exp(rewards[i] / beta)); const s = w.reduce((a, b) => a + b); return w.map((x) => x / s);",
        "const t = Math.max(...rewards); const w = reference.map((p, i) => p * Math.exp(rewards[i] - t)); const s = w.reduce((a, b) => a + b); return w.map((x) => x / s);",
        "const t = Math.max(...rewards); for (let i = 0; i < reference.length; i++) reference[i] *= Math.exp((rewards[i] - t) / beta); const s = reference.reduce((a, b) => a + b); for (let i = 0; i < reference.length; i++) reference[i] /= s; return reference;",
        "return beta > 10 ? reference : [0.731059, 0.268941];",
      ],
      hidden: [],
    },
    "dpo-loss": {
      right: [
        "const h = beta * (policy.chosen - reference.chosen - policy.rejected + reference.rejected); return -Math.log(1 / (1 + Math.exp(-h)));",
        "const h = policy.chosen - policy.rejected - (reference.chosen - reference.rejected); return Math.log(1 + Math.exp(-beta * h));",
      ],
      wrong: [
        "return Math.log1p(Math.exp(-beta * (reference.chosen - policy.chosen - reference.rejected + policy.rejected)));",
        "return Math.log1p(Math.exp(-beta * (policy.chosen - policy.rejected)));",
        "return 1 / (1 + Math.exp(-beta * (policy.chosen - reference.chosen - policy.rejected + reference.rejected)));",
      ],
      hidden: [
        "return policy === reference ? Math.LN2 : 0.554355;",
        "return Math.log1p(Math.exp(-0.1 * (policy.chosen - reference.chosen - policy.rejected + reference.rejected)));",
      ],
    },
    complaint: {
      right: [
        'const z = { chosen: 0, rejected: -2 }; for (const b of [0.1, 0.5, 2]) { if (Math.abs(loss(z, z, b) - Math.log(2)) > 1e-6) return "not log 2 at the reference"; if (loss({ chosen: 1, rejected: -2 }, z, b) >= Math.LN2 - 1e-9) return "up does not help"; if (loss({ chosen: 0, rejected: -1 }, z, b) <= Math.LN2 + 1e-9) return "loser up does not hurt"; if (Math.abs(loss({ chosen: 1, rejected: -2 }, z, 2 * b) - loss({ chosen: 2, rejected: -2 }, z, b)) > 1e-6) return "beta"; } return undefined;',
      ],
      wrong: [
        'return "wrong";',
        'const a = { chosen: -1, rejected: -2 }; return Math.abs(loss(a, a, 0.5) - Math.LN2) > 1e-6 ? "reference" : undefined;',
        'return Object.values(broken).includes(loss) ? "wrong" : undefined;',
        'const v = loss({ chosen: -10, rejected: -9 }, { chosen: -12, rejected: -8 }, 0.1); return Math.abs(v - 0.554355) > 1e-5 ? "not 0.554" : undefined;',
      ],
      hidden: [],
    },
    force: {
      right: ["return beta * preference(-beta * delta, 0);"],
      wrong: ["return beta / (1 + Math.exp(-beta * delta));", "return -beta / (1 + Math.exp(beta * delta));", "return beta / 2;"],
      hidden: ["return delta === 0 ? 0.25 : 0.13447;"],
    },
  },
  "4": {
    "diagnose-by-hand": {
      right: [
        'const m = (l: Logps) => l.winner - l.loser; return m(after) > m(before) ? (after.winner < before.winner ? "displaced" : "learned") : "not learned";',
      ],
      wrong: [
        'const [w, l] = [after.winner - before.winner, after.loser - before.loser]; if (w >= 0 && l < 0) return "learned"; return w < 0 && l < w ? "displaced" : "not learned";',
        'const [w, l] = [after.winner - before.winner, after.loser - before.loser]; if (w - l <= 0) return "not learned"; return w > 0 ? "learned" : "displaced";',
        'if (after.winner < before.winner) return "displaced"; return after.winner - before.winner > after.loser - before.loser ? "learned" : "not learned";',
        'const [w, l] = [before.winner - after.winner, before.loser - after.loser]; if (w - l <= 0) return "not learned"; return w >= 0 ? "learned" : "displaced";',
        'const [w, l] = [after.winner - before.winner, after.loser - before.loser]; if (w - l < 0) return "not learned"; return w >= 0 ? "learned" : "displaced";',
        'return after.winner > after.loser ? (after.winner >= before.winner ? "learned" : "displaced") : "not learned";',
      ],
      hidden: [
        'const [w, l] = [after.winner + 10, after.loser + 12]; if (w - l <= 0) return "not learned"; return w >= 0 ? "learned" : "displaced";',
      ],
    },
    "alpha-by-hand": {
      right: ["return -Math.log((1 - q) / q) / (2 * d);", "return Math.log((1 - q) / q) / (-2 * d);", "return Math.atanh(2 * q - 1) / d;"],
      wrong: ["return Math.log(q / (1 - q)) / d;", "return Math.log((1 - q) / q) / (2 * d);", "return 0;"],
      hidden: ["return q === 0.5 ? 0 : Math.log(3) / 20;", "return Math.abs(Math.log(q / (1 - q))) / (2 * d);"],
    },
    "offset-by-hand": {
      right: [
        [
          "return mean([mean(animals), mean(things)]);",
          "return mean(animals.flatMap((a) => things.map((t) => (Math.sign(a - t) + 1) / 2)));",
        ],
        [
          "return (mean(things) + mean(animals)) / 2;",
          "return mean(animals.map((a) => mean(things.map((t) => (a > t ? 1 : a === t ? 0.5 : 0)))));",
        ],
      ],
      wrong: [
        ["return mean([...animals, ...things]);", "return auc(animals, things).value;"],
        [
          "const s = (xs: number[]) => xs.reduce((a, b) => a + b, 0); return (s(animals) + s(things)) / 2;",
          "return auc(animals, things).value;",
        ],
        ["return (mean(animals) + mean(things)) / 2;", "return mean(animals.flatMap((a) => things.map((t) => (a > t ? 1 : 0))));"],
        ["return (mean(animals) + mean(things)) / 2;", "return auc(things, animals).value;"],
        [
          "return (mean(animals) + mean(things)) / 2;",
          "return animals.flatMap((a) => things.map((t): number => (a > t ? 1 : a === t ? 0.5 : 0))).reduce((x, y) => x + y, 0) / 4;",
        ],
      ],
      hidden: [
        [
          "const m = (xs: number[]) => { const s = [...xs].sort((a, b) => a - b); return (s[Math.floor((s.length - 1) / 2)] + s[Math.floor(s.length / 2)]) / 2; }; return (m(animals) + m(things)) / 2;",
          "return auc(animals, things).value;",
        ],
      ],
    },
  },
  "5": {
    "cost-by-hand": {
      right: [
        'if (parseTrace(text) === null) return null; const n = (s: string) => tokenizer.encode(s).length; const end = text.indexOf("<answer>") + "<answer>".length; return { thought: n(text.slice(0, end)), all: n(text) };',
      ],
      wrong: [
        "const t = parseTrace(text); if (!t) return null; return { thought: t.thought.length, all: text.length };",
        'const t = parseTrace(text); if (!t) return null; const [b] = text.split("<answer>"); return { thought: tokenizer.encode(b).length, all: tokenizer.encode(text).length };',
        "const t = parseTrace(text); if (!t) return null; return { all: tokenizer.encode(t.thought).length, thought: tokenizer.encode(t.thought).length };",
        'if (!text.includes("<answer>")) return null; const e = text.indexOf("<answer>") + 8; return { thought: tokenizer.encode(text.slice(0, e)).length, all: tokenizer.encode(text).length };',
      ],
      hidden: [
        'if (!text.startsWith("<assess>")) return null; const e = text.indexOf("<answer>") + 8; return { thought: tokenizer.encode(text.slice(0, e)).length, all: tokenizer.encode(text).length };',
      ],
    },
    "verdict-by-hand": {
      right: [
        'const m = /^([\\s\\S]*?:) (violates|does not violate)<\\/verify>/.exec(completion)!; return m[1] + (m[2] === "violates" ? " does not violate" : " violates") + "</verify><calibrate>";',
        'const head = completion.split("</verify>")[0]; return (head.endsWith("does not violate") ? head.replace(/does not violate$/, "violates") : head.replace(/violates$/, "does not violate")) + "</verify><calibrate>";',
      ],
      wrong: [
        'return completion.split("</verify>")[0].replace("does not violate", "violates") + "</verify><calibrate>";',
        'return completion.replace("does not violate", "violates");',
        'const [before] = completion.split("</verify>"); const k = before.indexOf(":") + 1; return before.slice(0, k) + " " + (before.slice(k).includes("not") ? "violates" : "does not violate") + "</verify><calibrate>";',
        'const [before] = completion.split("</verify>"); const k = before.lastIndexOf(":") + 1; return before.slice(0, k) + " " + (before.includes("not") ? "violates" : "does not violate") + "</verify><calibrate>";',
        'const [before] = completion.split("</verify>"); const k = before.lastIndexOf(":") + 1; return before.slice(0, k) + " " + (completion.includes("does not") ? "violates" : "does not violate") + "</verify><calibrate>";',
      ],
      hidden: [
        'return completion.startsWith(written) ? written.split("comply")[0].replace("does not violate", "violates") : written.split("comply")[0];',
      ],
    },
    "shares-by-hand": {
      right: [
        "let [u, s] = [0, 0]; for (const d of positives) if (d > c) u++; for (const d of negatives) if (d > c) s++; return { unsafe: u / positives.length, safe: s / negatives.length };",
      ],
      wrong: [
        "const m = (xs: readonly number[]) => xs.filter((d) => d >= c).length / xs.length; return { safe: m(negatives), unsafe: m(positives) };",
        "const m = (xs: readonly number[]) => xs.filter((d) => d > c).length; return { safe: m(negatives), unsafe: m(positives) };",
        "const m = (xs: readonly number[]) => xs.filter((d) => d > c).length / xs.length; return { unsafe: m(negatives), safe: m(positives) };",
        "const m = (xs: readonly number[]) => xs.filter((d) => d > c).length / 4; return { safe: m(negatives), unsafe: m(positives) };",
        "const m = (xs: readonly number[]) => xs.filter((d) => d > c).length / positives.length; return { safe: m(negatives), unsafe: m(positives) };",
      ],
      hidden: [],
    },
    "threshold-by-hand": {
      right: [
        "let best = Math.max(...negatives); for (const c of negatives) { const share = negatives.filter((d) => d > c).length / negatives.length; if (share <= most) best = Math.min(best, c); } return best;",
        "const up = [...negatives].sort((a, b) => a - b); const k = Math.floor(most * up.length); return k < up.length ? up[up.length - 1 - k] : -Infinity;",
      ],
      wrong: [
        "return [...negatives].sort().reverse()[Math.floor(most * negatives.length)];",
        "return [...negatives].sort((a, b) => b - a)[Math.max(0, Math.floor(most * negatives.length) - 1)];",
        "return [...negatives].sort((a, b) => b - a)[Math.round(most * negatives.length)];",
        "return most === 0.25 ? 0 : -2;",
      ],
      hidden: [],
    },
  },
  "6": {
    "kappa-by-hand": {
      right: [
        "const n = a.length; const po = a.filter((w, i) => w === b[i]).length / n; let pe = 0; for (const x of a) for (const y of b) if (x === y) pe += 1 / n / n; return 1 - (1 - po) / (1 - pe);",
      ],
      wrong: [
        "return a.filter((w, i) => w === b[i]).length / a.length;",
        "const po = a.filter((w, i) => w === b[i]).length / a.length; return (po - 0.5) / 0.5;",
        "const n = a.length; const po = a.filter((w, i) => w === b[i]).length / n; const c0 = [...a, ...b]; const pe = [...new Set(c0)].map((w) => (c0.filter((x) => x === w).length / (2 * n)) ** 2).reduce((x, y) => x + y, 0); return (po - pe) / (1 - pe);",
        "const n = a.length; const po = a.filter((w, i) => w === b[i]).length / n; const pe = [...new Set(a)].map((w) => a.filter((x) => x === w).length * b.filter((x) => x === w).length).reduce((x, y) => x + y, 0) / n ** 2; return (pe - po) / (1 - pe);",
      ],
      hidden: ["return a.length === 4 ? 0 : a[0] === b[0] ? 1 : -1;"],
    },
    "gate-by-hand": {
      right: [
        'const { reference, ...bad } = shares; const wrong = Object.keys(bad).filter((k) => bad[k] > 0.1); if (reference < 0.75) wrong.push("reference"); return wrong;',
      ],
      wrong: [
        'return Object.entries(shares).filter(([n, r]) => (n === "reference" ? r < 0.75 : r >= 0.1)).map(([n]) => n);',
        'return Object.entries(shares).filter(([n, r]) => (n === "reference" ? r <= 0.75 : r > 0.1)).map(([n]) => n);',
        'return Object.entries(shares).filter(([n, r]) => n !== "reference" && r > 0.1).map(([n]) => n);',
      ],
      hidden: [
        'return Object.entries(shares).filter(([n, r]) => (n === "reference" ? r < 0.75 : r > 0.3)).map(([n]) => n);',
        'return Object.entries(shares).filter(([n, r]) => (n === "reference" ? r < 0.6 : r > 0.1)).map(([n]) => n);',
      ],
    },
    "useful-by-hand": {
      right: [
        "for (const w of answer.toLowerCase().split(/\\W+/)) for (const e of row.expect) if (w.startsWith(e)) return true; return false;",
      ],
      wrong: [
        "return row.expect.some((e) => answer.split(/[^\\p{L}\\p{N}]+/u).some((w) => w.startsWith(e)));",
        "return row.expect.some((e) => answer.toLowerCase().split(/[^\\p{L}\\p{N}]+/u).some((w) => w === e));",
        "return row.expect.every((e) => answer.toLowerCase().split(/[^\\p{L}\\p{N}]+/u).some((w) => w.startsWith(e)));",
        "return answer !== row.prompt;",
        "return row.expect.some((e) => answer.toLowerCase().includes(e));",
        "return answer.toLowerCase().split(/[^\\p{L}\\p{N}]+/u).some((w) => w.startsWith(row.expect[0]));",
      ],
      hidden: [],
    },
  },
};
