import { createRng } from "../backend/random.js";
import { type Turn, takeTurn } from "../evaluation/turn.js";
import { redrawn } from "../generation/decoding.js";
import type { Policy } from "../generation/policy.js";
import type { ChatMessage } from "../model/tokenizer.js";

/** How answers are drawn. */
export interface ConversationOptions {
  answerTokens: number;
  thoughtTokens: number;
  temperature: number;
  /** Of a repeated answer, where the first was greedy. */
  retryTemperature: number;
  seed: number;
}

/** How one answer is waited for. */
export interface Waiting {
  signal: AbortSignal;
  onToken(policy: string, tokens: number): void;
}

/** The policies' turns, by their names. */
export type Turns = ReadonlyMap<string, Turn>;

/** One question to several policies after the other: each sees its own answers as what was said before, and no thoughts. */
export interface Conversation {
  ask(question: string, waiting: Waiting): Promise<Turns>;
  /** The last question once more, with other random numbers; null where there is none. */
  retry(waiting: Waiting): Promise<Turns | null>;
  /** The last turns; null where there are none. */
  last(): Turns | null;
  /** Sets the system turn; an empty text takes it away. */
  system(text: string): void;
  /** Forgets what was said; the system turn stays. */
  clear(): void;
}

interface Exchange {
  question: string;
  turns: Turns;
}

/** A conversation that has not begun. What was asked and not answered, because it was stopped or failed, is not part of it. */
export function conversation(policies: readonly Policy[], options: ConversationOptions): Conversation {
  const { answerTokens, thoughtTokens, retryTemperature, seed } = options;
  let said: Exchange[] = [];
  let systemText = "";
  let tries = 0;
  const turn = (role: ChatMessage["role"], content: string): ChatMessage => ({ role, content });
  const messages = (name: string, question: string): ChatMessage[] => [
    ...(systemText === "" ? [] : [turn("system", systemText)]),
    ...said.flatMap((before) => [turn("user", before.question), turn("assistant", before.turns.get(name)!.answer)]),
    turn("user", question),
  ];
  async function ask(question: string, temperature: number, { signal, onToken }: Waiting): Promise<Turns> {
    const turns = new Map<string, Turn>();
    tries++;
    for (const policy of policies) {
      const { name } = policy;
      const how = {
        answerTokens,
        thoughtTokens,
        signal,
        rng: createRng(seed).fork(`${tries} ${name}`),
        onToken: (n: number) => onToken(name, n),
      };
      turns.set(name, await takeTurn({ ...policy, decoding: redrawn(policy.decoding, { temperature }) }, messages(name, question), how));
    }
    said.push({ question, turns });
    return turns;
  }
  return {
    ask: (question, waiting) => ask(question, options.temperature, waiting),
    async retry(waiting) {
      const before = said.pop();
      if (!before) return null;
      try {
        return await ask(before.question, options.temperature || retryTemperature, waiting);
      } catch (error) {
        said.push(before);
        throw error;
      }
    },
    last: () => said.at(-1)?.turns ?? null,
    system(text) {
      systemText = text;
    },
    clear() {
      said = [];
    },
  };
}
