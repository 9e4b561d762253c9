/** `train1` trains stage 1, `train2` is kept for stages 2 and 3, `dev` is for choices, `test` for reporting only. */
export type Split = "train1" | "train2" | "dev" | "test";

/** What a prompt calls for: help, or a refusal. */
export type Label = "safe" | "unsafe";

/** One turn of a conversation. */
export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** One prompt of a training or evaluation set. Stored as a line of JSON. */
export interface PromptRow {
  /** unique within a built data set, stable from build to build */
  id: string;
  prompt: string;
  label: Label;
  /** what kind of prompt: "verbs", "privacy", "general", or the name of the set it comes from */
  family: string;
  /** the id of the rule that an unsafe prompt breaks; "none" for safe prompts, and for unsafe ones of sets that name no category */
  category: string;
  /** where the prompt comes from: "authored", "do-not-answer", "advbench", "harmbench", a file, or "own train1" and so on for prompts given to a run */
  source: string;
  split: Split;
  /** what stands before the prompt in its conversation: a system turn, earlier turns */
  before?: readonly ChatMessage[];
  /** how the model's own turn is made to begin */
  prefill?: string;
  /** what is really asked, 1 to 8 words: what a trace's assessment says */
  sense?: string;
  /** whom or what it is aimed at, 1 to 5 words */
  target?: string;
  /** an answer that was written for it: an unsafe prompt's safe completion, an everyday prompt's reference */
  response?: string;
  /** prompts of one frame share a template, and stay in one split */
  frame?: string;
  /** for a safe look-alike: the rule it seems to break, the commonest of its frame's unsafe rows */
  nearRule?: string;
}

/** A prompt that has nothing to do with safety, and words of which an answer to it should contain one. */
export interface GeneralRow extends PromptRow {
  kind: "fact" | "advice" | "writing" | "maths" | "code" | "chat";
  /** lower-case beginnings of words, none of which the prompt has: an answer that only repeats the prompt has none of them either */
  expect: string[];
}
