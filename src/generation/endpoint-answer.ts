import { z } from "zod";
import { wrong } from "../data/errors.js";
import type { Answer } from "./endpoint-store.js";

const text = z.string({
  error: ({ input }) => (input === undefined ? "is missing" : input === null ? "is null, not text" : "must be text"),
});
const finish_reason = z.string(wrong("must be text")).nullish();
const choices = <Choice extends z.ZodType>(choice: Choice) =>
  z.array(choice, wrong("must be a list")).min(1, "is empty, so nothing was written");
const around = {
  usage: z
    .object(
      { completion_tokens: z.int(wrong("must be a whole number")).nonnegative("must be 0 or more").nullish() },
      wrong("must be an object"),
    )
    .nullish(),
  model: z.string().nullish().catch(null),
  system_fingerprint: z.string().nullish().catch(null),
};
const anObject = wrong("must be an object");
const completion = z.object({ ...around, choices: choices(z.object({ text, finish_reason }, anObject)) }, anObject);
const chat = z.object(
  {
    ...around,
    choices: choices(z.object({ message: z.object({ content: text }, anObject), finish_reason }, anObject)),
  },
  anObject,
);

/**
 * The completion in the body of an answer.
 * @param path the path that was asked: `/completions` or `/chat/completions`, whose answers have different shapes
 * @param most tokens that were asked for
 * @param type the content type that the server gave
 * @throws Error whose line says what is wrong with the body
 */
export function readAnswer(path: string, body: string, type: string | null, most: number): Answer {
  if (body.trim() === "") throw new Error("the answer is empty");
  const value = parsed(body, type);
  if (path === "/completions") {
    const { choices, ...rest } = checked(completion, value);
    assertCount(rest, most);
    return answer(choices[0]!.text, choices[0]!.finish_reason, rest);
  }
  const { choices, ...rest } = checked(chat, value);
  assertCount(rest, most);
  return answer(choices[0]!.message.content, choices[0]!.finish_reason, rest);
}

/** Tokens that a server may count beside those of the text: the ends of the turn and of the text, and what its template opens a turn with. */
const BESIDE = 16;

function assertCount({ usage }: z.infer<z.ZodObject<typeof around>>, most: number): void {
  const count = usage?.completion_tokens ?? 0;
  if (count > most + BESIDE)
    throw new Error(`${COUNTS}: usage.completion_tokens: ${count} are more than the ${most} that were asked for at most`);
}

const COUNTS = "the answer's counts cannot be used";

function answer(
  text: string,
  reason: string | null | undefined,
  { usage, model, system_fingerprint }: z.infer<z.ZodObject<typeof around>>,
): Answer {
  return {
    text,
    tokens: usage?.completion_tokens ?? null,
    finished: reason !== "length",
    server: { model: model ?? null, system_fingerprint: system_fingerprint ?? null },
  };
}

function parsed(body: string, type: string | null): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new Error(`the answer is not JSON (${type ?? "no content type"}): it begins ${JSON.stringify(body.trim().slice(0, 60))}`);
  }
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const { data, error } = schema.safeParse(value);
  if (!error) return data as z.infer<Schema>;
  const { path, message } = error.issues[0]!;
  const what = path[0] === "usage" ? COUNTS : "the answer holds no completion";
  throw new Error(`${what}: ${path.length ? `${path.join(".")}: ` : ""}${message}`);
}
