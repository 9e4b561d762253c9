import { SourceMap, type SourceMapPayload } from "node:module";

/** A place in emitted JavaScript as V8 counts it, from 0. */
export interface Emitted {
  lineNumber: number;
  columnNumber?: number;
}

/** A place in the reader's text; lines and columns count from 1. */
export interface Place {
  line: number;
  column: number;
}

/** A place where V8 can stop, in both texts. */
export interface Breakable extends Place {
  emitted: Required<Emitted>;
}

/** Maps places of a cell's JavaScript to its TypeScript. */
export class CellLines {
  private readonly map: SourceMap;
  private readonly count: number;

  /**
   * @param source the reader's text: what the compiler has set behind it is not his
   * @param sourceMap JSON
   */
  constructor(source: string, sourceMap: string) {
    this.count = source.split("\n").length;
    this.map = new SourceMap(JSON.parse(sourceMap) as SourceMapPayload);
  }

  /** Undefined for what the reader has not written: bookkeeping of the compiler's. */
  original({ lineNumber, columnNumber = 0 }: Emitted): Place | undefined {
    const entry = this.map.findEntry(lineNumber, columnNumber);
    if (!("originalLine" in entry) || entry.generatedLine !== lineNumber || !(entry.originalLine < this.count)) return undefined;
    return { line: entry.originalLine + 1, column: entry.originalColumn + 1 };
  }
}

/** Where the reader's text can be stopped at, in its order. @param locations where V8 can stop */
export function breakables(lines: CellLines, locations: readonly Emitted[]): Breakable[] {
  return locations
    .flatMap(({ lineNumber, columnNumber = 0 }) => {
      const place = lines.original({ lineNumber, columnNumber });
      return place ? [{ ...place, emitted: { lineNumber, columnNumber } }] : [];
    })
    .sort((a, b) => a.line - b.line || a.column - b.column || a.emitted.lineNumber - b.emitted.lineNumber);
}

/** Where a breakpoint of a line stops: at the line's first statement, or at that of the next line that has one. */
export const breakableAt = (places: readonly Breakable[], line: number): Breakable | undefined =>
  places.find((place) => place.line >= line);
