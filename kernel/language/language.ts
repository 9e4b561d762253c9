import { join } from "node:path";
import { pieces } from "../../src/setup/lists.js";

import ts = require("typescript");

import type { TypeCheck } from "../../src/frontend/type-check.js";
import { augments, createAugmentations } from "./augmentations.js";
import { isCalledLater, ownPlace, type PastCell, touches, withoutNames } from "./dependents.js";
import { type Diagnostic, faultyFiles, located, type Outdated } from "./diagnostics.js";
import { cellTransformer } from "./emit.js";
import { importHint } from "./import-hints.js";
import { inferredAnew } from "./inferred.js";
import { isJsx } from "./jsx.js";
import { namesOfLibrary } from "./library-imports.js";
import { type Declared, declaredNames, globalNames, namesInFunctions, usedNames } from "./names.js";
import { bookkeeping, type Owner, ownerOf } from "./owners.js";
import { type ParsedCell, parseCell } from "./parse-cell.js";
import { createService, type Service } from "./service.js";
import { JSX_HINT } from "./transpile.js";
import { takenOptions } from "./tsconfig.js";

/** A cell that may run. */
export interface Compiled {
  /** What the type checker found and lets pass. */
  warnings: Diagnostic[];
  /** Faults of the reader's own files that the cell imports; none where types are not checked. */
  files: Outdated[];
  /** Faults of earlier cells, whose functions use what this cell declares with other types; none where types are not checked. */
  outdated: Outdated[];
  /** One function expression, `(async ($erpo) => { ... })`. */
  javascript: string;
  /** Its source map, JSON. */
  sourceMap: string;
  /** The names that it declares. */
  declares: string[];
}

/** A cell that may not. */
export interface Refused {
  faults: Diagnostic[];
  /** What to write instead, where that is known. */
  hint?: string;
}

/** A cell that has run. */
export interface Ran {
  /** How a reader knows it, `In[3]`. */
  label: string;
  code: string;
  /** The names that it really bound. */
  names: string[];
}

export interface Language {
  /**
   * Checks and compiles a cell, changing nothing. Names of earlier cells are in scope with their types. What the parser or, at `strict`, the
   * type checker finds is returned instead of code; at `warn`, with it.
   * @throws ts.OperationCanceledException when interrupted
   */
  compile(code: string, level: TypeCheck): Compiled | Refused;
  /** Makes a cell's names and types known to later cells, once it has run. */
  commit(cell: Ran): void;
  /**
   * Takes cells that run or wait, in their order, to have run and bound all their names, in the place of those that it was given before. Until a cell is compiled or has run.
   * What they add to others' types is not known yet.
   */
  expect(codes: readonly string[]): void;
  /** Checks the cell that comes next, behind those that are expected. */
  prepare(code: string): void;
  /** Reads the types of Node, which the first cell that needs them waits for otherwise. */
  readNode(): void;
  /** The language service on `code` with every earlier name in scope, those of expected cells too; `file` is the path under which it is known. */
  open(code: string): { service: ts.LanguageService; file: string };
  /** Brings the documentation of what stands at positions of an opened file: until then it is left out. */
  document: Service["document"];
}

/**
 * @param folder where the notebook is
 * @param globals Node's own, which a cell's name may hide
 * @param cancelled asked often while a cell is checked; true ends it
 */
export function createLanguage(folder: string, globals: ReadonlySet<string>, cancelled: () => boolean): Language {
  const ending = takenOptions(folder).jsx === undefined ? "ts" : "tsx";
  const current = join(folder, `In[].${ending}`); // always the same name: the program's structure is then reused from cell to cell
  const again = Array.from({ length: 8 }, (_, i) => join(folder, `In[again ${i}].${ending}`)); // cells that have run, while they are checked again; of the program for the same reason
  const service = createService(folder, [current, ...again], cancelled);
  const augmentations = createAugmentations(service.write);
  const fileOf = (module: string) => join(folder, `${module}.${ending}`);
  const clear = () => {
    for (const file of again) service.write(file, "export {};");
  };
  clear();
  let owners = new Map<string, Owner>();
  let past = new Map<string, PastCell>(); // by their modules
  let cells = 0;
  const read = createReader(ending);
  let strictness: TypeCheck = "strict"; // the last cell's
  let expected: { codes: string; undo: () => void } | undefined; // what is taken to have run

  const known = (name: string) => owners.get(name);

  const cancellation: ts.CancellationToken = {
    isCancellationRequested: cancelled,
    throwIfCancellationRequested() {
      if (cancelled()) throw new ts.OperationCanceledException();
    },
  };

  /** The program with the cell in it, and what is found there. */
  function check(parsed: ParsedCell, text: string, level: TypeCheck): Checked {
    augmentations.beside(parsed);
    service.write(current, text);
    const program = service.languageService.getProgram()!;
    const file = program.getSourceFile(current)!;
    const unfinished = parsed.parseDiagnostics;
    const syntactic = unfinished.length ? unfinished : program.getSyntacticDiagnostics(file);
    const found = syntactic.length || level === "off" ? syntactic : program.getSemanticDiagnostics(file, cancellation);
    return { program, file, found, syntactic: syntactic.length > 0 };
  }

  /** The names that earlier cells' functions may see with another type once these are a cell's. */
  const changedBy = (code: string, declared: readonly Declared[]): string[] =>
    declared.flatMap((one) => {
      const owner = owners.get(one.name);
      const before = owner && past.get(owner.module);
      return owner && before?.code !== code && touches(one, owner, before) ? [one.name] : [];
    });

  /** Which cells no longer fit once these names are the current cell's: faults in functions that can still be called. */
  function outdated(code: string, declared: readonly Declared[]): Outdated[] {
    const newer = new Map(declared.map((one) => [one.name, ownerOf(one, "./In[]", owners.get(one.name))]));
    const changed = changedBy(code, declared);
    const inferred = inferredAnew(changed, past, owners, newer, "next");
    for (const [module, text] of inferred.texts) service.write(fileOf(module), text);
    const affected = [...changed, ...inferred.owners.keys()];
    const latest = (name: string) => inferred.owners.get(name) ?? newer.get(name) ?? owners.get(name);
    const dependents = [...past].flatMap(([module, cell]) => {
      if (!affected.some((name) => cell.inFunctions.has(name))) return [];
      const live = new Set([...owners].filter(([name, owner]) => owner.module === module && !newer.has(name)).map(([name]) => name));
      if (live.size === 0) return [];
      const own = declaredNames(cell.parsed);
      const renamed = withoutNames(cell, new Set(own.map(({ name }) => name).filter((name) => !live.has(name))));
      if (!renamed) return [];
      const others = own.filter(({ name }) => live.has(name));
      return [
        {
          cell,
          live,
          shifts: renamed.shifts,
          text: renamed.text + bookkeeping(others, usedNames(cell.parsed), latest),
        },
      ];
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

  /** @param really the cell has run, and is not only taken to have */
  function commit({ label, code, names }: Ran, really: boolean): void {
    const { parsed, own, used, inFunctions } = read(code);
    if (names.length === 0 && !augments(parsed)) return;
    const module = `./In[${++cells}]`;
    const file = fileOf(module);
    service.takeFromLibrary(namesOfLibrary(parsed));
    const text = code + bookkeeping(own, used, known);
    service.write(file, text);
    augmentations.commit(parsed, file, text);
    if (augments(parsed)) service.keep(file);
    const bound = own.filter(({ name }) => names.includes(name));
    const changed = really ? changedBy(code, bound) : [];
    for (const one of bound) owners.set(one.name, ownerOf(one, module, owners.get(one.name)));
    const inferred = inferredAnew(changed, past, owners, new Map(), "newer");
    for (const [module, text] of inferred.texts) service.write(fileOf(module), text);
    for (const [name, owner] of inferred.owners) owners.set(name, owner);
    past.set(module, { label, code, parsed, inFunctions });
    const living = new Set([...owners.values()].map((owner) => owner.module));
    for (const module of past.keys()) if (!living.has(module)) past.delete(module);
  }

  /** Goes back to what has really run. */
  function forget(): void {
    expected?.undo();
    expected = undefined;
  }

  return {
    compile(code, level) {
      forget();
      strictness = level;
      const { parsed, own, used, inFunctions } = read(code);
      const shared = globalNames(parsed, own, inFunctions);
      service.takeFromLibrary(namesOfLibrary(parsed));
      const imported = service.reread(code);
      if (level !== "strict" || !isPlain(code)) service.takeNode();
      const text = code + bookkeeping(own, used, known);
      let checked = check(parsed, text, level);
      if (checked.found.length && service.takeNode()) checked = check(parsed, text, level);
      const { program, file, found, syntactic } = checked;
      const warnings = located(found, parsed, syntactic, (fault) => importHint(fault, program));
      if (warnings.length && (level === "strict" || syntactic))
        return { faults: warnings, ...(syntactic && isJsx(code) && { hint: JSX_HINT }) };

      const declares = own.map(({ name }) => name);
      const hidden = [...used].filter((name) => globals.has(name) && (declares.includes(name) ? shared.has(name) : owners.has(name)));
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
      const beside =
        level === "off"
          ? { files: [], outdated: [] }
          : { files: faultyFiles(program, imported, folder, cancellation), outdated: outdated(code, own) };
      return { ...output, declares, warnings, ...beside };
    },

    commit(cell) {
      forget();
      commit(cell, true);
    },

    expect(codes) {
      const texts = JSON.stringify(codes);
      if (expected?.codes === texts) return;
      forget();
      const before = { owners: new Map(owners), past: new Map(past), cells };
      expected = { codes: texts, undo: () => ({ owners, past, cells } = before) };
      for (const code of codes) {
        const { parsed, own } = read(code);
        if (!augments(parsed)) commit({ label: "", code, names: own.map(({ name }) => name) }, false);
      }
    },

    prepare(code) {
      const { parsed, own, used } = read(code);
      service.takeFromLibrary(namesOfLibrary(parsed));
      service.takeNode();
      check(parsed, code + bookkeeping(own, used, known), strictness);
    },

    readNode() {
      if (service.takeNode()) service.languageService.getProgram()!.getTypeChecker();
    },

    open(code) {
      const { parsed, own } = read(code);
      augmentations.beside(parsed);
      service.reread(code);
      service.takeNode();
      if (/["']erpo["']/.test(code)) service.takeFromLibrary("all"); // what could stand there
      service.write(current, code + bookkeeping(own, owners.keys(), known));
      return { service: service.languageService, file: current };
    },

    document: service.document,
  };
}

/** Whether a cell may be checked before Node's types have been read: if nothing is missing then, it does without them. */
const isPlain = (code: string) => !/\b(import|require|declare|module|namespace)\b/.test(code);

/** A cell in its program. */
interface Checked {
  program: ts.Program;
  file: ts.SourceFile;
  found: readonly ts.Diagnostic[];
  /** What was found are faults of the parser. */
  syntactic: boolean;
}

/** A cell's text as far as it is known without its program. */
interface Reading {
  parsed: ParsedCell;
  own: Declared[];
  used: Set<string>;
  inFunctions: Set<string>;
}

/** Reads cells; the last one again at no cost. */
function createReader(ending: string): (code: string) => Reading {
  let last: { code: string; reading: Reading } | undefined;
  return (code) => {
    if (last?.code === code) return last.reading;
    const parsed = parseCell(code, `cell.${ending}`);
    const reading = { parsed, own: declaredNames(parsed), used: usedNames(parsed), inFunctions: namesInFunctions(parsed) };
    last = { code, reading };
    return reading;
  };
}
