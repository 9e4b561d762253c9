import type { Shown } from "../../src/frontend/frontend.js";
import type { Request } from "../wire/bridge.js";
import { type Context, createContext } from "./context.js";
import { describeThrown, type ErrorContent } from "./errors.js";
import type { Executed } from "./execute.js";
import type { HistoryRequest } from "./history.js";
import { readMagic } from "./magics.js";

/** Runs cells, one at a time. No method rejects. */
export interface Evaluator {
  /** @param label how a reader knows the cell, `In[3]` */
  execute(code: string, label: string, context: Context): Promise<Executed>;
  /** Runs a script of bash's. */
  shell(script: string, context: Context): Promise<Executed>;
  /** The value of an expression, whose names later cells do not see. */
  evaluate(expression: string, label: string, context: Context): Promise<Executed>;
}

/** What a session works with. */
export interface Collaborators {
  evaluator: Evaluator;
  /** What is sent goes to the sender of the context's request. */
  outputs: {
    publish(context: Context, msgType: string, content: unknown): void;
    print(context: Context, name: "stdout" | "stderr", text: string): void;
  };
  history: { add(line: number, source: string): void; query(request: HistoryRequest): unknown[] };
  /** Is told when a numbered cell begins. */
  onCell(label: string, context: Context): void;
  /** Is told when a cell is over. */
  onCellOver(): void;
  /** Milliseconds. */
  now(): number;
}

/** The content of a reply. */
export type Content = Record<string, unknown>;

/** How tracebacks name what has no number of its own: the number is an earlier cell's. */
const UNNUMBERED = "In[ ]";

/** A notebook's session: it counts cells, and answers each request with the content of its reply. */
export class Session {
  private count = 0;

  constructor(private readonly use: Collaborators) {}

  /** @returns failed: the cells that wait are not to be run */
  async execute({ header, content }: Pick<Request, "header" | "content">): Promise<{ content: Content; failed: boolean }> {
    const context = createContext(header, { silent: content.silent === true, allowStdin: content.allow_stdin !== false });
    try {
      return await this.run(content, context);
    } catch (thrown) {
      return this.fail(context, describeThrown(thrown), content); // a cell may have replaced what the kernel stands on, such as `Promise`
    }
  }

  private async run(content: Request["content"], context: Context): Promise<{ content: Content; failed: boolean }> {
    const { evaluator, outputs, history, onCell, onCellOver, now } = this.use;
    const numbered = !context.silent && content.store_history !== false;
    const typed = String(content.code ?? "");
    if (numbered) history.add(++this.count, typed);
    const label = numbered ? `In[${this.count}]` : UNNUMBERED;
    if (numbered) onCell(label, context);
    outputs.publish(context, "execute_input", { code: typed, execution_count: this.count });

    const { code, script, timed, shown } = readMagic(typed);
    if (shown) outputs.publish(context, "display_data", { data: shown, metadata: {}, transient: {} });
    const started = now();
    let executed: Executed = {};
    if (script !== undefined) executed = await evaluator.shell(script, context);
    else if (code.trim() !== "") executed = await evaluator.execute(code, label, context);
    onCellOver();
    if (timed) outputs.print(context, "stdout", `Wall time: ${(now() - started).toFixed(1)} ms\n`);
    const error = "error" in executed ? executed.error : this.showResult(context, executed.result);
    if (error) return this.fail(context, error, content);
    const user_expressions: Content = {};
    for (const [name, expression] of Object.entries(content.user_expressions ?? {})) {
      user_expressions[name] = asExpression(await evaluator.evaluate(`(${expression})`, UNNUMBERED, context));
    }
    return { content: { status: "ok", execution_count: this.count, payload: [], user_expressions }, failed: false };
  }

  private fail(context: Context, error: ErrorContent, { stop_on_error }: Request["content"]): { content: Content; failed: boolean } {
    this.use.outputs.publish(context, "error", error);
    const content = { status: "error", execution_count: this.count, payload: [], ...error, user_expressions: {} };
    return { content, failed: stop_on_error !== false };
  }

  /** Sends a cell's value. What has shown itself already leaves nothing; what cannot be sent is the cell's error. */
  private showResult(context: Context, result: Shown | undefined): ErrorContent | undefined {
    if (!result) return undefined;
    try {
      const shown = Object.keys(result.data).length > 0;
      if (shown) this.use.outputs.publish(context, "execute_result", { execution_count: this.count, ...result });
      return undefined;
    } catch (thrown) {
      return describeThrown(thrown);
    }
  }

  history(content: Request["content"]): Content {
    return { status: "ok", history: this.use.history.query(content as HistoryRequest) };
  }
}

/** The reply to a user expression. */
function asExpression(executed: Executed): Content {
  if ("error" in executed) return { status: "error", ...executed.error };
  const shown = executed.result ?? { data: { "text/plain": "undefined" }, metadata: {} };
  try {
    return { status: "ok", ...(JSON.parse(JSON.stringify(shown)) as Shown) };
  } catch (thrown) {
    return { status: "error", ...describeThrown(thrown) };
  }
}
