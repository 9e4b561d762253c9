/**
 * The text of an ex-ante trace: what the model writes before its answer.
 *
 *     <assess>none; SENSE; target: TARGET</assess><verify>QUOTE (RULE): does not violate</verify><calibrate>PATH</calibrate><answer>ANSWER</answer>
 *     <assess>risk: RISK; SENSE; target: TARGET</assess><verify>QUOTE (RULE): violates</verify><calibrate>PATH</calibrate><answer>ANSWER</answer>
 *
 * The decision comes first: the first token after `<assess>` is "none" or "risk". A decision that has to wait for generated text is less accurate at this model size: on 200 dev
 * prompts its AUC was 0.73 [0.66, 0.80] and not 0.90 [0.86, 0.94] (SmolLM2-135M, quick, seed 1; `decision-last` in how-to/ablations). One between "none" and many risk words is
 * lost where those share what speaks against "none". The rule's own words come before its number, which follows from them. The verdict behind them decides once more: it may
 * overrule the first word. An ablation has the decision last: `SENSE; target: TARGET; none`.
 */

/** What verification comes to. */
export type Verdict = "violates" | "does not violate";
/** What the answer is to do. */
export type Path = "refuse" | "safe completion" | "comply";
/** How a thought is worded: as few words as possible, or in sentences. */
export type TraceStyle = "terse" | "verbose";

/** Where an assessment decides: before anything else, or behind its text. */
export type DecisionPlace = "first" | "last";

/** What a thought says, before it is put into words. */
export interface Thought {
  /** "none" or a rule's risk word. */
  risk: string;
  /** What is really asked, a few words. */
  sense: string;
  target: string;
  /** The rule that was checked, by its id, and the words of it that are quoted, "" for none; null where no rule comes near. */
  rule: { id: string; quote: string } | null;
  verdict: Verdict;
  path: Path;
}

/** A piece of a written trace and what it is, so that training can weigh its tokens. */
export interface Segment {
  text: string;
  kind: "tag" | "decision" | "risk" | "rule" | "quote" | "verdict" | "prose";
}

/** One wording per step: a second one would have to be learned beside it, and says nothing more. */
const verboseWording = {
  assess: (sense: string, target: string) =>
    `This is a request to ${sense}, and it is aimed at ${target}. That is how I read the words as they stand.`,
  verify: "I hold the request against the rule that comes nearest to it, and that is ",
  calibrate: {
    refuse: "The path is therefore to refuse, in a calm and short way.",
    "safe completion": "The path is therefore a safe completion, general and careful.",
    comply: "The path is therefore to comply, in a direct and useful way.",
  },
};

const terseWording: Record<Path, string> = {
  refuse: "refuse, brief",
  "safe completion": "safe completion, careful",
  comply: "comply, direct",
};

/** A thought written out, without the answer. */
export function writeThought(thought: Thought, style: TraceStyle, decides: DecisionPlace = "first"): Segment[] {
  const { risk, sense, target, rule, verdict, path } = thought;
  const verbose = style === "verbose";
  const assessed = verbose ? verboseWording.assess(sense, target) : `${sense}; target: ${target}`;
  const prose = (text: string): Segment[] => (text === "" ? [] : [{ text, kind: "prose" }]);
  return [
    { text: "<assess>", kind: "tag" },
    ...(decides === "first"
      ? [...decisionSegments(risk), ...prose(`; ${assessed}`)]
      : [...prose(`${assessed};`), ...decisionSegments(risk, " ")]),
    { text: "</assess><verify>", kind: "tag" },
    ...prose(verbose ? verboseWording.verify : ""),
    ...citation(rule),
    { text: ` ${verdict}`, kind: "verdict" },
    { text: "</verify><calibrate>", kind: "tag" },
    ...prose(verbose ? verboseWording.calibrate[path] : terseWording[path]),
    { text: "</calibrate><answer>", kind: "tag" },
  ];
}

/** The rule's words and its number, or its number alone; "none" where no rule comes near. */
function citation(rule: Thought["rule"]): Segment[] {
  if (!rule) {
    return [
      { text: "none", kind: "quote" },
      { text: ":", kind: "tag" },
    ];
  }
  const { id, quote } = rule;
  if (quote === "") {
    return [
      { text: id, kind: "rule" },
      { text: ":", kind: "tag" },
    ];
  }
  return [
    { text: `${quote} (`, kind: "quote" },
    { text: id, kind: "rule" },
    { text: "):", kind: "tag" },
  ];
}

/** What stands between `<assess>` and the first semicolon, or between the last one and `</assess>`. @param space before it, which belongs to its first token */
export function decisionSegments(risk: string, space = ""): Segment[] {
  if (risk === "none") return [{ text: `${space}none`, kind: "decision" }];
  return [
    { text: `${space}risk:`, kind: "decision" },
    { text: ` ${risk}`, kind: "risk" },
  ];
}

/** What is read from a completion that is a valid trace, whole or not (`isWhole`). */
export interface ParsedTrace {
  risk: string;
  /** What the assessment says beside its decision, "" where it says nothing: what is asked, and its target. */
  assessment: string;
  /** The id before the verdict, of whatever rule set: in brackets, or alone where nothing is quoted; null where there is none. */
  rule: string | null;
  verdict: Verdict;
  /** What the calibration says; null where it names none of the three. */
  path: Path | null;
  /** Everything up to and including `<answer>`. */
  thought: string;
  answer: string;
  /** Whether the first word and the verdict say the same; where they do not, verification has overruled it. */
  consistent: boolean;
}

const shape = /^\s*<assess>([^<]+)<\/assess>\s*<verify>([^<]+)<\/verify>\s*<calibrate>([^<]+)<\/calibrate>\s*<answer>/;
const id = "([A-Za-z0-9][A-Za-z0-9-]*)";
const cited = new RegExp(`(?:\\(${id}\\)|^\\s*(?:${verboseWording.verify})?(?!none:)${id}):\\s*(?:does not violate|violates)`, "i");
const paths = [/\brefuse\b/, /\bsafe completion\b/, /\bcomply\b/] as const;

const isDecision = (part: string): boolean => part === "none" || part.startsWith("risk: ");

/**
 * What a completion has written of its assessment before a decision that comes last, with which a read-out begins; null where there is none.
 * @returns text from `<assess>` on
 */
export function beforeLastDecision(completion: string): string | null {
  const match = /^\s*<assess>[^<]*;(?= (?:none|risk: [^<;]*)<\/assess>)/.exec(completion);
  return match?.[0] ?? null;
}

/** The trace of a completion, or null where the completion is no valid trace: a tag, the decision or the verdict is missing, or out of order. */
export function parseTrace(completion: string): ParsedTrace | null {
  const match = shape.exec(completion);
  if (!match) return null;
  const [head, assessed, verification, calibration] = match as unknown as [string, string, string, string];
  const judged = verification.slice(verification.lastIndexOf(":") + 1); // what is quoted stands before it
  const verdict = /does not violate/i.test(judged) ? "does not violate" : /violates/i.test(judged) ? "violates" : null;
  if (!verdict) return null;
  const said = assessed.split(";").map((part) => part.trim());
  const place = [0, said.length - 1].find((i) => isDecision(said[i]!.toLowerCase()));
  if (place === undefined) return null;
  const risk = said[place]!.toLowerCase().replace(/^risk: /, "");
  const [, quoted, bare] = cited.exec(verification) ?? [];
  const path = paths.findIndex((named) => named.test(calibration));
  return {
    risk,
    assessment: said.filter((part, i) => i !== place && part !== "").join("; "),
    rule: quoted ?? bare ?? null,
    verdict,
    path: path < 0 ? null : (["refuse", "safe completion", "comply"] as const)[path]!,
    thought: head,
    answer: answerOf(completion),
    consistent: (risk === "none") === (verdict === "does not violate"),
  };
}

/** Whether a completion is a whole trace: all tags in order, an assessment that says more than its decision, a verdict, and a path. */
export const isWhole = (trace: ParsedTrace | null): trace is ParsedTrace & { path: Path } =>
  trace !== null && trace.assessment !== "" && trace.path !== null;

/** The text of what is written in pieces. */
export const textOf = (segments: readonly Segment[]): string => segments.map(({ text }) => text).join("");

/** Whether a text has a tag of a thought, opening or closing, whole or cut behind its name. */
export const hasThoughtTag = (text: string): boolean => /<\/?(assess|verify|calibrate)\b/.test(text);

const closing = "</answer>";

/** What a reader would see: the text after `<answer>`, or the whole completion where there is no such tag. Judges read only this. */
export function answerOf(completion: string): string {
  const start = completion.indexOf("<answer>");
  if (start < 0) return completion.split(closing)[0]!.trim();
  const [text] = completion.slice(start + "<answer>".length).split(closing) as [string];
  const begun = [...closing].findLastIndex((_, i) => i > 0 && text.endsWith(closing.slice(0, i + 1))); // a limit of tokens has cut the tag
  return text.slice(0, begun < 0 ? undefined : -(begun + 1)).trim();
}
