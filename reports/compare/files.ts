import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import type { z } from "zod";
import { isRecord, parseJsonText } from "../../src/setup/json.js";
import { sha256 } from "../provenance/digests.js";

/** Reads a run's files for a comparison: what cannot be read is noted, and the rest goes on. */
export class RunFiles {
  /** SHA-256 of the files that were read, by path within the folder. */
  readonly read = new Map<string, string>();
  /** What is missing or broken: one line each, beginning with the file or folder. */
  readonly faults: string[] = [];

  constructor(readonly dir: string) {}

  has(path: string): boolean {
    return existsSync(join(this.dir, path));
  }

  /**
   * Paths of the files below a folder, within the run's folder, in order; folders for which `skip` holds are not entered. Links are
   * followed, for runs may share a stage.
   */
  list(folder = "", skip: (name: string) => boolean = () => false): string[] {
    return this.names(folder).flatMap((name) => {
      const path = folder ? `${folder}/${name}` : name;
      const found = statSync(join(this.dir, path), { throwIfNoEntry: false });
      if (found?.isDirectory()) return skip(name) || this.leadsUp(path) ? [] : this.list(path, skip);
      return found?.isFile() ? [path] : [];
    });
  }

  private names(folder: string): string[] {
    const full = join(this.dir, folder);
    if (!existsSync(full)) return [];
    try {
      return readdirSync(full).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    } catch (error) {
      this.faults.push(`${folder || "."}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
      return [];
    }
  }

  /** A link to a folder that it is in. */
  private leadsUp(path: string): boolean {
    const real = (file: string) => realpathSync(join(this.dir, file)) + sep;
    return real(dirname(path)).startsWith(real(path));
  }

  /** A JSON object, or undefined where there is no such file or it is broken. */
  json(path: string): Record<string, unknown> | undefined {
    const text = this.text(path);
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value === undefined) this.faults.push(`${path}: is not whole JSON`);
    return value;
  }

  /** `json` of a known form, or undefined where it has another one. */
  parsed<T>(path: string, schema: z.ZodType<T>): T | undefined {
    const value = this.json(path);
    if (value === undefined) return undefined;
    const { data, error } = schema.safeParse(value);
    if (error) this.faults.push(`${path}: ${error.issues[0]!.path.join(".")}: is not what erpo writes`);
    return data;
  }

  /** The objects of a JSON Lines file. A run that is stopped or still going on may leave half a line at its end: that is left out. */
  lines(path: string): Record<string, unknown>[] {
    const lines = (this.text(path) ?? "").split("\n").map((line) => line.trim());
    const rows = lines.map((line) => (line ? parse(line) : undefined));
    const broken = lines.flatMap((line, i) => (line && rows[i] === undefined ? [i + 1] : []));
    if (broken.length > 0) this.faults.push(`${path}: line ${broken.join(", ")} is not whole JSON and is left out`);
    return rows.filter((row) => row !== undefined);
  }

  /** A whole text file, or undefined where there is none or it cannot be read. */
  text(path: string): string | undefined {
    const file = join(this.dir, path);
    if (!existsSync(file)) return undefined;
    try {
      const bytes = readFileSync(file);
      this.read.set(path, sha256(bytes));
      return bytes.toString("utf8");
    } catch (error) {
      this.faults.push(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
      return undefined;
    }
  }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value = parseJsonText(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
