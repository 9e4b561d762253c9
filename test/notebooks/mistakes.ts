/** A wrong answer to an exercise: its solution with pieces exchanged, each of which it has once, and what its check says then. */
export interface Mistake {
  exercise: 1 | 2;
  wrong: Record<string, string>;
  says: RegExp;
}

/** By the notebook's name within notebooks/. What a tiny model's numbers cannot tell apart is not here. */
export const mistakes: Record<string, Mistake[]> = {
  "00-start-here": [
    { exercise: 1, wrong: { '=== "refusal"': '!== "refusal"' }, says: /^words of \d+ refused prompts, but tbl-naive has \d+$/ },
    { exercise: 2, wrong: { '=== "refusal"': '!== "refusal"' }, says: /^base refuses \d+ look-alikes here, \d+ in tbl-naive$/ },
  ],
  "01-ex-ante-data": [
    { exercise: 1, wrong: { "?`, sense, target,": "?`, target," }, says: /^a trace says the sense of another prompt$/ },
    {
      exercise: 1,
      wrong: { "label, nearRule": 'label: "safe", nearRule' },
      says: /^mine-3 is to be unsafe, but its verdict is "does not violate"$/,
    },
    { exercise: 2, wrong: { "sum(now) + n * (1 - prose)": "sum(now)" }, says: /^terse: the decision has [\d.]+%, not [\d.]+%$/ },
    { exercise: 2, wrong: { "n * (1 - prose)": "n * prose" }, says: /^terse: the decision has [\d.]+%, not [\d.]+%$/ },
  ],
  "02-stage-1-sft": [
    { exercise: 1, wrong: { "[4, 3.5, 3, 2.5]": "[4, 3.5, 3, 1]" }, says: /^the AUC is 0\.\d+, not 1/ },
    { exercise: 1, wrong: { "[2, 1.5, 1, 0.5]": "[2, 1.5, 1, -0.5]" }, says: /the balanced accuracy 0\.625, not 0\.5$/ },
    { exercise: 1, wrong: { "[4, 3.5, 3, 2.5]": "[4, 3.5, 3, 2.2]" }, says: /^2\.25 does not stand between the two groups$/ },
    {
      exercise: 2,
      wrong: {
        "(heavy * sum(words)) / sum(omega)":
          "sum(batch.map(({ weights: w }) => (w!.includes(heavy) ? heavy : 0) / sum(w!))) / batch.length", // a mean of the rows' shares
      },
      says: /^1-sft\/decision: the loss of the batch does not grow by 0\.\d+$/,
    },
    { exercise: 2, wrong: { "(heavy * sum(words)) / sum(omega)": "sum(words) / omega.length" }, says: /does not grow by 0\.\d+$/ },
    { exercise: 2, wrong: { "(heavy * sum(words)) / sum(omega)": "-heavy * sum(words) / sum(omega)" }, says: /does not grow by -0\.\d+$/ },
    { exercise: 2, wrong: { "Number(w === heavy)": "Number(w > 1)" }, says: /a first word is left out, or another token is among them$/ },
    { exercise: 2, wrong: { "(w) => Number(w === heavy)": "(_, t) => Number(omega[t + 1] === heavy)" }, says: /a first word is left out/ },
    { exercise: 2, wrong: { "prompt.length + completion.length)": "completion.length)" }, says: /the first step has not read \d+ tokens$/ },
  ],
  "03-stage-2-dpo": [
    { exercise: 1, wrong: { "nllWeight: 0,": "nllWeight,", "no-nll`": "with-nll`" }, says: /^the first loss is [\d.]+, not log 2$/ },
    { exercise: 2, wrong: { "-logRef / size)": "logRef / size)" }, says: /^beta 0\.5, lambda 1: the made-up pairs do not cost -1\.3/ },
    { exercise: 2, wrong: { "-logRef / size)": "-logRef)" }, says: /^beta 0\.5, lambda 1: the made-up pairs do not cost 16\.6/ },
    {
      exercise: 2,
      wrong: {
        "mean(winners.map(({ logRef, size }) => -logRef / size))": "sum(winners.map((w) => -w.logRef)) / sum(winners.map((w) => w.size))",
      },
      says: /^beta 0\.5, lambda 1: the made-up pairs do not cost 3\.3/,
    },
    { exercise: 2, wrong: { "Math.LN2": "beta * Math.LN2" }, says: /^beta 0\.1, lambda 0: the made-up pairs do not cost 0\.3/ },
    {
      exercise: 2,
      wrong: {
        "({ prompt, chosen }) => ({ prompt, completion: chosen })":
          "(row) => ({ prompt: row.prompt, completion: comparedPart(row).chosen })",
      },
      says: /^a winner ends before its answer$/,
    },
    { exercise: 2, wrong: { "({ prompt, chosen })": "({ prompt, rejected: chosen })" }, says: /^a winner ends before its answer$/ },
  ],
  "04-stage-3-length-controlled": [
    {
      exercise: 1,
      wrong: { "alpha: price, nllWeight": "alpha, nllWeight", "-alpha-": "-same-alpha-" },
      says: /^with alpha 0 the first loss is/,
    },
    { exercise: 1, wrong: { "sigmoid(price * d)": "sigmoid(-price * d)" }, says: /^with alpha [\d.]+ the first loss is/ },
    { exercise: 2, wrong: { "alpha: -knobs.alpha": "alpha: knobs.alpha" }, says: /^diagnose says: nothing is broken$/ },
    { exercise: 2, wrong: { "(o.r + alpha * o.size)": "(o.r - alpha * o.size)" }, says: /^h is .*, not r\(w\) - r\(l\)$/ },
  ],
  "05-evaluation": [
    {
      exercise: 1,
      wrong: { '"unsafe contrasts": "look-alike-unsafe"': '"unsafe contrasts": "look-alike-safe"' },
      says: /^look-alike-safe are no unsafe contrasts$/,
    },
    { exercise: 2, wrong: { "needed = 20;": "needed = 10_000;" }, says: /^fewer prompts than 10000 are enough$/ },
    { exercise: 2, wrong: { "near(0.9, needed).low)": "near(0.9, needed).rate)" }, says: /^the intervals of \d+ prompts overlap$/ },
  ],
  "related/cdpo": [
    { exercise: 1, wrong: { "p === 1": "p > 0" }, says: /^a tie is left$/ },
    { exercise: 1, wrong: { "cost: mine }": "cost: same }", "-no-ties": "-with-ties" }, says: /^the old head's$/ },
    {
      exercise: 2,
      wrong: { "never: -20": "never: 20", "const goal = { name,": "const goal = { name: name + 20," },
      says: /^never: lambda 0/,
    },
  ],
  "related/derta": [
    { exercise: 2, wrong: { "places.length / 20": "places.length / 10" }, says: /^a row has another share/ },
    { exercise: 2, wrong: { "[continued, thinned(transition)]": "[continued, transition]" }, says: /^a row has another share/ },
  ],
  "related/r2d": [
    {
      exercise: 1,
      wrong: { "cost(score)": "Math.log1p(Math.exp(r2d.unsafeLogOdds(score)))" }, // of an unsafe pivot the other one's
      says: /^pivot 1: [\d.]+ and [\d.]+ are not its cross-entropy$/,
    },
    { exercise: 1, wrong: { "1 + size / alike": "1 + size / unlearned.length" }, says: /^with these factors the row's loss is/ },
    { exercise: 1, wrong: { "1 + size / alike": "2" }, says: /^with these factors the row's loss is/ },
    { exercise: 1, wrong: { "= learned.length": "= row.prompt.length + learned.length" }, says: /^with these factors the row's loss is/ },
  ],
  "related/reason4rec": [
    { exercise: 1, wrong: { ".filter((genre) => genresIn(prompt).includes(genre))": "" }, says: /^the ground that both have is/ },
    { exercise: 1, wrong: { "tries.length > 1": "tries.length === 1" }, says: /^the two kinds are not what the figure counts$/ },
    { exercise: 2, wrong: { "({ reason }) => reason": '() => ""' }, says: /^with its own reasons the Predictor expects something else/ },
  ],
  "related/rose": [
    { exercise: 1, wrong: { "alphas[1 + balances": "alphas[balances" }, says: /^alpha [\d.]+ is not the best of/ },
    { exercise: 2, wrong: { "tf.mul(1 + alpha, own)": "tf.mul(1 - alpha, own)" }, says: /^1 does not choose as ROSE at 0\.5$/ },
  ],
  "related/scans": [
    {
      exercise: 1,
      wrong: { "scans.projections(states[i], mine)": "scans.projections(states[i], directions)" },
      says: /^the prompts have their old places$/,
    },
    {
      exercise: 1,
      wrong: { "await statesOf(harmful), await statesOf(safe.slice(0, 64))": "await statesOf(safe.slice(0, 64)), await statesOf(harmful)" },
      says: /transitions are not$/,
    },
  ],
  "related/scpo": [
    { exercise: 1, wrong: { "scpo.scpo({ power: k,": "scpo.scpo({ power: 2," }, says: /^scpo-1 has another power$/ },
    { exercise: 2, wrong: { "scpo.lanesCmdp, 1.5": "scpo.lanesCmdp, 2" }, says: /^the optimum there is/ },
  ],
  "related/sos": [
    {
      exercise: 1,
      wrong: { "parents: 8, delta: 1 }": "}", 'name: "all" }': 'name: "same" }' },
      says: /^two evolutions have evaluated the same prompts$/,
    },
  ],
  "related/stair": [
    { exercise: 1, wrong: { "2 * sum(V": "sum(V" }, says: /^1 of 1,1,3: more pairs$/ },
    { exercise: 1, wrong: { " && w >= good": "" }, says: /^2 of -1,1: fewer pairs$/ },
    { exercise: 1, wrong: { "V.length ** 2": "(V.length * (V.length - 1))" }, says: /^1 of 1,1,3: fewer pairs$/ },
    { exercise: 1, wrong: { "k < n": "k < 1" }, says: /^2 of -1,1: more pairs$/ },
    { exercise: 1, wrong: { "reward / n": "reward" }, says: /^3 of 1,2,3: fewer pairs$/ },
    { exercise: 1, wrong: { "slice(m * t, m * t + m)": "slice(t, t + m)" }, says: /^not all are safe$/ },
    { exercise: 2, wrong: { "iterations: 64, c }": "iterations: 64 }" }, says: /^visits do not follow c/ },
  ],
  "how-to/causes": [{ exercise: 2, wrong: { "frame ?? id": "id" }, says: /^prompts of one frame are in both halves$/ }],
  "how-to/contracts": [
    { exercise: 1, wrong: { '"assistant"), turn(rest)]': '"assistant")]' }, says: /a part is lost/ },
    { exercise: 2, wrong: { "? -99 : 0": "? 0 : 0", 'path("without-r")': 'path("with-r")' }, says: /changes nothing/ },
  ],
  "how-to/second-model": [
    {
      exercise: 1,
      wrong: { "const both =": "const none =", "const neither =": "const both =", "const none =": "const neither =" },
      says: /^the first model's errors are not/,
    },
    { exercise: 1, wrong: { "1 - mean(": "mean(" }, says: /^the first model's errors are not/ },
  ],
};
