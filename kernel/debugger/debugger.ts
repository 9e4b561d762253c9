import type { Debugger as V8Debugger, Runtime as V8Runtime } from "node:inspector";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DebugProtocol } from "@vscode/debugprotocol";
import { Cells, SEED } from "./cells.js";
import { DOOR } from "./exposed.js";
import { MainInspector } from "./inspector.js";
import { type Frame, Program } from "./program.js";
import { type Body, capabilities, event, failure, Refusal, type Request, response, shownTo, THREAD, thrownText } from "./protocol.js";
import { valueReader } from "./values.js";
import { type VariableTable, variableTable } from "./variables.js";

/** What the debugger works with. */
export interface Surroundings {
  /** Sends an event to all clients. */
  event(content: object): void;
  /** Whether a cell is running. */
  running(): boolean;
  /** Runs a cell behind those that wait, for nobody to see. */
  run(code: string): void;
}

/** Evaluations are terminated when they take longer, ms. */
const EVALUATION = 4000;

/** The inspector holds the values of evaluations until the program goes on: clients may open them until then. */
const EVALUATED = "evaluated";

/** Jupyter's debugger protocol: the debug adapter protocol and the requests that Jupyter adds to it. Requests are answered one after the other. */
export class Debugger {
  private readonly cells = new Cells(join(tmpdir(), `erpo_${process.pid}`) + sep);
  private readonly v8: MainInspector;
  private readonly program: Program;
  private table: string | undefined; // the inspector's name of the main thread's `VariableTable`
  private started = false;
  private evaluated = false; // something, since the program went on
  private client: string | undefined;
  private seq = 0;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly use: Surroundings) {
    this.v8 = new MainInspector((method, params) => this.noticed(method, params));
    this.program = new Program(this.v8, this.cells, {
      event: (name, body) => use.event(event(++this.seq, name, body)),
      cell: async (file) => (await this.ask("cells")).find((cell) => cell.file === file),
    });
  }

  /** Answers a request; never rejects. */
  answer(request: Request): Promise<DebugProtocol.Response> {
    const answered = this.last.then(async () => {
      try {
        const body = await this.handle(request);
        return response(request, ++this.seq, body);
      } catch (error) {
        return failure(request, ++this.seq, error instanceof Error ? error.message : String(error));
      }
    });
    this.last = answered;
    return answered;
  }

  /** A client sends a cell to be run. */
  sent(code: string): void {
    this.release();
    this.cells.type(code);
  }

  /** Lets go of what evaluations have given. */
  private release(): void {
    if (!this.evaluated) return;
    this.evaluated = false;
    this.v8.post("Runtime.releaseObjectGroup", { objectGroup: EVALUATED }).catch(() => {});
  }

  /** Whether the program stands still at a place of the reader's. */
  get standsStill(): boolean {
    return this.program.frames.length > 0;
  }

  /** The reader stops the program, or ends it: it must not stand still. */
  interrupt(): void {
    if (!this.started) return;
    this.program.release();
  }

  /** What was to be stopped is over. */
  settled(): void {
    this.program.allow().catch(() => {});
  }

  close(): void {
    this.v8.close();
  }

  private noticed(method: string, params: unknown): void {
    if (method === "Debugger.scriptParsed") this.program.parsed(params as V8Debugger.ScriptParsedEventDataType);
    else if (method === "Debugger.resumed") {
      this.program.resumed();
      this.release();
    } else if (method === "Debugger.paused")
      this.last = this.last.then(() => this.program.paused(params as V8Debugger.PausedEventDataType)).catch(() => {});
  }

  private async handle({ command, arguments: args = {} }: Request): Promise<Body> {
    const own = Object.hasOwn(this.commands, command) ? this.commands[command] : undefined;
    if (own) return own(args);
    const whileStarted = Object.hasOwn(this.startedCommands, command) ? this.startedCommands[command] : undefined;
    if (!whileStarted) throw new Refusal(`${JSON.stringify(String(command))} is no command that this debugger knows`);
    if (!this.started) throw new Refusal(`${command}: the debugger has not been started; send initialize and attach before`);
    return whileStarted(args);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the arguments are the protocol's, other ones for each command
  private readonly commands: Record<string, (args: any) => Promise<Body>> = {
    debugInfo: async () => ({
      isStarted: this.started,
      hashMethod: "Murmur2",
      hashSeed: SEED,
      tmpFilePrefix: this.cells.prefix,
      tmpFileSuffix: this.cells.suffix,
      breakpoints: this.cells.breakpoints(),
      stoppedThreads: this.program.frames.length > 0 ? [THREAD] : [],
      richRendering: true,
      exceptionPaths: [],
      copyToGlobals: true,
    }),
    initialize: async ({ clientID }: DebugProtocol.InitializeRequestArguments) => {
      this.client = clientID;
      try {
        if (!this.started) await this.program.start(() => this.ask("cells"));
      } catch (error) {
        await this.program.stop().catch(() => {}); // nothing half-done is left to the next try
        throw error;
      }
      this.started = true;
      return capabilities;
    },
    disconnect: async () => {
      if (this.started) await this.program.stop();
      this.started = false;
      this.cells.reset();
      this.release();
      if (this.table) await this.ask("clear");
      return undefined;
    },
    dumpCell: async ({ code }: { code: string }) => ({ sourcePath: this.cells.dump(String(code)) }),
    source: async ({ source }: DebugProtocol.SourceArguments) => {
      const content = this.cells.text(source?.path ?? "");
      if (content === undefined) throw new Refusal(`${source?.path}: no cell has this path`);
      return { content, mimeType: "text/typescript" };
    },
    modules: async ({ startModule = 0, moduleCount = 0 }: DebugProtocol.ModulesArguments) => {
      const all = this.cells.modules();
      return { modules: all.slice(startModule, moduleCount > 0 ? startModule + moduleCount : undefined), totalModules: all.length };
    },
    inspectVariables: async () => ({ variables: shownTo(this.client, await this.ask("globals")) }),
    variables: async ({ variablesReference, filter, start, count }: DebugProtocol.VariablesArguments) => {
      const variables = await this.ask("variables", variablesReference, { filter, start, count });
      if (!variables) throw new Refusal(`${variablesReference}: the program has gone on since; ask for the variables again`);
      return { variables: shownTo(this.client, variables) };
    },
    richInspectVariables: async ({ variableName, frameId }: { variableName: string; frameId?: number }) => this.rich(variableName, frameId),
  };

  // biome-ignore lint/suspicious/noExplicitAny: as above
  private readonly startedCommands: Record<string, (args: any) => Promise<Body>> = {
    attach: async () => {
      this.use.event(event(++this.seq, "initialized", undefined));
      return undefined;
    },
    configurationDone: async () => undefined,
    threads: async () => ({ threads: [{ id: THREAD, name: "cells" }] }),
    setBreakpoints: async ({ source, breakpoints = [] }: DebugProtocol.SetBreakpointsArguments) => ({
      breakpoints: await this.program.setBreakpoints(String(source.path), breakpoints),
    }),
    setExceptionBreakpoints: async ({ filters }: DebugProtocol.SetExceptionBreakpointsArguments) => {
      await this.program.exceptions(filters);
      return {};
    },
    stackTrace: async ({ startFrame = 0, levels = 0 }: DebugProtocol.StackTraceArguments) => {
      const all = this.program.frames.filter(({ position }) => position.place);
      const stackFrames = all.slice(startFrame, levels > 0 ? startFrame + levels : undefined).map(({ id, script, position }) => ({
        id,
        name: position.functionName || script.label,
        ...position.place!,
        source: { name: script.label, path: script.path },
      }));
      return { stackFrames, totalFrames: all.length };
    },
    scopes: async ({ frameId }: DebugProtocol.ScopesArguments) => {
      const { v8, script } = this.frame(frameId);
      const inner = v8.scopeChain.filter(({ type }) => !["global", "script", "with", "module"].includes(type)).map(({ object }) => object);
      const names = await this.askWith("frameNames", [{ value: script.source }, ...inner]);
      const now = await this.v8.post<V8Debugger.EvaluateOnCallFrameReturnType>("Debugger.evaluateOnCallFrame", {
        callFrameId: v8.callFrameId,
        expression: valuesOf(names),
        silent: true,
        objectGroup: "scope",
      });
      const locals = await this.askWith("frameScope", [{ value: names }, resultOf(now), ...inner]);
      await this.v8.post("Runtime.releaseObjectGroup", { objectGroup: "scope" });
      const globals = await this.ask("globalScope");
      return {
        scopes: [
          { name: "Locals", presentationHint: "locals", variablesReference: locals, expensive: false },
          { name: "Globals", variablesReference: globals, expensive: false },
        ],
      };
    },
    evaluate: async ({ expression, frameId, context }: DebugProtocol.EvaluateArguments) => {
      const found = await this.evaluate(expression, frameId, context === "hover");
      return await this.askWith("result", [found]);
    },
    copyToGlobals: async ({ srcVariableName, dstVariableName, srcFrameId }: Record<string, string> & { srcFrameId: number }) => {
      for (const name of [srcVariableName, dstVariableName])
        if (!isName(name)) throw new Refusal(`${JSON.stringify(name)} is no variable's name`);
      await this.askWith("copy", [{ value: dstVariableName }, await this.evaluate(srcVariableName!, srcFrameId, true)]);
      this.use.run(`let ${dstVariableName}: any = (globalThis as any)[Symbol.for("${DOOR}")].values().get("${dstVariableName}");`);
      return {};
    },
    continue: async () => {
      await this.program.continue();
      return { allThreadsContinued: true };
    },
    pause: async () => {
      await this.program.advance("pause");
      return undefined;
    },
    ...Object.fromEntries(
      (["next", "stepIn", "stepOut"] as const).map((kind) => [
        kind,
        async () => {
          if (this.program.frames.length === 0) throw new Refusal(`${kind}: the program does not stand still`);
          await this.program.advance(kind);
          return undefined;
        },
      ]),
    ),
  };

  private frame(id: number | undefined): Frame {
    const frame = this.program.frames.find((frame) => frame.id === id);
    if (!frame) throw new Refusal(`${id}: no such frame; the program has gone on since`);
    return frame;
  }

  /** The value of an expression of JavaScript, in a frame or among the session's names. */
  private async evaluate(expression: string, frameId: number | undefined, pure: boolean): Promise<V8Runtime.RemoteObject> {
    const options = { expression, silent: true, throwOnSideEffect: pure, timeout: EVALUATION, objectGroup: EVALUATED };
    this.evaluated = true;
    const standing = this.program.frames.length > 0;
    const evaluated = standing
      ? await this.v8.post<V8Debugger.EvaluateOnCallFrameReturnType>("Debugger.evaluateOnCallFrame", {
          ...options,
          callFrameId: (frameId === undefined ? this.program.frames[0]! : this.frame(frameId)).v8.callFrameId,
        })
      : await this.v8.post<V8Runtime.EvaluateReturnType>("Runtime.evaluate", { ...options, disableBreaks: true }); // nobody could let it go on
    return resultOf(evaluated);
  }

  /** A name's value as `display` shows it. While a cell runs nothing of the reader's may: then it is a line of text. */
  private async rich(name: string, frameId: number | undefined): Promise<Body> {
    if (!isName(name)) throw new Refusal(`${JSON.stringify(name)} is no variable's name`);
    if (this.program.frames.length > 0) {
      const value = await this.evaluate(name, frameId, true);
      return this.askWith("rich", [value]);
    }
    if (!(await this.ask("has", name))) throw new Refusal(`${name}: the session has no such name`);
    if (this.use.running()) return this.ask("plain", name);
    const shown = () => this.ask("richOf", name);
    return this.started ? this.program.unstopped(shown) : shown();
  }

  /** Calls a function of the main thread's table. */
  private ask<K extends keyof VariableTable>(
    name: K,
    ...args: Parameters<VariableTable[K]>
  ): Promise<Awaited<ReturnType<VariableTable[K]>>> {
    return this.askWith(
      name,
      args.map((value) => ({ value })),
    );
  }

  /** The same with values that only the main thread has. */
  private async askWith<K extends keyof VariableTable>(
    name: K,
    args: (V8Runtime.CallArgument | V8Runtime.RemoteObject)[],
  ): Promise<Awaited<ReturnType<VariableTable[K]>>> {
    this.table ??= await this.openTable();
    const called = await this.v8.post<V8Runtime.CallFunctionOnReturnType>("Runtime.callFunctionOn", {
      objectId: this.table,
      functionDeclaration: `function (...args) { return this.${name}(...args); }`,
      arguments: args.map((arg) => ("type" in arg ? asArgument(arg) : arg)),
      silent: true,
      returnByValue: true,
      awaitPromise: this.program.frames.length === 0 && name === "richOf",
    });
    return resultOf(called).value;
  }

  private async isThere(expression: string): Promise<boolean> {
    const asked = await this.v8.post<V8Runtime.EvaluateReturnType>("Runtime.evaluate", { expression: `${expression} !== undefined` });
    return asked.result.value === true;
  }

  private async openTable(): Promise<string> {
    const door = `globalThis[Symbol.for("${DOOR}")]`;
    for (let tries = 0; !(await this.isThere(door)) && tries < 400; tries++) await sleep(25); // the session is still being started
    const reader = `(${valueReader})(${door}.types, Symbol("getter"))`;
    const made = await this.v8.post<V8Runtime.EvaluateReturnType>("Runtime.evaluate", {
      expression: `(${variableTable})(${door}, ${reader})`,
      silent: true,
      objectGroup: "table",
    });
    return resultOf(made).objectId!;
  }
}

const isName = (text: unknown): text is string => typeof text === "string" && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(text);

/** An expression of the values that names have now, each in a list, which is empty before a name's declaration. V8's scopes hold those of the stop. */
const valuesOf = (names: readonly string[]): string =>
  `[${names.map((name) => `(() => { try { return [${name}]; } catch { return []; } })()`).join(", ")}]`;

/** @throws Refusal with what the program has thrown */
function resultOf({
  result,
  exceptionDetails,
}: {
  result: V8Runtime.RemoteObject;
  exceptionDetails?: V8Runtime.ExceptionDetails | undefined;
}): V8Runtime.RemoteObject {
  if (!exceptionDetails) return result;
  throw new Refusal(thrownText(exceptionDetails));
}

/** A value of the main thread as an argument of a function there. */
function asArgument({ objectId, unserializableValue, value }: V8Runtime.RemoteObject): V8Runtime.CallArgument {
  if (objectId !== undefined) return { objectId };
  return unserializableValue !== undefined ? { unserializableValue } : { value };
}
