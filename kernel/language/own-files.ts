import ts = require("typescript");

import { modifiedMs } from "../session/file-states.js";

/**
 * The reader's own files as cells have imported them last. A file that has changed keeps its types, as it keeps its values, until it is
 * imported again.
 */
export interface OwnFiles {
  /** Changes when the file is read again; the first time that it is asked for, it is read. */
  version(file: string): string;
  text(file: string): string | undefined;
  /**
   * Reads the files that a module's imports lead to, through however many others, again where they have changed.
   * @returns the files
   */
  reread(code: string, importer: string): string[];
}

/** @param find the file of the reader's that a specifier means; undefined for what is none */
export function createOwnFiles(find: (specifier: string, importer: string) => string | undefined): OwnFiles {
  const known = new Map<string, { version: string; text: string | undefined }>();

  function read(file: string): { version: string; text: string | undefined } {
    const version = String(modifiedMs(file)); // the compiler reads the file anyway: its time is nothing that a cell asks for
    const before = known.get(file);
    if (before?.version === version) return before;
    const now = { version, text: ts.sys.readFile(file) };
    known.set(file, now);
    return now;
  }

  const asKnown = (file: string) => known.get(file) ?? read(file);

  return {
    version: (file) => asKnown(file).version,
    text: (file) => asKnown(file).text,
    reread(code, importer) {
      const reached = new Set<string>();
      const pending = [{ code, importer }];
      for (let module = pending.pop(); module; module = pending.pop()) {
        const { importer } = module;
        for (const { fileName } of ts.preProcessFile(module.code, true, true).importedFiles) {
          const file = find(fileName, importer);
          if (file === undefined || reached.has(file)) continue;
          reached.add(file);
          pending.push({ code: read(file).text ?? "", importer: file });
        }
      }
      return [...reached];
    },
  };
}
