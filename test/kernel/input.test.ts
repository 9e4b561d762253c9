import { expect, test } from "vitest";
import { createContext, within } from "../../kernel/session/context.js";
import { Questions } from "../../kernel/session/input.js";
import type { FromMain } from "../../kernel/wire/bridge.js";
import { createHeader } from "../../kernel/wire/messages.js";

/** Questions of a cell, and what was asked. */
function createScene() {
  const asked: string[] = [];
  const questions = new Questions((message: FromMain) => {
    if (message.type === "input") asked.push(message.prompt);
  });
  const context = createContext(createHeader("execute_request", "s"), { allowStdin: true });
  const ask = (prompt: string) => within(context, () => questions.ask(prompt, false));
  return { questions, asked, ask };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("questions are asked one after the other", async () => {
  const { questions, asked, ask } = createScene();
  const [first, second] = [ask("first"), ask("second")];
  await settle();
  expect(asked).toEqual(["first"]);
  questions.receive("1");
  expect(await first).toBe("1");
  await settle();
  questions.receive("2");
  expect(await second).toBe("2");
});

test("a cell that is over asks no further question", async () => {
  const { questions, asked, ask } = createScene();
  const both = [ask("first"), ask("second")];
  await settle();
  questions.reset();
  for (const question of both) await expect(question).rejects.toThrow("its cell is over");
  expect(asked).toEqual(["first"]);
  const next = ask("next");
  await settle();
  questions.receive("yes");
  expect(await next).toBe("yes");
});

test.each([
  [
    "a cell of a frontend that takes no input",
    "execute_request",
    '"name?" cannot be asked: this frontend takes no input (allow_stdin is false)',
  ],
  ["a widget's callback", "comm_msg", '"name?" cannot be asked: only a cell can ask, and this runs beside cells'],
])("%s cannot ask, and is told why", async (_, type, message) => {
  const { questions } = createScene();
  await expect(within(createContext(createHeader(type, "s")), () => questions.ask("name?", false))).rejects.toThrow(message);
});
