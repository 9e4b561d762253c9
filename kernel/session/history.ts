/** One input: session, line, source. */
type Entry = [session: number, line: number, source: string];

/** The content of a history_request. */
export interface HistoryRequest {
  output?: boolean;
  hist_access_type?: "tail" | "range" | "search";
  n?: number;
  start?: number;
  stop?: number | null;
  pattern?: string;
  unique?: boolean;
}

/** The inputs of this session, in memory. */
export class History {
  private readonly entries: Entry[] = [];

  add(line: number, source: string): void {
    this.entries.push([1, line, source]);
  }

  /** The entries asked for, oldest first; with `output`, each source comes as `[source, null]`. */
  query(request: HistoryRequest): unknown[] {
    const found = this.select(request);
    return request.output ? found.map(([session, line, source]) => [session, line, [source, null]]) : found;
  }

  private select({ hist_access_type, n, start, stop, pattern, unique }: HistoryRequest): Entry[] {
    if (hist_access_type === "range") {
      const from = start ?? 0;
      return this.entries.filter(([, line]) => line >= from && (stop === undefined || stop === null || line < stop));
    }
    let found = this.entries;
    if (hist_access_type === "search") {
      const glob = globPattern(pattern ?? "*");
      found = found.filter(([, , source]) => glob.test(source));
      if (unique) found = [...new Map(found.map((entry) => [entry[2], entry])).values()];
    }
    return n === undefined || n === null ? found : n <= 0 ? [] : found.slice(-n);
  }
}

/** `*` any text, `?` any character, `[...]` one of these, as in the shell. */
function globPattern(glob: string): RegExp {
  const body = glob.replace(/\[([^\]]+)\]|[.+^${}()|[\]\\*?]/g, (match, set?: string) => {
    if (set !== undefined) return `[${set.replace(/^!/, "^").replace(/[\\\]]/g, "\\$&")}]`;
    return match === "*" ? ".*" : match === "?" ? "." : `\\${match}`;
  });
  return new RegExp(`^${body}$`, "su");
}
