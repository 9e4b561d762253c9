import type { DebugProtocol } from "@vscode/debugprotocol";
import type { CellSource } from "../language/stack.js";
import { typescriptOf } from "../session/magics.js";
import { type Breakable, CellLines } from "./cell-lines.js";
import { murmur2 } from "./murmur2.js";

/** A cell's script. */
export interface Script extends CellSource {
  /** How clients name the cell: by its text. A cell that is run twice has two scripts of one path. */
  path: string;
  lines: CellLines;
  scriptId: string;
  places: Breakable[];
  /** V8's breakpoints in it. */
  breakpoints: string[];
}

/** What clients ask for on a cell. */
export interface CellBreakpoint extends DebugProtocol.SourceBreakpoint {
  id: number;
}

/** The seed of the hash. */
export const SEED = 0;

/** The texts of cells, their paths, their scripts and their breakpoints. */
export class Cells {
  private readonly texts = new Map<string, string>(); // by path
  private readonly typed = new Map<string, string>(); // what was typed, by what is run, where that is another text
  private readonly scripts = new Map<string, Script>(); // by file
  private readonly wanted = new Map<string, CellBreakpoint[]>(); // by path
  private ids = 0;

  /** @param prefix what stands before the hash in a cell's path */
  constructor(
    readonly prefix: string,
    readonly suffix = ".ts",
  ) {}

  /** Keeps the text of a cell. @returns its path */
  dump(code: string): string {
    this.type(code);
    const path = `${this.prefix}${murmur2(code, SEED)}${this.suffix}`;
    this.texts.set(path, code);
    return path;
  }

  /** Whether a path names a cell, one that has been sent or one to come. */
  isCell(path: string): boolean {
    return path.startsWith(this.prefix);
  }

  /** Notes what a client sends to be run: with `%%time` it is another text than what is run. */
  type(code: string): void {
    const run = typescriptOf(code);
    if (run !== undefined && run !== code) this.typed.set(run, code);
  }

  /** Adds a script. */
  add(cell: CellSource, scriptId: string): Script {
    const path = this.dump(this.typed.get(cell.source) ?? cell.source);
    const script: Script = { ...cell, path, lines: new CellLines(cell.source, cell.sourceMap), scriptId, places: [], breakpoints: [] };
    this.scripts.set(cell.file, script);
    return script;
  }

  script(file: string): Script | undefined {
    return this.scripts.get(file);
  }

  scriptsOf(path: string): Script[] {
    return [...this.scripts.values()].filter((script) => script.path === path);
  }

  text(path: string): string | undefined {
    return this.texts.get(path);
  }

  /** The breakpoints of a cell from now on. */
  want(path: string, breakpoints: readonly DebugProtocol.SourceBreakpoint[]): CellBreakpoint[] {
    const numbered = breakpoints.map((breakpoint) => ({ ...breakpoint, id: ++this.ids }));
    if (numbered.length) this.wanted.set(path, numbered);
    else this.wanted.delete(path);
    return numbered;
  }

  wantedIn(path: string): readonly CellBreakpoint[] {
    return this.wanted.get(path) ?? [];
  }

  /** All breakpoints, as `debugInfo` lists them. */
  breakpoints(): { source: string; breakpoints: { line: number }[] }[] {
    return [...this.wanted].map(([source, list]) => ({ source, breakpoints: list.map(({ line }) => ({ line })) }));
  }

  /** The cells that have been run, each with its newest name. */
  modules(): DebugProtocol.Module[] {
    const names = new Map([...this.scripts.values()].map(({ path, label }) => [path, label]));
    return [...names].map(([path, name], id) => ({ id, name, path }));
  }

  /** Forgets breakpoints and scripts: V8 has forgotten them too. */
  reset(): void {
    this.wanted.clear();
    this.scripts.clear();
  }
}
