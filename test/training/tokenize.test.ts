import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { createTokenizer, type Tokenizer } from "../../src/model/tokenizer.js";
import { keepStart, promptIds, type Text, tokenizeCompletions } from "../../src/training/tokenize.js";
import special from "../fixtures/special-tokens.json" with { type: "json" }; // made by test/fixtures/special_tokens_fixture.py
import { fixture } from "../model/open.js";

// trl.test.ts compares token ids with TRL's; here are the rules one by one.

let tokenizer: Tokenizer;
const json = (name: string) => JSON.parse(readFileSync(fixture(`llama-tiny/${name}`), "utf8"));
beforeAll(() => {
  tokenizer = createTokenizer({ tokenizer: json("tokenizer.json"), config: json("tokenizer_config.json") }, "llama-tiny");
});

test("strings end in the end-of-sequence token, once", () => {
  const [plain, ended] = tokenizeCompletions(tokenizer, "a: ", ["b", "b<|im_end|>"]).completions;
  expect(plain).toEqual(ended);
  expect(plain!.filter((id) => id === tokenizer.eosId)).toEqual([plain!.at(-1)]);
});

test.each(special.families)(
  "strings get what the tokenizer adds, chats what the template does: $name",
  ({ post_processor, texts, pairs }) => {
    const files = { tokenizer: { ...json("tokenizer.json"), post_processor }, config: json("tokenizer_config.json") };
    const family = createTokenizer(files, "llama-tiny");
    for (const { text, ids } of texts) expect(promptIds(family, text), text).toEqual(ids);
    for (const { prompt, chosen, rejected, ids } of pairs) {
      const ours = tokenizeCompletions(family, prompt as Text, [chosen as Text, rejected as Text]);
      expect({ prompt: ours.prompt, chosen: ours.completions[0], rejected: ours.completions[1] }).toEqual(ids);
    }
  },
);

test("a token that grows over the seam belongs to every completion", () => {
  // " c" is one token, " b" two
  const { prompt, completions } = tokenizeCompletions(tokenizer, "a ", ["cat", "bird"]);
  expect(prompt).toEqual(tokenizer.encode("a"));
  expect(completions.map((ids) => tokenizer.decode(ids))).toEqual([" cat", " bird"]);
});

test("in a chat the end of turn and its newline belong to the completion, and the template adds its system turn", () => {
  const { prompt, completions } = tokenizeCompletions(
    tokenizer,
    [{ role: "user", content: "Hi" }],
    [[{ role: "assistant", content: "Yes" }]],
  );
  expect(prompt).toEqual(promptIds(tokenizer, [{ role: "user", content: "Hi" }]));
  expect(prompt).toEqual(
    tokenizer.encode("<|im_start|>system\nYou are a helpful assistant<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
  );
  expect(completions[0]).toEqual(tokenizer.encode("Yes<|im_end|>\n"));
});

test("max_length keeps the start, and says when nothing of the completion is left", () => {
  const row = { prompt: [1, 2, 3], completion: [4, 5] };
  expect(keepStart(row, 9)).toEqual(row);
  expect(keepStart(row, 4)).toEqual({ prompt: [1, 2, 3], completion: [4] });
  expect(keepStart({ ...row, targets: [6, 7] }, 4)).toEqual({ prompt: [1, 2, 3], completion: [4], targets: [6] });
  expect(keepStart(row, 3)).toBeNull();
});

test("strings and messages do not mix", () => {
  expect(() => tokenizeCompletions(tokenizer, "a", [[{ role: "assistant", content: "b" }]])).toThrow(
    "must both be strings, or both be messages",
  );
});
