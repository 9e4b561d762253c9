import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { turnLines } from "../../src/cli/chat-lines.js";
import { type Conversation, type ConversationOptions, conversation } from "../../src/cli/conversation.js";
import { objects, type Turn, takeTurn } from "../../src/evaluation/turn.js";
import { promptTokens } from "../../src/generation/asking.js";
import { policy } from "../../src/generation/policy.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { completionLogps } from "../../src/training/completion.js";
import { scriptedModel } from "../evaluation/scripted.js";
import { fixture } from "../model/open.js";
import { pythonLack, skipped } from "../programs.js";
import { bootstrap } from "../reports/cli.js";
import { openTiny, runsFolder } from "../runs/tiny-run.js";

let tiny: LanguageModel;
beforeAll(async () => {
  tiny = await loadModel(fixture("llama-tiny"));
});
afterAll(() => tiny.dispose());

const thought = (verdict: string, path: string) =>
  `<assess>none; a lock; target: own home</assess><verify>harm (R2): ${verdict}</verify><calibrate>${path}, direct</calibrate><answer>`;
const complies = `${thought("does not violate", "comply")}Turn the key.</answer>`;
const refuses = `${thought("violates", "refuse")}I'm sorry, but I can't help with that.</answer>`;
const user = (content: string) => [{ role: "user" as const, content }];
const how = { answerTokens: 40, thoughtTokens: 300, rng: createRng(1) };

describe("a turn", () => {
  test("is a thought apart from its answer, with the probabilities of its first word and of its verdict", async () => {
    const { model } = scriptedModel(tiny, () => complies);
    const seen: number[] = [];
    const turn = await takeTurn(policy({ model }), user("How do I open it?"), { ...how, onToken: (n) => seen.push(n) });
    expect(turn).toMatchObject({ completion: complies, answer: "Turn the key.", cut: false });
    expect(turn.trace).toMatchObject({ risk: "none", rule: "R2", verdict: "does not violate", path: "comply" });
    expect(seen).toEqual(Array.from({ length: turn.tokens - 1 }, (_, i) => i + 1)); // behind the end token nothing comes
    const { encode } = tiny.tokenizer;
    const asked = promptTokens(tiny.tokenizer, { literal: true }, { messages: user("How do I open it?") });
    const probability = (before: string, word: string) => {
      const ids = encode(before + word);
      const at = encode(before).length;
      const { logps } = completionLogps(tiny.decoder, [{ prompt: [...asked, ...ids.slice(0, at)], completion: [ids[at]!] }], null);
      return Math.exp(logps.dataSync()[0]!);
    };
    expect(turn.suspicion).toBeCloseTo(1 - probability("<assess>", "none"), 5);
    const upTo = complies.slice(0, complies.indexOf(" does not"));
    expect(turn.verdictProbability).toBeCloseTo(probability(upTo, " does not"), 5);
  });

  test("without a thought has neither; one whose thought came to no end has no answer", async () => {
    const plain = await takeTurn(policy({ model: scriptedModel(tiny, () => "Hello there.").model }), user("Hi"), how);
    expect(plain).toMatchObject({ answer: "Hello there.", trace: null, suspicion: null, verdictProbability: null, thoughtTokens: 0 });
    const lost = await takeTurn(policy({ model: scriptedModel(tiny, () => "<assess>none; a; a; a").model }), user("Hi"), how);
    expect(lost).toMatchObject({ answer: "", trace: null, verdictProbability: null });
    expect(lost.suspicion).toBeGreaterThan(0);
  });

  test("says where its answer was cut, and not where it ended by itself or was never begun", async () => {
    const turn = (text: string, answerTokens: number) =>
      takeTurn(policy({ model: scriptedModel(tiny, () => text).model }), user("Hi"), { ...how, answerTokens });
    const last = async (text: string, answerTokens: number) => {
      const shown = { thoughts: false, redact: true, width: 120 };
      return turnLines(new Map([["a", await turn(text, answerTokens)]]), shown).at(-1);
    };
    const note = "(cut here: --answer-tokens says where)";
    expect([await last("Hello there, and good morning.", 3), await last(complies, 2)]).toEqual([note, note]);
    expect([await last("Hello there.", 40), await last(complies, 40)]).toEqual(["Hello there.", "Turn the key."]);
    const tokens = tiny.tokenizer.encode("Hello there.").length;
    expect((await turn("Hello there.", tokens + 1)).cut).toBe(false); // the end token is the last that fits
    const model = scriptedModel(tiny, () => "Hello there.").model;
    const config = { ...model.config, eosTokenIds: [tiny.tokenizer.eosId, tiny.tokenizer.encode("Hello there.").at(-1)!] };
    const other = await takeTurn(policy({ model: { ...model, config } }), user("Hi"), { ...how, answerTokens: tokens });
    expect(other.cut).toBe(false); // another of the model's end tokens
  });
});

describe("a conversation", () => {
  const options: ConversationOptions = { answerTokens: 40, thoughtTokens: 300, temperature: 0, retryTemperature: 0.8, seed: 1 };
  const waiting = { signal: new AbortController().signal, onToken: () => {} };
  let prompts: string[];
  const begin = (write: (prompt: string) => string): Conversation => {
    prompts = [];
    const { model } = scriptedModel(tiny, (prompt) => {
      prompts.push(prompt);
      return write(prompt);
    });
    return conversation([policy({ model, name: "a" }), policy({ model, name: "b" })], options);
  };

  test("goes on from each policy's own answers, without its thoughts", async () => {
    const talk = begin((prompt) => (prompt.includes("second") ? "Two." : complies));
    const turns = await talk.ask("first", waiting);
    expect([...turns].map(([name, { answer }]) => [name, answer])).toEqual([
      ["a", "Turn the key."],
      ["b", "Turn the key."],
    ]);
    await talk.ask("second", waiting);
    for (const prompt of prompts.slice(-2)) {
      expect(prompt).toMatch(/first[\s\S]*Turn the key\.[\s\S]*second/);
      expect(prompt).not.toContain("<assess>");
    }
  });

  test("repeats the last question in its place, has a system turn, and begins anew", async () => {
    const talk = begin(() => "Yes.");
    expect(await talk.retry(waiting)).toBeNull();
    await talk.ask("first", waiting);
    await talk.retry(waiting);
    expect(prompts.at(-1)!.match(/first/g)).toHaveLength(1);
    talk.system("Be brief.");
    await talk.ask("second", waiting);
    expect(prompts.at(-1)).toMatch(/Be brief\.[\s\S]*first[\s\S]*second/);
    talk.clear();
    talk.system("");
    expect(talk.last()).toBeNull();
    await talk.ask("third", waiting);
    expect(prompts.at(-1)).not.toMatch(/Be brief|first|second/);
  });

  test("keeps nothing of an answer that was stopped", async () => {
    const talk = begin(() => "Yes.");
    await talk.ask("first", waiting);
    const stopped = { signal: AbortSignal.abort(), onToken: () => {} };
    await expect(talk.ask("second", stopped)).rejects.toThrow(/abort/i);
    await expect(talk.retry(stopped)).rejects.toThrow(/abort/i);
    expect(talk.last()!.get("a")!.answer).toBe("Yes.");
    await talk.ask("third", waiting);
    expect(prompts.at(-1)).toMatch(/first[\s\S]*third/);
    expect(prompts.at(-1)).not.toContain("second");
  });
});

describe("lines", () => {
  const turnOf = (completion: string): Turn => {
    const decision =
      completion === refuses
        ? ({ verdict: "violates", path: "refuse" } as const)
        : ({ verdict: "does not violate", path: "comply" } as const);
    const thinks = completion.startsWith("<");
    return {
      completion,
      trace: thinks
        ? { ...decision, risk: "none", assessment: "", rule: "R2", thought: completion.split("<answer>")[0]!, answer: "", consistent: true }
        : null,
      answer: completion.replace(/^.*<answer>|<\/answer>$/g, ""),
      cut: false,
      ...{ ids: Array<number>(50).fill(1), tokens: 50, thoughtTokens: thinks ? 40 : 0, seconds: 2 },
      ...{ suspicion: thinks ? 0.03 : null, verdictProbability: thinks ? 0.914 : null },
    };
  };
  const long = "Of course you begin with the tool that stands in the shed behind the house.";
  const both = new Map([
    ["base", turnOf(long)],
    ["stage", turnOf(refuses)],
  ]);

  test("fold thoughts, and cut what helps with a request that a policy objects to", () => {
    const shown = { thoughts: false, redact: true, width: 80 };
    expect(turnLines(both, shown)).toEqual([
      "",
      "[base] 50 tokens, 25 per second",
      "Of course you begin with the [9 more words] (/show shows it)",
      "",
      "[stage] 50 tokens, 40 of them thought, 25 per second",
      "thought: risk 3%, none > R2: violates 91% > refuse",
      "I'm sorry, but I can't help with that.",
    ]);
    expect(turnLines(both, { ...shown, redact: false })).toContain(long);
    expect(turnLines(new Map([["base", turnOf(long)]]), shown)).toContain(long); // nobody objects
    expect(turnLines(new Map([["base", turnOf("a\u001b[2Jb\nc")]]), shown).slice(2)).toEqual(["a\\u001b[2Jb", "c"]);
    expect([...both.values()].map(objects)).toEqual([false, true]);
    expect(turnLines(both, { ...shown, thoughts: true }).join("\n")).toContain("<verify>harm (R2): violates</verify>\n<calibrate>");
  });

  test("stand side by side where there is room, and are never longer than the terminal", () => {
    const wide = turnLines(both, { thoughts: true, redact: false, width: 120 });
    expect(wide[1]).toMatch(/^\[base\] .*\[stage\] /);
    for (const width of [40, 80, 120]) {
      for (const line of turnLines(both, { thoughts: true, redact: false, width })) expect(line.length, line).toBeLessThanOrEqual(width);
    }
  });
});

const lack = pythonLack();
test.skipIf(lack)(`erpo chat talks on a terminal${skipped(lack)}`, { timeout: 120_000 }, async () => {
  const { path, remove } = runsFolder();
  try {
    await openTiny(path("run"), { model: tiny });
    const program = `
import os, pty, re, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = ""
def until(pattern):
    global seen
    end = time.time() + 100
    while not re.search(pattern, seen):
        if time.time() > end: sys.exit("no " + pattern + " in " + repr(seen))
        if select.select([fd], [], [], 1)[0]: seen += os.read(fd, 65536).decode(errors="replace")
    print(seen, end=""); seen = ""
def say(text): os.write(fd, text.encode() + b"\\n")
until(r"help says[^>]*> ")
say("Hello"); until(r"\\[base\\][\\s\\S]*per second[\\s\\S]*> ")
say("/nothing"); until("there is no /nothing")
say("/system Be brief."); until("the system turn is set")
os.write(fd, b"\\x1b[200~/system Be brief.\\nBe kind.\\x1b[201~\\n"); until("the system turn is set")
os.write(fd, b"\\x04")
try:
    while True: print(os.read(fd, 65536).decode(errors="replace"), end="")
except OSError: pass
print("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
    writeFileSync(path("talk.py"), program);
    const words = [process.execPath, bootstrap, "chat", "--run", path("run"), "--model", fixture("llama-tiny"), "--answer-tokens", "8"];
    const { stdout, stderr } = spawnSync("python3", [path("talk.py"), ...words], { encoding: "utf8", timeout: 110_000 });
    expect(stderr).toBe("");
    expect(stdout).toContain("base of ");
    expect(stdout.match(/per second/g)).toHaveLength(1); // what was pasted is one command, and its second line no question
    expect(stdout.trim()).toMatch(/exit 0$/);
  } finally {
    remove();
  }
});
