import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { TypeCheck } from "../../src/frontend/type-check.js";
import type { Compiled, Ran, Refused } from "./language.js";
import { preloadTypescript } from "./preload.js";
import { Preparation, Slot } from "./thread-state.js";

/**
 * The language's thread: it compiles cells for the main thread, and answers the questions that the protocol's thread hands it, so that
 * completion goes on while a cell runs.
 */

/** What the thread is started with. */
export interface LanguageData {
  /** Where the notebook is. */
  folder: string;
  /** Node's own globals in the main thread. */
  globals: ReadonlySet<string>;
  /** Shared with the main thread, by `Slot`. */
  state: Int32Array;
  /** From the protocol's thread. */
  questions: MessagePort;
}

/** From the main thread. */
export type ToLanguage =
  /** Answer with `compiled`. */
  | { type: "compile"; id: number; code: string; level: TypeCheck }
  /** A cell has run. */
  | { type: "commit"; cell: Ran };

/** To the main thread. */
export type Compilation = { id: number } & (
  | { compiled: Compiled | Refused }
  /** What went wrong in the thread itself; a cell that was given up needs no words. */
  | { failure: string }
);

/** From the protocol's thread: a request for `answerQuestion`. */
export interface Question {
  id: number;
  type: string;
  content: Record<string, unknown>;
  /** What the reader has typed into the cells that come before it and are not over, in their order. */
  before: string[];
}

/** From the protocol's thread: what the reader has typed into the cell that comes next, while another runs. */
export interface Next {
  next: string;
  /** As a question's. */
  before: string[];
}

/** To the protocol's thread: the content of the reply. */
export interface Answer {
  id: number;
  content: Record<string, unknown>;
}

const { folder, globals, state, questions } = workerData as LanguageData;
const main = parentPort!;

if (process.env.ERPO_FILE_TRACE) (await import("../session/file-trace.js")).traceReading();
const keepCode = preloadTypescript();
const { createLanguage } = await import("./language.js");
const { readMagic } = await import("../session/magics.js");
const { answerQuestion } = await import("./questions.js");
let compiling = 0; // the request at work; 0 for none
let answered = 0; // questions
const language = createLanguage(folder, globals, () =>
  compiling !== 0 ? compiling <= Atomics.load(state, Slot.GivenUp) : Atomics.load(state, Slot.Preparation) === Preparation.GivenUp,
);

function work(request: ToLanguage): void {
  if (request.type === "commit") {
    language.commit(request.cell);
    return;
  }
  const { id, code, level } = request;
  compiling = id;
  try {
    main.postMessage({ id, compiled: language.compile(code, level) } satisfies Compilation);
  } catch (thrown) {
    main.postMessage({ id, failure: (thrown as Error).message } satisfies Compilation);
  } finally {
    compiling = 0;
  }
}

function prepare(code: string): void {
  Atomics.store(state, Slot.Preparation, Preparation.AtWork);
  try {
    language.prepare(code);
  } finally {
    Atomics.store(state, Slot.Preparation, Preparation.None);
  }
}

function answer(asked: Question | Next): void {
  for (let sent = receiveMessageOnPort(main); sent; sent = receiveMessageOnPort(main)) work(sent.message); // a cell that has run is known to what is asked behind it
  try {
    language.expect(asked.before.map((typed) => readMagic(typed).code));
    if ("next" in asked) prepare(readMagic(asked.next).code);
  } catch {
    // what is wrong with a cell, it says when it is run
  }
  if ("next" in asked) return;
  const { id, type, content } = asked;
  Atomics.store(state, Slot.Question, ++answered);
  questions.postMessage({ id, content: answerQuestion(language, type, content) } satisfies Answer);
  Atomics.store(state, Slot.Question, 0);
}

language.compile("1", "strict"); // reads the types of the language's own library, before anybody waits for them
main.on("message", work);
questions.on("message", answer);
setTimeout(() => language.readNode()); // behind a cell that has been sent meanwhile
setTimeout(() => {
  answerQuestion(language, "complete_request", { code: "a", cursor_pos: 1 }); // the first completion takes longer than frontends wait for one
  main.postMessage({ id: 0, failure: "" } satisfies Compilation); // to no request: all is read, so the thread will not die of that
}, 1000).unref();
if (keepCode) setTimeout(keepCode, 4000).unref(); // with what the first cells have needed
