import { existsSync } from "node:fs";
import { basename, dirname, relative, resolve } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import { readNotebook } from "../notebook/read.js";
import { type Cell, type CodeCell, cellTags, type ErrorOutput, type Notebook, NotebookError } from "../notebook/types.js";
import { notebookText } from "../notebook/write.js";
import { sourceSha256 } from "../provenance/digests.js";
import { environment } from "../provenance/environment.js";
import { KernelClient } from "./client.js";
import { deviceOf } from "./device.js";
import { DeadKernelError } from "./kernel-process.js";
import { findKernel } from "./kernelspec.js";
import { OutputCollector } from "./outputs.js";
import { injectParameters, type Parameters } from "./parameters.js";
import type { ExecutionRecord } from "./record.js";

/** How a notebook is run. */
export interface ExecuteOptions {
  /** The file to write; the notebook itself unless told. */
  output?: string;
  parameters?: Parameters;
  /** The kernel's working directory; the notebook's own folder unless told. */
  folder?: string;
  /** A kernel's name; the one that the notebook names unless told, `erpo` where it names none. */
  kernel?: string;
  /** Goes on after a cell's error, as if every cell were tagged `raises-exception`. */
  allowErrors?: boolean;
  /** Seconds a cell may take. No limit unless told. */
  timeout?: number;
  /** Interrupts the running cell and ends. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  onWarning?: (text: string) => void;
}

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

/** A run was interrupted by its caller. */
export class InterruptedError extends NotebookError {
  override name = "InterruptedError";
}

/** How long an interrupted cell may take to end before its kernel is killed. */
const GRACE_MS = 10_000;

/**
 * Runs a notebook from top to bottom in a fresh kernel, and writes it after every cell, whole or not at all.
 *
 * Tags mean what they mean to nbclient: `raises-exception` lets a cell fail, `skip-execution` leaves it alone. Outputs of an earlier run
 * are removed first.
 *
 * @returns the file written and the seconds taken
 * @throws NotebookError `NB.ipynb: cell 7: TypeError: ...` at the first error, with what was computed until then written
 */
export async function executeNotebook(path: string, options: ExecuteOptions = {}): Promise<{ output: string; seconds: number }> {
  const name = basename(path);
  const output = resolve(options.output ?? path);
  const original = readNotebook(path).notebook;
  try {
    const spec = findKernel(options.kernel ?? original.metadata.kernelspec?.name ?? "erpo");
    const { notebook, warnings } = injectParameters(clean(original), options.parameters ?? {}, spec.language);
    for (const warning of warnings) options.onWarning?.(`${name}: ${warning}`);
    const folder = resolve(options.folder ?? dirname(path));
    const run = new Run(notebook, name, output, folder, options);
    run.save();
    await run.start(() => KernelClient.start(spec, folder), spec.name);
    return { output, seconds: run.seconds() };
  } catch (error) {
    if (error instanceof DeadKernelError) throw new NotebookError(`${name}: ${error.message}`);
    if (error instanceof NotebookError && !error.message.startsWith(`${name}: `) && !error.message.startsWith(output)) {
      throw new (error.constructor as typeof NotebookError)(`${name}: ${error.message}`);
    }
    throw error;
  }
}

class Run {
  private readonly began = performance.now();
  private readonly record: ExecutionRecord;
  private readonly collector = new OutputCollector();
  private client: KernelClient | undefined;
  private index = 0;
  private line = "";

  constructor(
    private readonly notebook: Notebook,
    private readonly name: string,
    private readonly output: string,
    folder: string,
    private readonly options: ExecuteOptions,
  ) {
    this.record = {
      started: new Date().toISOString(),
      seconds: 0,
      source_sha256: sourceSha256(notebook),
      parameters: options.parameters ?? {},
      kernel: "",
      folder: relative(dirname(output), folder) || ".",
      environment: environment(),
      complete: false,
    };
  }

  seconds = () => Math.round(performance.now() - this.began) / 1000;

  save(): void {
    const metadata = {
      ...this.notebook.metadata,
      erpo: { ...this.notebook.metadata.erpo, execution: { ...this.record, seconds: this.seconds() } },
    };
    writeAtomic(this.output, [notebookText({ ...this.notebook, metadata })]);
  }

  async start(startKernel: () => Promise<KernelClient>, kernel: string): Promise<void> {
    this.record.kernel = kernel;
    this.tell("");
    const ticking = setInterval(() => this.tell(this.line), 1000);
    try {
      this.client = await startKernel();
      this.client.onOutput = (message) => {
        const text = this.collector.receive(message);
        if (text !== undefined) this.tell(lastLine(text));
      };
      for (const [index, cell] of this.notebook.cells.entries()) {
        this.index = index;
        if (isRun(cell)) await this.runCell(cell);
      }
      const device = kernel === "erpo" ? await deviceOf(this.client) : undefined;
      if (device) this.record.device = device;
      this.record.complete = true;
      this.save();
    } finally {
      clearInterval(ticking);
      await this.client?.shutdown();
    }
  }

  private async runCell(cell: CodeCell): Promise<void> {
    this.tell("");
    const where = `cell ${this.index + 1}`;
    const limits = this.watchLimits(where);
    try {
      const executed = this.client!.execute(cell.source, (id) => this.collector.watch(id, cell));
      const { reply, times } = await Promise.race([executed, limits.gaveUp]);
      cell.metadata.execution = times;
      cell.execution_count = reply.content.execution_count ?? null;
      this.save();
      if (limits.reason()) throw limits.reason();
      if (reply.content.status === "ok" || this.options.allowErrors || cellTags(cell).includes("raises-exception")) return;
      throw new NotebookError(`${where}: ${errorLine(cell, reply.content)}`);
    } catch (error) {
      this.save();
      throw error instanceof DeadKernelError ? new NotebookError(`${where}: ${error.message}`) : error;
    } finally {
      limits.end();
    }
  }

  /** Interrupts the cell when its time is over or the caller says so, and gives it up when it does not end then. */
  private watchLimits(where: string): { reason(): NotebookError | undefined; gaveUp: Promise<never>; end(): void } {
    const { timeout, signal } = this.options;
    let reason: NotebookError | undefined;
    let giveUp: (error: Error) => void = () => {};
    const timers: NodeJS.Timeout[] = [];
    const gaveUp = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    gaveUp.catch(() => {});
    const stop = (error: NotebookError) => {
      if (reason) return;
      reason = error;
      this.client!.interrupt().catch(() => {});
      timers.push(setTimeout(() => void this.client!.kill().then(() => giveUp(error)), GRACE_MS));
    };
    const onAbort = () => stop(new InterruptedError(`${where}: interrupted`));
    if (timeout !== undefined)
      timers.push(setTimeout(() => stop(new NotebookError(`${where}: not done within ${timeout} s (--timeout)`)), timeout * 1000));
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    return {
      reason: () => reason,
      gaveUp,
      end() {
        for (const timer of timers) clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      },
    };
  }

  private tell(line: string): void {
    this.line = line;
    this.options.onProgress?.({
      notebook: this.name,
      cell: this.index + 1,
      cells: this.notebook.cells.length,
      seconds: this.seconds(),
      line,
    });
  }
}

/** A copy without the outputs and times of an earlier run. */
function clean(notebook: Notebook): Notebook {
  const cells = notebook.cells.map((cell): Cell => {
    if (!isRun(cell)) return cell;
    const { execution: _, ...metadata } = cell.metadata;
    return { ...cell, metadata, outputs: [], execution_count: null };
  });
  return { ...notebook, cells };
}

const isRun = (cell: Cell): cell is CodeCell => cell.cell_type === "code" && !cellTags(cell).includes("skip-execution");

/** `TypeError: x is not a function`, from the cell's error output or, failing that, the reply. */
function errorLine(cell: CodeCell, reply: Record<string, unknown>): string {
  const error = cell.outputs.filter((output): output is ErrorOutput => output.output_type === "error").at(-1);
  const { ename, evalue } = error ?? { ename: String(reply.ename ?? "Error"), evalue: String(reply.evalue ?? "the kernel gave no reason") };
  return `${ename}: ${evalue}`.split("\n")[0]!.slice(0, 300);
}

const lastLine = (text: string): string =>
  text
    .trimEnd()
    .split(/[\r\n]/)
    .at(-1) ?? "";

/** The file that a notebook is written to when several go to one folder. */
export function outputFile(path: string, folder: string | undefined): string {
  if (folder === undefined) return path;
  if (existsSync(folder) && resolve(folder, basename(path)) === resolve(path)) return path;
  return resolve(folder, basename(path));
}
