import { join } from "node:path";

import ts = require("typescript");

import type { TypeCheck } from "../../src/frontend/type-check.js";
import { isCalledLater, ownPlace, type PastCell, withoutNames } from "./dependents.js";
import { cellTransformer } from "./emit.js";
import { namesOfLibrary } from "./library-names.js";
import { type Declared, declaredNames, namesInFunctions, usedNames } from "./names.js";
import { createService, type Service } from "./service.js";
import { takenOptions } from "./tsconfig.js";

/** A fault in a cell's text. Lines and columns count from 1. */
export interface Diagnostic {
  line: number;
  column: number;
  code: number;
  message: string;
  syntactic: boolean;
}

/** A cell that may run. */
export interface Compiled {
  /** What the type checker found and lets pass. */
  warnings: Diagnostic[];
  /** Faults of earlier cells, whose functions use what this cell declares with other types. Looked for when asked, unless types are not checked. */
  outdated(): { label: string; code: string; faults: Diagnostic[] }[];
  /** One function expression, `(async ($erpo) => { ... })`. */
  javascript: string;
  /** Its source map, JSON. */
  sourceMap: string;
  /** Makes the cell's names and types known to later cells. Call it once the cell has run, with the names that it really bound. */
  commit(bound: (name: string) => boolean): void;
}

export interface Language {
  /**
   * Checks and compiles a cell, changing nothing. Names of earlier cells are in scope with their types. What the parser or, at `strict`, the
   * type checker finds is returned instead of code; at `warn`, with it.
   * @param label how a reader knows the cell, `In[3]`
   * @param shadowed names that hide one of Node's globals
   * @throws ts.OperationCanceledException when interrupted
   */
  compile(code: string, label: string, shadowed: (name: string) => boolean, level?: TypeCheck): Compiled | { faults: Diagnostic[] };
  /** The language service on `code` with every earlier name in scope; `file` is the path under which it is known. */
  open(code: string): { service: ts.LanguageService; file: string };
  /** Brings the documentation of what stands at positions of an opened file: until then it is left out. */
  document: Service["document"];
}

/** Whether a cell adds to the types of what it has not declared itself: then its file stays in the program. */
const augments = (file: ts.SourceFile) =>
  file.statements.some((s) => ts.isModuleDeclaration(s) && (ts.isStringLiteral(s.name) || s.name.text === "global"));

/** "... implicitly has an 'any' type" is no fault here: a cell may leave a parameter or a package without types. */
const isTolerated = (code: number) => code >= 7005 && code <= 7060;

interface Owner {
  module: string;
  kind: Declared["kind"];
  comment: string;
}

/** @param folder where the notebook is */
export function createLanguage(folder: string, cancelled: () => boolean): Language {
  const ending = takenOptions(folder).jsx === undefined ? "ts" : "tsx";
  const parse = (code: string, parents: boolean) => ts.createSourceFile(`cell.${ending}`, code, ts.ScriptTarget.ES2022, parents);
  const current = join(folder, `In[].${ending}`); // always the same name: the program's structure is then reused from cell to cell
  const again = Array.from({ length: 8 }, (_, i) => join(folder, `In[again ${i}].${ending}`)); // cells that have run, while they are checked again; of the program for the same reason
  const service = createService(folder, [current, ...again], cancelled);
  const clear = () => {
    for (const file of again) service.write(file, "export {};");
  };
  clear();
  const owners = new Map<string, Owner>();
  const past = new Map<string, PastCell>(); // by their modules
  let cells = 0;

  /** Stands behind the reader's text, so that positions stay what they are. */
  function bookkeeping(own: readonly Declared[], wanted: Iterable<string>, newer: ReadonlyMap<string, Owner> = new Map()): string {
    const declared = new Set(own.map(({ name }) => name));
    const lines = [
      `export { ${own
        .filter(({ exported }) => !exported)
        .map(({ name }) => name)
        .join(", ")} };`,
    ];
    for (const name of wanted) {
      const owner = newer.get(name) ?? owners.get(name);
      if (!owner || declared.has(name)) continue;
      lines.push(
        owner.kind === "other"
          ? `import { ${name} } from "${owner.module}";`
          : `${owner.comment}declare ${owner.kind} ${name}: typeof import("${owner.module}").${name};`,
      );
    }
    return `\n;${lines.join("\n")}\n`;
  }

  const cancellation: ts.CancellationToken = {
    isCancellationRequested: cancelled,
    throwIfCancellationRequested() {
      if (cancelled()) throw new ts.OperationCanceledException();
    },
  };

  function diagnose(program: ts.Program, file: ts.SourceFile, parsed: ts.SourceFile, level: TypeCheck): Diagnostic[] {
    const syntactic = program.getSyntacticDiagnostics(file);
    const semantic = () => (level === "off" ? [] : program.getSemanticDiagnostics(file, cancellation));
    const found: readonly ts.Diagnostic[] = syntactic.length ? syntactic : semantic();
    return located(found, parsed, syntactic.length > 0);
  }

  /** Which cells no longer fit once these names are the current cell's: faults in functions that can still be called. */
  function outdated(code: string, declared: readonly Declared[]): ReturnType<Compiled["outdated"]> {
    const newer = new Map(declared.map(({ name, kind, comment }) => [name, { module: "./In[]", kind, comment }]));
    const changed = [...newer.keys()].filter((name) => owners.has(name) && past.get(owners.get(name)!.module)?.code !== code);
    const dependents = [...past].flatMap(([module, cell]) => {
      if (!changed.some((name) => cell.inFunctions.has(name))) return [];
      const live = new Set([...owners].filter(([name, owner]) => owner.module === module && !newer.has(name)).map(([name]) => name));
      if (live.size === 0) return [];
      const own = declaredNames(cell.parsed);
      const renamed = withoutNames(cell, new Set(own.map(({ name }) => name).filter((name) => !live.has(name))));
      if (!renamed) return [];
      const others = own.filter(({ name }) => live.has(name));
      return [{ cell, live, shifts: renamed.shifts, text: renamed.text + bookkeeping(others, usedNames(cell.parsed), newer) }];
    });
    return pieces(dependents, again.length).flatMap((piece) => {
      piece.forEach(({ text }, i) => {
        service.write(again[i]!, text);
      });
      const program = service.languageService.getProgram()!;
      const checked = piece.map(({ cell, live, shifts }, i) => {
        const faults = program
          .getSemanticDiagnostics(program.getSourceFile(again[i]!), cancellation)
          .map((fault) => ({ ...fault, start: ownPlace(fault.start ?? 0, shifts) }))
          .filter(({ start }) => isCalledLater(cell.parsed, start, live));
        return { label: cell.label, code: cell.code, faults: located(faults, cell.parsed, false) };
      });
      clear();
      return checked.filter(({ faults }) => faults.length > 0);
    });
  }

  return {
    compile(code, label, shadowed, level = "strict") {
      const parsed = parse(code, true);
      const own = declaredNames(parsed);
      const used = usedNames(parsed);
      const inFunctions = namesInFunctions(parsed);
      const shared = new Set(own.map(({ name }) => name).filter((name) => inFunctions.has(name)));
      const text = code + bookkeeping(own, used);
      service.takeFromLibrary(namesOfLibrary(parsed));
      service.write(current, text);
      const program = service.languageService.getProgram()!;
      const file = program.getSourceFile(current)!;
      const unfinished = (parsed as ts.SourceFile & { parseDiagnostics: ts.DiagnosticWithLocation[] }).parseDiagnostics;
      const found = unfinished.length ? located(unfinished, parsed, true) : diagnose(program, file, parsed, level);
      if (found.length && (level === "strict" || found[0]!.syntactic)) return { faults: found };

      const declares = new Set(own.map(({ name }) => name));
      const hidden = [...used].filter((name) => shadowed(name) && (declares.has(name) ? shared.has(name) : owners.has(name)));
      const output = { javascript: "", sourceMap: "" };
      program.emit(
        file,
        (name, text) => {
          if (name.endsWith(".map")) output.sourceMap = text;
          else output.javascript = text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "");
        },
        undefined,
        false,
        { after: [cellTransformer(code.length, shared, hidden.length > 0, program.getTypeChecker())] },
      );
      return {
        ...output,
        warnings: found,
        outdated: () => (level === "off" ? [] : outdated(code, own)),
        commit(bound) {
          const names = own.filter(({ name }) => bound(name));
          if (names.length === 0 && !augments(parsed)) return;
          const module = `./In[${++cells}]`;
          const name = join(folder, `${module}.${ending}`);
          service.write(name, text);
          if (augments(parsed)) service.keep(name);
          past.set(module, { label, code, parsed, inFunctions });
          for (const { name, kind, comment } of names) owners.set(name, { module, kind, comment });
          const living = new Set([...owners.values()].map((owner) => owner.module));
          for (const module of past.keys()) if (!living.has(module)) past.delete(module);
        },
      };
    },

    open(code) {
      const parsed = parse(code, false);
      const own = declaredNames(parsed);
      if (/["']erpo["']/.test(code)) service.takeFromLibrary("all"); // what could stand there
      service.write(current, code + bookkeeping(own, owners.keys()));
      return { service: service.languageService, file: current };
    },

    document: service.document,
  };
}

const pieces = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

/** Types as the reader knows them, without the paths of the files that cells are kept in. */
export function readable(text: string): string {
  return text.replace(/import\("[^"]*In\[\d*\]"\)\./g, "").replace(/typeof import\("[^"]*In\[\d*\]"\)/g, "typeof cell");
}

/** The faults that count, at their places in the reader's text. */
function located(found: readonly ts.Diagnostic[], parsed: ts.SourceFile, syntactic: boolean): Diagnostic[] {
  return found
    .filter((diagnostic) => diagnostic.category === ts.DiagnosticCategory.Error && !isTolerated(diagnostic.code))
    .map((diagnostic) => {
      const at = parsed.getLineAndCharacterOfPosition(Math.min(diagnostic.start ?? 0, parsed.text.length));
      const message = readable(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
      return { line: at.line + 1, column: at.character + 1, code: diagnostic.code, message, syntactic };
    });
}
