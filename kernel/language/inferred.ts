import { augments } from "./augmentations.js";
import { type PastCell, withoutNames } from "./dependents.js";
import { type Declared, declaredNames, usedNames } from "./names.js";
import { bookkeeping, type Owner } from "./owners.js";

import ts = require("typescript");

/** Functions of earlier cells whose types follow from what they call, once that is declared with another type. */
export interface Inferred {
  /** By their names: where their types are to be asked for. */
  owners: Map<string, Owner>;
  /** The texts that these modules have. */
  texts: Map<string, string>;
}

/**
 * A cell's functions are read anew, in a module of their own beside the cell's: constants of the cell keep the types of the values that they have got, and its classes and
 * enumerations stay the same ones.
 * @param changed names that are declared with another type
 * @param past cells by their modules
 * @param newer owners of `changed`, where they are not among `owners` yet
 * @param prefix of the modules' names
 */
export function inferredAnew(
  changed: readonly string[],
  past: ReadonlyMap<string, PastCell>,
  owners: ReadonlyMap<string, Owner>,
  newer: ReadonlyMap<string, Owner>,
  prefix: string,
): Inferred {
  const names = new Set(changed);
  const found = new Map<string, { text: string; functions: Declared[]; used: Set<string> }>();
  for (let size = -1; names.size > 0 && size < found.size; ) {
    size = found.size;
    for (const [module, cell] of past) {
      if (found.has(module) || augments(cell.parsed) || ![...names].some((name) => cell.inFunctions.has(name))) continue;
      const isRead = (name: string) => owners.get(name)?.module === module && !newer.has(name);
      const anew = new Set(inferredFunctions(cell.parsed).filter(isRead));
      const own = declaredNames(cell.parsed);
      const functions = own.filter(({ name }) => anew.has(name));
      const text = functions.length && withoutNames(cell, new Set(own.map(({ name }) => name).filter((name) => !anew.has(name))))?.text;
      if (!text) continue;
      found.set(module, { text, functions, used: usedNames(cell.parsed) });
      for (const name of anew) names.add(name);
    }
  }
  const inferred: Inferred = { owners: new Map(), texts: new Map() };
  const moduleOf = (module: string) => module.replace("./", `./${prefix} `);
  for (const [module, { functions }] of found)
    for (const { name } of functions) inferred.owners.set(name, { ...owners.get(name)!, inferred: moduleOf(module) });
  const known = (name: string) => inferred.owners.get(name) ?? newer.get(name) ?? owners.get(name);
  for (const [module, { text, functions, used }] of found) inferred.texts.set(moduleOf(module), text + bookkeeping(functions, used, known));
  return inferred;
}

/** The names of functions that do not say themselves what they return. */
function inferredFunctions(parsed: ts.SourceFile): string[] {
  return parsed.statements.flatMap((statement) => {
    if (ts.isFunctionDeclaration(statement)) return statement.name && !statement.type ? [statement.name.text] : [];
    if (!ts.isVariableStatement(statement) || !(statement.declarationList.flags & ts.NodeFlags.Const)) return []; // another cell may have assigned a variable
    return statement.declarationList.declarations.flatMap(({ name, type, initializer }) => {
      const isFunction = initializer && (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer)) && !initializer.type;
      return isFunction && !type && ts.isIdentifier(name) ? [name.text] : [];
    });
  });
}
