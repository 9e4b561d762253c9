import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { TypeCheck } from "../../src/frontend/type-check.js";
import { builtinNames } from "./builtin-names.js";
import type { Compiled, Ran, Refused } from "./language.js";
import type { Compilation, LanguageData, ToLanguage } from "./language-worker.js";
import { createState, Preparation, Slot } from "./thread-state.js";

const after = setTimeout; // Node's own: a cell that is being stopped can set none

/** A type checker that has not come to its end so long after the cell was given up is ended, ms. */
const PATIENCE = 1000;

/** A cell waits so long for the answer to a question that was asked before it, ms; the first ones take seconds, since they read types. */
const WAIT = 5000;

/** How much of its memory the thread may fill with what is new before it collects, MB: with V8's own 48, a session has 30 MB more and is no faster. */
const YOUNG = 4;

/** A cell that is to be compiled. */
interface Wanted {
  code: string;
  level: TypeCheck;
  resolve: (compiled: Compiled | Refused) => void;
  reject: (error: Error) => void;
}

/** The main thread's end of the language's thread. */
export class LanguageThread {
  private worker: Worker | undefined;
  private ready: Worker | undefined; // the last that has been able to answer
  private state = createState(); // shared with the worker, by `Slot`
  private readonly waiting = new Map<number, Wanted>(); // by their ids, in their order
  private readonly ran: Ran[] = []; // what a new thread has to be told
  private last = 0;

  /**
   * @param folder where the notebook is
   * @param connect hands the other end of the questions' port to who asks them; again for each new thread
   */
  constructor(
    private readonly folder: string,
    private readonly connect: (questions: MessagePort) => void,
  ) {
    this.worker = this.begin();
  }

  /**
   * Checks and compiles a cell; see `Language.compile`.
   * @throws Error when the cell is given up, or the thread fails
   */
  compile(code: string, level: TypeCheck): Promise<Compiled | Refused> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { code, level, resolve, reject });
      this.post({ type: "compile", id, code, level });
      this.limitQuestion(id);
    });
  }

  /** Ends the thread where the question that it is at holds up a cell for too long: what is asked about may have a type that never ends. */
  private limitQuestion(id: number): void {
    const { worker, state } = this;
    const question = Atomics.load(state, Slot.Question);
    if (question === 0 || !worker) return;
    after(() => {
      if (this.waiting.has(id) && Atomics.load(state, Slot.Question) === question) this.end(worker, "the question before it took too long");
    }, WAIT);
  }

  /** Makes a cell's names and types known to later cells, once it has run. */
  commit(cell: Ran): void {
    this.worker?.postMessage({ type: "commit", cell } satisfies ToLanguage);
    this.ran.push(cell);
  }

  /**
   * Gives up what is being compiled, or checked ahead of its turn. A type that never ends takes its thread with it: a new one is told what
   * has run.
   */
  stop(): void {
    const { last: id, worker, state } = this;
    if (!worker) return;
    Atomics.store(state, Slot.GivenUp, id);
    const prepares = Atomics.compareExchange(state, Slot.Preparation, Preparation.AtWork, Preparation.GivenUp) !== Preparation.None;
    if (!prepares && !this.waiting.has(id)) return;
    after(() => {
      if (this.worker !== worker) return;
      if (!this.waiting.has(id) && Atomics.load(state, Slot.Preparation) !== Preparation.GivenUp) return;
      this.end(worker, "the cell was given up");
      this.worker ??= this.begin();
    }, PATIENCE);
  }

  /** Ends the thread, and with it the cell that it was at; the next is told what has run, and goes on with the others. */
  private end(worker: Worker, reason: string): void {
    if (this.worker !== worker) return;
    const { state } = this;
    this.worker = undefined;
    void worker.terminate();
    if (this.ready === worker) this.worker = this.begin(); // for questions, which come without a cell; where it was never ready, the next might not be either
    const givenUp = [...this.waiting.keys()].filter((id) => id <= Atomics.load(state, Slot.GivenUp));
    const compiles = Atomics.load(state, Slot.Preparation) === Preparation.None && Atomics.load(state, Slot.Question) === 0;
    const lost = givenUp.length || !compiles ? givenUp : [...this.waiting.keys()].slice(0, 1);
    for (const id of lost) {
      this.waiting.get(id)?.reject(new Error(reason));
      this.waiting.delete(id);
    }
    for (const [id, { code, level }] of this.waiting) this.post({ type: "compile", id, code, level });
  }

  private begin(): Worker {
    const { port1, port2 } = new MessageChannel();
    this.state = createState();
    const data: LanguageData = { folder: this.folder, globals: builtinNames, state: this.state, questions: port1 };
    const worker = new Worker(new URL("./language-worker.js", import.meta.url), {
      ...{ workerData: data, transferList: [port1], execArgv: [] },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG },
    });
    this.connect(port2);
    worker.on("message", (answer: Compilation) => {
      this.ready = worker;
      const asked = this.waiting.get(answer.id);
      this.waiting.delete(answer.id);
      if ("compiled" in answer) asked?.resolve(answer.compiled);
      else asked?.reject(new Error(answer.failure));
    });
    worker.on("error", (error) => this.end(worker, `the type checker failed: ${error.message}; the session's values are kept`));
    for (const cell of this.ran) worker.postMessage({ type: "commit", cell } satisfies ToLanguage);
    return worker;
  }

  private post(message: ToLanguage): void {
    this.worker ??= this.begin();
    this.worker.postMessage(message);
  }
}
