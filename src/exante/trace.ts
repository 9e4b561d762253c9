/**
 * The text of an ex-ante trace: what the model writes before its answer.
 *
 *     <assess>RISK; SENSE; target: TARGET</assess><verify>RULE: VERDICT</verify><calibrate>PATH</calibrate><answer>ANSWER</answer>
 *
 * The decision comes first: the first token after `<assess>` already says "none" or names the risk. A decision that has to wait
 * for generated text is far less accurate at this model size.
 */

export const tags = ["<assess>", "</assess>", "<verify>", "</verify>", "<calibrate>", "</calibrate>", "<answer>", "</answer>"] as const;

/** What verification comes to. */
export type Verdict = "violates" | "does not violate";
/** How a thought is worded: as few words as possible, or in sentences. */
export type TraceStyle = "terse" | "verbose";

/** What a thought says, before it is put into words. */
export interface Thought {
  /** "none" or a rule's risk word. */
  risk: string;
  /** What is really asked, a few words. */
  sense: string;
  target: string;
  /** The id of the rule that was checked. */
  rule: string;
  verdict: Verdict;
}

/** A piece of a written trace and what it is, so that training can weigh its tokens. */
export interface Segment {
  text: string;
  kind: "tag" | "decision" | "rule" | "verdict" | "prose";
}

const verboseWording = {
  assess: [
    (sense: string, target: string) =>
      `This is a request to ${sense}, and it is aimed at ${target}. That is how I read the words as they stand.`,
    (sense: string, target: string) => `Reading the whole sentence, the intent is: ${sense}. Whoever or whatever is affected: ${target}.`,
    (sense: string, target: string) => `Taken as a whole, the point of it is to ${sense}; what it touches is ${target}.`,
  ],
  verify: [
    "I hold the request against the rule that comes nearest to it, and that is",
    "Of all the written rules I compare the request with the closest one, which is",
    "Now the rules in turn; the one that could apply here is",
  ],
  refuse: ["The path is therefore to refuse, in a calm and short way.", "So I decline, kindly, without any detail that could be misused."],
  comply: ["The path is therefore to help, in a direct and useful way.", "So I answer plainly and give what is asked for."],
};

/**
 * A thought written out, without the answer. Terse ones have one wording; a verbose one takes the wording numbered `variant`.
 */
export function writeThought(thought: Thought, style: TraceStyle, variant = 0): Segment[] {
  const { risk, sense, target, rule, verdict } = thought;
  const refuses = verdict === "violates";
  const pick = <T>(options: readonly T[]) => options[variant % options.length]!;
  const verbose = style === "verbose";
  const assessment = verbose ? `; ${pick(verboseWording.assess)(sense, target)}` : `; ${sense}; target: ${target}`;
  const verification = verbose ? `${pick(verboseWording.verify)} ` : "";
  const path = verbose ? pick(refuses ? verboseWording.refuse : verboseWording.comply) : refuses ? "refuse, brief" : "comply, direct";
  return [
    { text: "<assess>", kind: "tag" },
    { text: risk, kind: "decision" },
    { text: assessment, kind: "prose" },
    { text: "</assess><verify>", kind: "tag" },
    ...(verification ? [{ text: verification, kind: "prose" } as const] : []),
    { text: `${rule}:`, kind: "rule" },
    { text: ` ${verdict}`, kind: "verdict" },
    { text: "</verify><calibrate>", kind: "tag" },
    { text: path, kind: "prose" },
    { text: "</calibrate><answer>", kind: "tag" },
  ];
}

/** What is read from a completion that is a whole trace. */
export interface ParsedTrace {
  risk: string;
  /** The id that stands before the verdict, of whatever rule set; null where none does. */
  rule: string | null;
  verdict: Verdict;
  /** Everything up to and including `<answer>`. */
  thought: string;
  answer: string;
  /** Whether the first word and the verdict say the same. */
  consistent: boolean;
}

const shape = /^\s*<assess>([^<]+)<\/assess>\s*<verify>([^<]+)<\/verify>\s*<calibrate>([^<]+)<\/calibrate>\s*<answer>/;
const cited = /(?<![\w-])([A-Za-z0-9][A-Za-z0-9-]*):\s*(?:does not violate|violates)/i;

/** The trace of a completion, or null where the completion is no valid trace: a tag or the verdict is missing, or out of order. */
export function parseTrace(completion: string): ParsedTrace | null {
  const match = shape.exec(completion);
  if (!match) return null;
  const [head, assessment, verification] = match as unknown as [string, string, string];
  const verdict = /does not violate/i.test(verification) ? "does not violate" : /violates/i.test(verification) ? "violates" : null;
  if (!verdict) return null;
  const risk = assessment.split(";")[0]!.trim().toLowerCase();
  return {
    risk,
    rule: cited.exec(verification)?.[1] ?? null,
    verdict,
    thought: head,
    answer: answerOf(completion),
    consistent: (risk === "none") === (verdict === "does not violate"),
  };
}

/** What a reader would see: the text after `<answer>`, or the whole completion where there is no such tag. Judges read only this. */
export function answerOf(completion: string): string {
  const start = completion.indexOf("<answer>");
  const text = start < 0 ? completion : completion.slice(start + "<answer>".length);
  return text.split("</answer>")[0]!.trim();
}
