import { appendFileSync, closeSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeFolders } from "../../src/setup/folders.js";

/** One input. Sessions and lines count from 1. */
interface Entry {
  session: number;
  line: number;
  source: string;
}

/** The content of a history_request. */
export interface HistoryRequest {
  output?: boolean;
  hist_access_type?: "tail" | "range" | "search";
  n?: number | null;
  /** For `range`: 0 is this session, -1 the one before it, a positive number a session itself. */
  session?: number;
  start?: number;
  stop?: number | null;
  pattern?: string;
  unique?: boolean;
}

/** Sessions whose inputs are kept on disk; older ones are removed. */
const KEPT = 200;

/**
 * The inputs of this session and of earlier ones: a file of JSON Lines a session, `00000042.jsonl`, that only its owner can read. The file is made at the
 * first input. Where the folder cannot be written, the session's own inputs are remembered and no others.
 */
export class History {
  private readonly own: Omit<Entry, "session">[] = [];
  private earlier: Entry[] | undefined;
  private session: number | undefined;

  /** @param folder where the files are; undefined keeps this session's inputs in memory only */
  constructor(private readonly folder: string | undefined) {}

  add(line: number, source: string): void {
    const entry = { line, source };
    this.own.push(entry);
    if (this.folder === undefined) return;
    try {
      this.session ??= claim(this.folder);
      appendFileSync(file(this.folder, this.session), `${JSON.stringify(entry)}\n`, { mode: 0o600 });
    } catch {
      // a full or read-only disk must not keep a cell from running
    }
  }

  /** `[session, line, source]` of the entries asked for, oldest first; with `output`, each source comes as `[source, null]`. */
  query(request: HistoryRequest): unknown[] {
    return this.select(request).map(({ session, line, source }) => [session, line, request.output ? [source, null] : source]);
  }

  private select({ hist_access_type, n, session, start, stop, pattern, unique }: HistoryRequest): Entry[] {
    const now = this.number();
    if (hist_access_type === "range") {
      const wanted = session === undefined || session <= 0 ? now + (session ?? 0) : session;
      const from = start ?? 0;
      return this.all().filter((e) => e.session === wanted && e.line >= from && (stop === undefined || stop === null || e.line < stop));
    }
    let found = this.all();
    if (hist_access_type === "search") {
      const glob = globPattern(pattern ?? "*");
      found = found.filter(({ source }) => glob.test(source));
    }
    if (unique) found = latestOfEach(found);
    return n === undefined || n === null ? found : n <= 0 ? [] : found.slice(-n);
  }

  /** This session's number, the one that it would get where it has no file yet. */
  private number(): number {
    return this.session ?? (this.folder === undefined ? 1 : (sessions(this.folder).at(-1) ?? 0) + 1);
  }

  private all(): Entry[] {
    const session = this.number();
    this.earlier ??= this.folder === undefined ? [] : read(this.folder, session);
    return [...this.earlier, ...this.own.map((entry) => ({ session, ...entry }))];
  }
}

const file = (folder: string, session: number) => join(folder, `${String(session).padStart(8, "0")}.jsonl`);

/** The numbers of the sessions that have a file, in order. */
function sessions(folder: string): number[] {
  try {
    return readdirSync(folder)
      .map((name) => /^(\d+)\.jsonl$/.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}

/** Takes the next number for this process alone, with an empty file, and removes the oldest files. */
function claim(folder: string): number {
  makeFolders(folder, 0o700);
  const known = sessions(folder);
  for (const old of known.slice(0, -KEPT)) rmSync(file(folder, old), { force: true });
  for (let next = (known.at(-1) ?? 0) + 1; ; next++) {
    try {
      closeSync(openSync(file(folder, next), "wx", 0o600));
      return next;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // another kernel was faster
    }
  }
}

/** The entries of the sessions before `session`. A line that a crash has torn is left out. */
function read(folder: string, session: number): Entry[] {
  return sessions(folder)
    .filter((other) => other < session)
    .flatMap((other) => lines(file(folder, other)).flatMap((text) => parse(text, other)));
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}

function parse(text: string, session: number): Entry[] {
  try {
    const { line, source } = JSON.parse(text);
    return Number.isInteger(line) && typeof source === "string" ? [{ session, line, source }] : [];
  } catch {
    return [];
  }
}

/** Of entries with the same source the last one, in order. */
function latestOfEach(entries: Entry[]): Entry[] {
  const latest = new Map<string, Entry>();
  for (const entry of entries) {
    latest.delete(entry.source);
    latest.set(entry.source, entry);
  }
  return [...latest.values()];
}

/** `*` any text, `?` any character, `[...]` one of these, as in the shell. */
function globPattern(glob: string): RegExp {
  const body = glob.replace(/\[([^\]]+)\]|[.+^${}()|[\]\\*?]/g, (match, set?: string) => {
    if (set !== undefined) return `[${set.replace(/^!/, "^").replace(/[\\\]]/g, "\\$&")}]`;
    return match === "*" ? ".*" : match === "?" ? "." : `\\${match}`;
  });
  return new RegExp(`^${body}$`, "su");
}
