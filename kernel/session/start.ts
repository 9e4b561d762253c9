import { loadNativeFirst } from "../../src/backend/native-first.js";
import { type TypeCheck, typeCheckLevels } from "../../src/frontend/type-check.js";
import { historyDir } from "../../src/setup/paths.js";
import { expose } from "../debugger/exposed.js";
import type { LanguageThread } from "../language/language-thread.js";
import { isTensorflow } from "../language/packages.js";
import { createRuntime } from "../language/runtime.js";
import { cellSources, installStackTraces } from "../language/stack.js";
import { CommMessages } from "./comm-messages.js";
import { shareState, throwerOf, within } from "./context.js";
import { Dispatcher } from "./dispatcher.js";
import { Executor } from "./execute.js";
import { format } from "./format.js";
import { History } from "./history.js";
import { captureInherited } from "./inherited.js";
import { Questions } from "./input.js";
import { Waits } from "./interrupt.js";
import { LateErrors } from "./late-errors.js";
import { installListeners } from "./listeners.js";
import { captureStreams, connectFrontend, isOfItsCell, Outputs, type Post, warn } from "./outputs.js";
import { installRejections } from "./rejections.js";
import { Session } from "./session.js";
import { installTimers } from "./timers.js";
import { type Model, watchTraining } from "./training.js";
import { connectTslab } from "./tslab.js";

/** TensorFlow.js in a cell computes natively, whichever of its packages is named. */
async function beforeImport(specifier: string): Promise<void> {
  if (/^tslab($|\/)/.test(specifier)) connectTslab();
  if (isTensorflow(specifier)) await (await import("../../src/backend/device.js")).openNativeEarly();
}

function beforeRequire(specifier: string): void {
  if (/^tslab($|\/)/.test(specifier)) connectTslab();
  if (isTensorflow(specifier)) loadNativeFirst();
}

/** Whatever package it came by, TensorFlow.js has its models from one file. */
function afterLoad(file: string, exports: unknown): void {
  if (/[\\/]@tensorflow[\\/]tfjs-layers[\\/]dist[\\/]tf-layers\.node\.js$/.test(file)) {
    watchTraining((exports as { LayersModel: { prototype: Model } }).LayersModel.prototype);
  }
}

/**
 * Starts the session of this process, and makes the process serve it: what it prints, its timers, listeners and uncaught errors.
 * @param folder the notebook's folder
 * @param state shared with the protocol's thread
 */
export function startSession(folder: string, language: LanguageThread, state: Int32Array, post: Post): Dispatcher {
  shareState(state);
  const waits = new Waits();
  const runtime = createRuntime(folder, waits, { beforeImport, beforeRequire, afterLoad });
  const executor = new Executor(language, runtime, waits, state);
  expose({ values: runtime.values, put: runtime.put, cells: cellSources, format: (value) => within(undefined, () => format(value)) });
  const level = process.env.ERPO_TYPE_CHECK as TypeCheck | undefined;
  if (level && typeCheckLevels.includes(level)) executor.typeCheck = level;
  const questions = new Questions(post);
  const outputs = new Outputs(post);
  const late = new LateErrors(warn);
  const session = new Session({
    evaluator: executor,
    outputs,
    history: new History(historyDir()),
    onCell: (label, context) => late.begin(label, context),
    onCellOver: () => questions.reset(),
    now: () => performance.now(),
  });

  installStackTraces();
  installTimers(late.report);
  installListeners();
  captureStreams(outputs);
  captureInherited();
  connectFrontend(outputs, state, {
    input: (prompt, password) => questions.ask(prompt, password),
    typeCheck: (level) => {
      executor.typeCheck = level;
    },
  });
  Object.assign(globalThis, {
    prompt: async (question = "", options: { password?: boolean } = {}) => questions.ask(question, options.password ?? false),
    confirm: async (question = "") => /^\s*y(es)?\s*$/i.test(await questions.ask(`${question} [y/N] `, false)),
  });
  installRejections();
  process.on("unhandledRejection", (thrown) => {
    if (!isOfItsCell(thrown)) late.report(thrown);
  });
  process.on("uncaughtException", (thrown) => within(throwerOf(thrown), () => late.report(thrown)));

  const comms = new CommMessages(executor, late.report);
  return new Dispatcher({ session, comms, executor, questions, exit: () => process.exit(0) }, state, post);
}
