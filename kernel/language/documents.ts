import ts = require("typescript");

/** The files of a language service as syntax trees, and which of them are parsed with their documentation. */
export interface Documents {
  readonly registry: ts.DocumentRegistry;
  /** Part of a file's version: changes when the file is to be parsed anew. */
  form(file: string): string;
  /** From now on these files are parsed with their documentation. */
  document(files: readonly string[]): void;
}

/**
 * Parses the declarations of packages without their documentation, which is most of their text and a quarter of the first cell's time, until
 * someone asks for it.
 * @param isPackaged whether a file belongs to a package
 */
export function createDocuments(isPackaged: (file: string) => boolean): Documents {
  const parsed = new Map<string, { version: string; file: ts.SourceFile }>(); // by path
  const documented = new Set<string>();
  const isTerse = (file: string) => isPackaged(file) && !documented.has(file);

  const parse: ts.DocumentRegistry["acquireDocumentWithKey"] = (fileName, path, _settings, _key, snapshot, version, kind, settings) => {
    const known = parsed.get(path);
    if (known?.version === version) return known.file;
    const jsDocParsingMode = isTerse(fileName) ? ts.JSDocParsingMode.ParseNone : ts.JSDocParsingMode.ParseAll;
    const options = typeof settings === "object" ? { ...settings, jsDocParsingMode } : { languageVersion: settings!, jsDocParsingMode };
    const file = ts.createLanguageServiceSourceFile(fileName, snapshot, options, version, false, kind);
    parsed.set(path, { version, file });
    return file;
  };

  const unused = () => {
    throw new Error("the language service asks by path");
  };
  return {
    registry: {
      acquireDocumentWithKey: parse,
      updateDocumentWithKey: parse,
      releaseDocumentWithKey(path: string) {
        if (!isPackaged(path)) parsed.delete(path); // those of packages stay: the next cell may use them again
      },
      getKeyForCompilationSettings: () => "" as ts.DocumentRegistryBucketKey, // one service, one way of parsing
      reportStats: () => "",
      acquireDocument: unused,
      updateDocument: unused,
      releaseDocument: unused,
    },
    form: (file) => (isTerse(file) ? "terse" : "whole"),
    document(files) {
      for (const file of files) documented.add(file);
    },
  };
}
