import type { Debugger as V8 } from "node:inspector";
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { CellSource } from "../language/stack.js";
import { breakableAt, breakables } from "./cell-lines.js";
import type { CellBreakpoint, Cells, Script } from "./cells.js";
import { asExpression, byV8, CONDITION, faultOf } from "./conditions.js";
import type { MainInspector } from "./inspector.js";
import { THREAD, thrownText } from "./protocol.js";
import { goesOn, MAX_STEPS, type Position, passesOver, type StepKind } from "./steps.js";

/** A frame of a cell while the program stands still. */
export interface Frame {
  id: number;
  v8: V8.CallFrame;
  script: Script;
  position: Position;
}

/** What a program tells. */
export interface Listener {
  event(name: string, body: object): void;
  /** The source of a cell that is about to run, or has run. */
  cell(file: string): Promise<CellSource | undefined>;
}

/** How V8 names the scripts of cells (language/stack.ts); everything else is stepped over. */
const CELL = /^erpo-cell-\d+$/;
const NOT_A_CELL = "^(?!erpo-cell-\\d+$)";

/** Why a breakpoint does not stop. */
const NO_STATEMENT = "no statement stands here or below";
const NO_FILES = "breakpoints in files are not supported; set one in a cell";

const COMMANDS = {
  next: "Debugger.stepOver",
  stepIn: "Debugger.stepInto",
  stepOut: "Debugger.stepOut",
  pause: "Debugger.stepOver",
} as const;

/** The program under V8's debugger: where it stops and stands, and how it goes on. */
export class Program {
  private readonly files = new Map<string, string>(); // by script id
  private readonly conditions = new Map<string, string>(); // by V8's breakpoints, removed ones too: a pause at one may be on its way
  private entry: string | undefined; // the breakpoint at the beginning of every cell
  private step: { kind: StepKind; from: Position | undefined; left: number } | undefined;
  private released = false; // it stops nowhere, since it is to end
  private halted = false; // V8 stands still, perhaps for us only
  private frameId = 0;
  /** The frames of cells, the innermost first; empty while the program runs. */
  frames: Frame[] = [];

  constructor(
    private readonly v8: MainInspector,
    private readonly cells: Cells,
    private readonly listener: Listener,
  ) {}

  /** Starts debugging. Cells that have been run before are known by `added`. */
  async start(earlier: () => Promise<CellSource[]>): Promise<void> {
    await this.v8.post("Debugger.enable", { maxScriptsCacheSize: 0 });
    await this.v8.post("Debugger.setBlackboxPatterns", { patterns: [NOT_A_CELL] });
    // Each cell stops before its first statement, so that its breakpoints are set before it runs.
    const { breakpointId } = await this.v8.post<V8.SetBreakpointByUrlReturnType>("Debugger.setBreakpointByUrl", {
      urlRegex: CELL.source,
      lineNumber: 0,
      columnNumber: 0,
    });
    this.entry = breakpointId;
    const ids = new Map([...this.files].map(([id, file]) => [file, id]));
    for (const cell of await earlier()) {
      const id = ids.get(cell.file);
      if (id !== undefined) await this.add(cell, id);
    }
  }

  /** Ends debugging; a program that stands still goes on. */
  async stop(): Promise<void> {
    this.step = undefined;
    this.frames = [];
    await this.v8.post("Debugger.disable");
    this.entry = undefined;
    this.halted = false;
    this.files.clear();
    this.conditions.clear();
  }

  /** V8 has read a script. */
  parsed({ scriptId, url }: V8.ScriptParsedEventDataType): void {
    if (CELL.test(url)) this.files.set(scriptId, url);
  }

  /** V8 stands still: for the reader, or for us only. */
  async paused({ callFrames, hitBreakpoints = [], reason, data }: V8.PausedEventDataType): Promise<void> {
    this.halted = true;
    const top = callFrames[0];
    const file = this.files.get(top?.location.scriptId ?? "");
    if (file && hitBreakpoints.includes(this.entry ?? "") && top!.location.lineNumber === 0 && top!.functionName === "") {
      if (!this.cells.script(file)) await this.learn(file, top!.location.scriptId);
      await this.resume(this.step?.kind === "pause" ? "Debugger.stepInto" : "Debugger.resume");
      return;
    }
    const hits = hitBreakpoints.filter((id) => id !== this.entry);
    const { hit, fault } = await this.holds(hits, top);
    if (!this.halted) return; // an interrupt has let it go on meanwhile
    const frames = this.framesOf(callFrames);
    const [inner] = frames;
    const thrown = reason === "exception" || reason === "promiseRejection";
    const step = this.step;
    const missed = hits.length > 0 && !hit && !thrown;
    if (!inner || (missed && !step)) {
      await this.resume("Debugger.resume");
      return;
    }
    if (missed && step && passesOver(step.kind, step.from, inner.position)) {
      await this.resume("Debugger.stepOut"); // V8 has forgotten the step
      return;
    }
    if (step && !hit && !thrown && step.left-- > 0 && goesOn(step.kind, step.from, inner.position)) {
      await this.resume(step.kind === "stepIn" ? "Debugger.stepInto" : "Debugger.stepOver");
      return;
    }
    this.step = undefined;
    this.frames = frames;
    const why = hit ? "breakpoint" : thrown ? "exception" : step ? (step.kind === "pause" ? "pause" : "step") : "breakpoint";
    const text = thrown ? (data as { description?: string } | undefined)?.description?.split("\n")[0] : fault;
    if (fault) this.listener.event("output", { category: "stderr", output: `${fault}\n` });
    this.listener.event("stopped", { reason: why, threadId: THREAD, allThreadsStopped: true, ...(text && { text, description: text }) });
  }

  /** Whether one of V8's breakpoints is to stop here. One whose condition fails does, with what is wrong with it. */
  private async holds(ids: readonly string[], top: V8.CallFrame | undefined): Promise<{ hit: boolean; fault?: string }> {
    const conditions = ids.map((id) => this.conditions.get(id));
    if (conditions.includes(undefined)) return { hit: true };
    for (const condition of conditions as string[]) {
      try {
        const { result, exceptionDetails } = await this.v8.post<V8.EvaluateOnCallFrameReturnType>("Debugger.evaluateOnCallFrame", {
          callFrameId: top!.callFrameId,
          expression: asExpression(condition),
          silent: true,
          returnByValue: true,
          timeout: CONDITION,
        });
        if (exceptionDetails) return { hit: true, fault: `the condition ${condition} has thrown ${thrownText(exceptionDetails)}` };
        if (result.value === true) return { hit: true };
      } catch (error) {
        const { message } = error as Error;
        const cause = message.includes("Execution was terminated") ? `has not ended within ${CONDITION / 1000} s` : `failed: ${message}`;
        return { hit: true, fault: `the condition ${condition} ${cause}` };
      }
    }
    return { hit: false };
  }

  /** V8 goes on. */
  resumed(): void {
    const stood = this.frames.length > 0;
    this.halted = false;
    this.frames = [];
    if (stood) this.listener.event("continued", { threadId: THREAD, allThreadsContinued: true });
  }

  /** Goes on until the next breakpoint. */
  async continue(): Promise<void> {
    this.step = undefined;
    if (this.halted) await this.resume("Debugger.resume");
  }

  async advance(kind: StepKind): Promise<void> {
    this.step = { kind, from: this.frames[0]?.position, left: MAX_STEPS };
    if (kind === "pause") await this.v8.post("Debugger.pause");
    else await this.resume(COMMANDS[kind]);
  }

  /** Goes on, and stops nowhere until `allow`. Waits for nothing. */
  release(): void {
    this.step = undefined;
    this.released = true;
    const ignore = () => {};
    this.v8.post("Debugger.setSkipAllPauses", { skip: true }).catch(ignore);
    if (this.halted) this.v8.post("Debugger.resume").catch(ignore);
  }

  /** Ends `release`, if there was one. */
  async allow(): Promise<void> {
    if (!this.released) return;
    this.released = false;
    await this.v8.post("Debugger.setSkipAllPauses", { skip: false });
  }

  /** What runs for `work` stops nowhere: nobody could let it go on. */
  async unstopped<T>(work: () => Promise<T>): Promise<T> {
    await this.v8.post("Debugger.setSkipAllPauses", { skip: true });
    try {
      return await work();
    } finally {
      if (!this.released) await this.v8.post("Debugger.setSkipAllPauses", { skip: false });
    }
  }

  async exceptions(filters: readonly string[]): Promise<void> {
    await this.v8.post("Debugger.setPauseOnExceptions", { state: filters.includes("all") ? "all" : "none" });
  }

  /** Sets the breakpoints of a cell in all of its scripts. A cell that has not run has none: they are set when it does. */
  async setBreakpoints(path: string, wanted: readonly DebugProtocol.SourceBreakpoint[]): Promise<DebugProtocol.Breakpoint[]> {
    const breakpoints = this.cells.want(path, wanted);
    const scripts = this.cells.scriptsOf(path);
    for (const script of scripts) await this.bind(script);
    return breakpoints.map((breakpoint) => this.described(breakpoint, scripts.at(-1), path));
  }

  private described({ id, line, condition }: CellBreakpoint, script: Script | undefined, path: string): DebugProtocol.Breakpoint {
    const fault = condition ? faultOf(condition) : undefined;
    if (fault) return { id, verified: false, line, source: { path }, message: fault };
    const place = script && breakableAt(script.places, line);
    const source = { path };
    if (place) return { id, verified: true, line: place.line, source };
    const message = script ? NO_STATEMENT : this.cells.isCell(path) ? "is set when the cell runs" : NO_FILES;
    return { id, verified: false, line, source, message };
  }

  /** A script that is about to run its first statement. */
  private async learn(file: string, scriptId: string): Promise<void> {
    const cell = await this.listener.cell(file);
    if (!cell) return;
    const script = await this.add(cell, scriptId);
    for (const breakpoint of this.cells.wantedIn(script.path))
      this.listener.event("breakpoint", { reason: "changed", breakpoint: this.described(breakpoint, script, script.path) });
  }

  private async add(cell: CellSource, scriptId: string): Promise<Script> {
    const script = this.cells.add(cell, scriptId);
    const start = { scriptId, lineNumber: 0, columnNumber: 0 };
    const { locations } = await this.v8.post<V8.GetPossibleBreakpointsReturnType>("Debugger.getPossibleBreakpoints", { start });
    script.places = breakables(script.lines, locations);
    await this.bind(script);
    return script;
  }

  /** Sets in V8 what clients want in a script, and nothing else. */
  private async bind(script: Script): Promise<void> {
    for (const breakpointId of script.breakpoints.splice(0)) await this.v8.post("Debugger.removeBreakpoint", { breakpointId });
    const places = new Map<object, string | undefined>();
    for (const { line, condition } of this.cells.wantedIn(script.path)) {
      const place = condition && faultOf(condition) ? undefined : breakableAt(script.places, line);
      if (place) places.set(place.emitted, condition);
    }
    for (const [emitted, condition] of places) {
      const location = { scriptId: script.scriptId, ...emitted };
      const quick = condition ? byV8(condition) : undefined;
      const { breakpointId } = await this.v8.post<V8.SetBreakpointReturnType>("Debugger.setBreakpoint", {
        location,
        ...(quick && { condition: quick }),
      });
      script.breakpoints.push(breakpointId);
      if (condition) this.conditions.set(breakpointId, condition);
      else this.conditions.delete(breakpointId);
    }
  }

  /** The frames of cells that stand in the reader's text. */
  private framesOf(callFrames: readonly V8.CallFrame[]): Frame[] {
    const inCells = callFrames.flatMap((v8) => {
      const script = this.cells.script(this.files.get(v8.location.scriptId) ?? "");
      return script ? [{ v8, script }] : [];
    });
    return inCells.map(({ v8, script }, i) => {
      const place = script.lines.original(v8.location);
      return {
        id: ++this.frameId,
        v8,
        script,
        position: { depth: inCells.length - i, file: script.file, functionName: v8.functionName, place },
      };
    });
  }

  private async resume(command: string): Promise<void> {
    await this.v8.post(command);
  }
}
