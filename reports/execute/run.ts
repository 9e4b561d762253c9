import { dirname, relative } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import { parseNotebook } from "../notebook/read.js";
import { type Cell, type CodeCell, cellTags, type ErrorOutput, type Notebook, NotebookError } from "../notebook/types.js";
import { notebookText } from "../notebook/write.js";
import { outputSha256, outputsSha256, sourceSha256 } from "../provenance/digests.js";
import { environment } from "../provenance/environment.js";
import { KernelClient } from "./client.js";
import { deviceOf } from "./device.js";
import { DeadKernelError } from "./kernel-process.js";
import type { Kernelspec } from "./kernelspec.js";
import { InterruptedError, watchLimits } from "./limits.js";
import { OutputCollector } from "./outputs.js";
import { declaredParameters, type Parameters } from "./parameters.js";
import type { ExecutionRecord } from "./record.js";
import { readFiles, usedRuns } from "./used-runs.js";

/** Where a run stands. */
export interface Progress {
  /** The notebook's file name. */
  notebook: string;
  /** The running cell, from 1 up, counted over all cells. */
  cell: number;
  cells: number;
  /** Seconds since the notebook was started. */
  seconds: number;
  /** The newest line of output of the running cell. */
  line: string;
}

/** What a run needs to know. */
export interface RunOptions {
  parameters: Parameters;
  allowErrors: boolean;
  /** Seconds a cell may take. */
  timeout: number | undefined;
  signal: AbortSignal | undefined;
  onProgress: ((progress: Progress) => void) | undefined;
}

/** How often the file gets what a long cell has put out so far, ms. */
const SAVE_MS = 10_000;

/** One notebook in one kernel. The file is written after every cell, whole or not at all. */
export class Run {
  private readonly began = performance.now();
  private readonly record: ExecutionRecord;
  private readonly collector = new OutputCollector();
  private client: KernelClient | undefined;
  private index = 0;
  private line = "";
  private saved = 0;

  constructor(
    private readonly notebook: Notebook,
    private readonly name: string,
    private readonly output: string,
    private readonly folder: string,
    private readonly options: RunOptions,
  ) {
    this.record = {
      started: new Date().toISOString(),
      seconds: 0,
      source_sha256: sourceSha256(notebook),
      parameters: options.parameters,
      kernel: "",
      folder: fromFile(output, folder),
      environment: environment(),
      complete: false,
    };
  }

  seconds = () => Math.round(performance.now() - this.began) / 1000;

  /** The notebook as it stands. */
  current(): Notebook {
    const erpo = { ...this.notebook.metadata.erpo, execution: { ...this.record, seconds: this.seconds() } };
    return { ...this.notebook, metadata: { ...this.notebook.metadata, erpo } };
  }

  /** @throws FileError when the file cannot be written */
  save(): void {
    writeAtomic(this.output, [notebookText(this.current())]);
    this.saved = performance.now();
  }

  /**
   * Runs the cells, and notes what the notebook has used of the experiments that its parameters name.
   * @returns the kernel's trace of files; empty where there is none
   * @throws NotebookError `cell 7: TypeError: ...` at the first error that is not expected
   */
  async start(spec: Kernelspec): Promise<string> {
    this.record.kernel = spec.name;
    this.save();
    this.tell("");
    const ticking = setInterval(() => this.tick(), 1000);
    try {
      const client = await KernelClient.start(spec, this.folder);
      this.client = client;
      client.onOutput = (message) => {
        const text = this.collector.receive(message);
        if (text !== undefined) this.tell(lastLine(text));
      };
      for (const [index, cell] of this.notebook.cells.entries()) {
        this.index = index;
        if (isRun(cell)) await this.runCell(client, cell);
      }
      client.onOutput = () => {};
      const device = spec.name === "erpo" ? await deviceOf(client) : undefined;
      if (device) this.record.device = device;
      this.record.complete = true;
      this.record.outputs_sha256 = this.outputsSha256();
      this.save();
    } finally {
      clearInterval(ticking);
      await this.client?.shutdown();
    }
    const trace = this.client.trace();
    const runs = usedRuns(trace, { ...declaredParameters(this.notebook), ...this.options.parameters }, this.folder);
    const files = readFiles(trace, runs, this.folder);
    if (runs.length > 0) this.record.runs = runs;
    if (files.length > 0) this.record.files = files;
    if (runs.length + files.length > 0) this.save();
    return trace;
  }

  private async runCell(client: KernelClient, cell: CodeCell): Promise<void> {
    this.tell("");
    const { timeout, signal } = this.options;
    const limits = watchLimits(client, timeout, signal);
    try {
      const executed = client.execute(cell.source, (id) => this.collector.watch(id, cell));
      const { reply, times } = await Promise.race([executed, limits.gaveUp]);
      cell.metadata.execution = times;
      cell.execution_count = reply.content.execution_count ?? null;
      const stopped = limits.reason();
      if (stopped) throw stopped;
      if (reply.content.status !== "ok" && !this.options.allowErrors && !cellTags(cell).includes("raises-exception"))
        throw new NotebookError(errorLine(cell, reply.content));
    } catch (error) {
      const cause = limits.reason() ?? error;
      if (cause instanceof DeadKernelError || cause === limits.reason()) noteEnd(cell, cause as Error);
      if (!(cause instanceof DeadKernelError || cause instanceof NotebookError)) throw cause;
      const message = keptLine(cell) ?? `cell ${this.index + 1}: ${cause.message}`;
      throw cause instanceof InterruptedError ? new InterruptedError(message) : new NotebookError(message);
    } finally {
      limits.end();
      this.save();
    }
  }

  /** Of the outputs as a reader of the file has them; undefined where nobody can read it, as after a kernel that sends numbers for texts. */
  private outputsSha256(): string | undefined {
    try {
      const { cells } = parseNotebook(notebookText(this.notebook), this.name);
      return outputsSha256(
        cells.map((cell, i) => ({ cell: i + 1, outputs: cell.cell_type === "code" ? cell.outputs.map(outputSha256) : [] })),
      );
    } catch {
      return undefined;
    }
  }

  private tick(): void {
    this.tell(this.line);
    if (performance.now() - this.saved < SAVE_MS) return;
    try {
      this.save();
    } catch {
      this.saved = performance.now(); // the save after the cell says what is wrong
    }
  }

  private tell(line: string): void {
    this.line = line;
    const {
      name: notebook,
      notebook: { cells },
    } = this;
    this.options.onProgress?.({ notebook, cell: this.index + 1, cells: cells.length, seconds: this.seconds(), line });
  }
}

/** Whether a cell is sent to the kernel. */
export const isRun = (cell: Cell): cell is CodeCell => cell.cell_type === "code" && !cellTags(cell).includes("skip-execution");

/** A folder as it is written into a file. */
export const fromFile = (file: string, folder: string): string => relative(dirname(file), folder) || ".";

/** Makes the cell's last output say why it did not end. It takes the place of the error by which a kernel ends interrupted code. */
function noteEnd(cell: CodeCell, error: Error): void {
  const last = cell.outputs.at(-1);
  const own = last?.output_type === "error" && !(error instanceof DeadKernelError) ? last : undefined;
  if (own && error instanceof InterruptedError) return; // the kernel says it itself
  if (own) cell.outputs.pop();
  const ename = error instanceof InterruptedError ? "KeyboardInterrupt" : error.name; // as kernels name it
  const evalue = error.message;
  cell.outputs.push({ output_type: "error", ename, evalue, traceback: [...(own?.traceback ?? []), `${ename}: ${evalue}`] });
}

/** `TypeError: x is not a function`, from the cell's error output or, failing that, the reply. */
function errorLine(cell: CodeCell, reply: Record<string, unknown>): string {
  const error = cell.outputs.filter((output): output is ErrorOutput => output.output_type === "error").at(-1);
  const { ename, evalue } = error ?? { ename: String(reply.ename ?? "Error"), evalue: String(reply.evalue ?? "the kernel gave no reason") };
  return `${ename}: ${evalue}`.split("\n")[0]!.slice(0, 300);
}

/** What a run's refusal to take one result for another says: the whole story, whichever cell it came from. Undefined for other errors. */
function keptLine(cell: CodeCell): string | undefined {
  const last = cell.outputs.at(-1);
  return last?.output_type === "error" && last.ename === "KeptError" ? last.evalue.split("\n")[0] : undefined;
}

const lastLine = (text: string): string =>
  text
    .trimEnd()
    .split(/[\r\n]/)
    .at(-1) ?? "";
