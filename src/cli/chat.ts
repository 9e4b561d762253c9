import { createInterface } from "node:readline";
import type { Command } from "commander";
import { longestThought } from "../exante/answer-stop.js";
import type { Policy } from "../generation/policy.js";
import type { Conversation, Turns, Waiting } from "./conversation.js";
import { repeated, say, temperature, wholeNumber } from "./output.js";

interface ChatOptions {
  run: string;
  model?: string;
  policy: string[];
  answerTokens: number;
  temperature: number;
  seed: number;
  redact: boolean;
}

/** At which /retry draws where answers are greedy: else it would say the same again. */
const retryTemperature = 0.8;

/** `erpo chat`: a conversation with policies of a run, beside each other. */
export function register(program: Command): void {
  program
    .command("chat")
    .description("talk to policies of a run, beside each other: what each thinks, how sure it is, what it answers")
    .option("--run <dir>", "a run's folder", "runs/quick")
    .option("--model <M>", "the run's model, where that was a path (default: as run.json names it)")
    .option(
      "--policy <name>",
      "a stage's folder in the run, or base; may be repeated (default: base and the run's last stage)",
      repeated,
      [],
    )
    .option("--answer-tokens <n>", "tokens after which an answer is cut", wholeNumber(1), 96)
    .option("--temperature <t>", "0 takes the likeliest token", temperature, 0)
    .option("--seed <n>", "seed of the sampling", wholeNumber(Number.MIN_SAFE_INTEGER), 0)
    .option("--no-redact", "show whole answers that help with what a policy takes for harmful")
    .addHelpText("after", `\n${commandHelp}`)
    .action(chat);
}

const commandHelp = `In the conversation:
  /retry         draw the last answers again
  /system TEXT   put a system turn before the conversation; without TEXT take it away
  /thought       show whole thoughts, or a line of each
  /show          show the last answers unredacted
  /clear         begin a new conversation
  /help, /quit   this; leave (also Ctrl-D). Ctrl-C stops an answer.`;

async function chat(options: ChatOptions): Promise<void> {
  const { reopenRun } = await import("../runs/run.js");
  const { conversation } = await import("./conversation.js");
  const run = await reopenRun(options.run, { model: options.model, log: say });
  const names = options.policy.length > 0 ? options.policy : await defaultPolicies(options.run);
  const policies: Policy[] = [];
  for (const name of new Set(names)) policies.push(await run.policy(name));
  process.stdout.write(`${policies.map(({ name }) => name).join(" and ")} of ${options.run}; /help says what else there is\n`);
  await talk(conversation(policies, { ...options, thoughtTokens: longestThought, retryTemperature }), options.redact);
}

/** Reads what is entered, questions and commands, until it ends. Where standard input is no terminal, neither a prompt nor progress is written. */
async function talk(conversation: Conversation, redact: boolean): Promise<void> {
  const [{ turnLines }, { entered }] = await Promise.all([import("./chat-lines.js"), import("./entered.js")]);
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  const lines = createInterface({ input: process.stdin, output: terminal ? process.stdout : undefined, terminal, prompt: "> " });
  const say = (text: string) => void process.stdout.write(`${terminal ? "\r\x1b[K" : ""}${text}\n`);
  let whole = false;
  const show = (turns: Turns | null, redacted = redact) => {
    const shown = { thoughts: whole, redact: redacted, width: Math.max(40, process.stdout.columns ?? 80) };
    say(turns ? `${turnLines(turns, shown).join("\n")}\n` : "nothing has been asked yet");
  };
  let answering: AbortController | null = null;
  lines.on("SIGINT", () => (answering ? answering.abort() : lines.close()));
  const wait = async (ask: (waiting: Waiting) => Promise<Turns | null>) => {
    answering = new AbortController();
    const { signal } = answering;
    const onToken = (name: string, tokens: number) => void (terminal && process.stdout.write(`\r${name}: ${tokens} tokens\x1b[K`));
    try {
      show(await ask({ signal, onToken }));
    } catch (error) {
      if (signal.aborted) say("stopped");
      else if (error instanceof RangeError)
        say(`erpo: ${error.message}; /clear begins anew`); // too long
      else throw error;
    }
    answering = null;
  };
  const commands: Record<string, (text: string) => void | Promise<void>> = {
    "/help": () => say(commandHelp),
    "/retry": () => wait(conversation.retry),
    "/system"(text) {
      conversation.system(text);
      say(text === "" ? "no system turn" : "the system turn is set");
    },
    "/thought"() {
      whole = !whole;
      say(`thoughts are ${whole ? "whole" : "folded"} from now on`);
    },
    "/show": () => show(conversation.last(), false),
    "/clear"() {
      conversation.clear();
      say("a new conversation");
    },
    "/quit": () => lines.close(),
  };
  lines.prompt();
  for await (const text of entered(lines, terminal ? { input: process.stdin, output: process.stdout } : undefined)) {
    const said = text.trim();
    const [command] = said.split(/\s/, 1) as [string];
    const act = Object.hasOwn(commands, command) ? commands[command] : undefined;
    if (act) await act(said.slice(command.length).trim());
    else if (command.startsWith("/")) say(`there is no ${command}: /help says what there is`);
    else if (said !== "") await wait((waiting) => conversation.ask(said, waiting));
    if (command === "/quit") break;
    lines.prompt();
  }
  if (terminal) process.stdout.write("\n");
}

/** The base model, and the last stage that the run has been through. */
async function defaultPolicies(run: string): Promise<string[]> {
  const { finishedStages } = await import("../runs/claim.js");
  const { stages } = await import("../methods/erpo/stages.js");
  const finished = finishedStages(run);
  const last = [stages.final, stages.dpo, stages.sft].find((stage) => finished.includes(stage));
  return ["base", ...(last ? [last] : [])];
}
