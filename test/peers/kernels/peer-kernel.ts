import { readdirSync, readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import type { Message } from "../../../kernel/wire/messages.js";
import { type Answer, failed, KernelClient, printed } from "../../kernel/client.js";
import type { KernelUnderTest } from "./kernels-env.js";

/** What a kernel lacks, in words that a table can hold. */
export class Lack extends Error {}

/** @throws Lack with the reason, where the condition does not hold */
export function need(condition: unknown, reason: string): asserts condition {
  if (!condition) throw new Lack(reason);
}

/** What a promise comes to within so many milliseconds. @throws Lack with the reason, where it takes longer */
export async function within<T>(ms: number, promise: Promise<T>, reason: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Lack(reason)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How long anything may take that has no limit of its own, ms: other work may keep the machine busy. */
const PATIENCE = 60_000;

/** A cell's value, or what it has printed. */
export function shown(answer: Answer): string {
  const value = answer.outputs.find((m) => m.header.msg_type === "execute_result")?.content.data["text/plain"];
  return stripVTControlCharacters(value ?? printed(answer)).trim();
}

/** A client of one of the kernels that are compared. */
export class PeerKernel extends KernelClient {
  private sequence = 0;

  constructor(readonly about: KernelUnderTest) {
    super({ words: about.words, env: about.env, detached: true, patience: 2 * PATIENCE });
  }

  /** @throws Lack where it has not answered in a minute */
  override start(): Promise<void> {
    return within(PATIENCE, super.start(), "it does not start");
  }

  /** Runs a cell that has to succeed. @throws Lack where it does not */
  async ok(code: string): Promise<Answer> {
    const answer = await within(PATIENCE, this.whileItLives(this.run(code)), "a cell has no end");
    const { status, ename, evalue } = failed(answer);
    const told = ename ? `${ename}: ${evalue}` : printed(answer, "stderr").trim() || printed(answer).trim();
    need(status === "ok", `the cell fails (${stripVTControlCharacters(told).split("\n")[0]!.slice(0, 80) || status})`);
    return answer;
  }

  /** What a promise comes to. @throws Lack where the kernel ends before it does */
  private whileItLives<T>(promise: Promise<T>): Promise<T> {
    promise.catch(() => {}); // where nobody waits any more
    const dead = this.exited.then(() => {
      throw new Lack("the kernel ends, and the state with it");
    });
    return Promise.race([promise, dead]);
  }

  /** Runs cells and says what the last one shows. */
  async value(...cells: string[]): Promise<string> {
    let last = "";
    for (const code of cells) last = shown(await this.ok(code));
    return last;
  }

  /** Waits until a cell has begun: a kernel that its own cell blocks need not say so. */
  async begun(header: { msg_id: string }): Promise<void> {
    const busy = (m: Message) => m.parentHeader.msg_id === header.msg_id && m.content.execution_state === "busy";
    await Promise.race([this.until(busy).catch(() => {}), new Promise((resolve) => setTimeout(resolve, 3000))]);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }

  /** Asks it to stop its cell, as its kernelspec says that it wants to be asked. */
  interrupt(): void {
    if (this.about.interrupt === "signal") this.process.kill("SIGINT");
    else void this.ask("control", "interrupt_request", {});
  }

  /** Runs a cell that never ends and stops it; ms from the request to the reply. @throws Lack where it goes on */
  async stopped(code: string, limit = 10_000): Promise<number> {
    const { header, done } = this.begin(code);
    done.catch(() => {});
    await this.begun(header);
    const asked = performance.now();
    this.interrupt();
    const answer = await within(limit, this.whileItLives(done), "it does not stop");
    need(answer.reply.content.status === "error", "the cell ends well");
    return performance.now() - asked;
  }

  /** What the debugger replies to a request of JupyterLab's. @throws Lack where it refuses or has no reply */
  // biome-ignore lint/suspicious/noExplicitAny: the body of a DAP response depends on the command
  async debug(command: string, args: object = {}): Promise<any> {
    const request = { type: "request", seq: ++this.sequence, command, arguments: args };
    const reply = await within(20_000, this.ask("control", "debug_request", request), `\`${command}\` has no answer`);
    need(reply.content.success, `\`${command}\` is refused`);
    return reply.content.body;
  }

  /** Waits for a message of the kernel's end of a comm. */
  fromComm(type: string, wanted: (content: Message["content"]) => boolean, reason: string): Promise<Message> {
    const found = this.until((m) => m.header.msg_type === type && wanted(m.content));
    found.catch(() => {});
    return within(30_000, found, reason);
  }

  /** Resident memory of its processes, MB. */
  memory(): number {
    const family = new Set([this.process.pid!]);
    const all = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((name) => status(Number(name)));
    for (let size = 0; size !== family.size; ) {
      size = family.size;
      for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
    }
    return all.filter(({ pid }) => family.has(pid)).reduce((sum, { resident }) => sum + resident, 0) / 1e3;
  }
}

/** A process's parent and resident memory, kB. */
function status(pid: number): { pid: number; parent: number; resident: number } {
  let text = "";
  try {
    text = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    // it has ended
  }
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return { pid, parent: field("PPid"), resident: field("VmRSS") };
}
