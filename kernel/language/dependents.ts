import { boundIdentifiers, type Declared, declaredNames, varIdentifiers } from "./names.js";
import type { Owner } from "./owners.js";

import ts = require("typescript");

/** A cell that has run, as far as it matters to what uses its names. */
export interface PastCell {
  /** How a reader knows it, `In[3]`. */
  label: string;
  code: string;
  parsed: ts.SourceFile;
  /** Every identifier that stands in a function or a class of the cell. */
  inFunctions: ReadonlySet<string>;
}

/**
 * The cell's text with those of its own declarations called otherwise that another cell takes the place of: `const { a } = b` becomes `const { a: a$before } = b`.
 * Undefined where one is not found.
 */
export function withoutNames(
  { code, parsed }: PastCell,
  names: ReadonlySet<string>,
): { text: string; shifts: { at: number; by: number }[] } | undefined {
  const places = parsed.statements.flatMap(declaredIdentifiers).filter(({ text }) => names.has(text));
  if (new Set(places.map(({ text }) => text)).size < names.size) return undefined;
  places.sort((a, b) => a.end - b.end);
  const inserted = places.map((place) => ({ at: place.end, text: otherwise(place) }));
  const text = inserted.reduceRight((text, { at, text: more }) => text.slice(0, at) + more + text.slice(at), code);
  return { text, shifts: inserted.map(({ at, text }) => ({ at, by: text.length })) };
}

/** What behind a declared name makes it another one. */
function otherwise(name: ts.Identifier): string {
  const suffix = "$before";
  const { parent } = name;
  if (ts.isImportSpecifier(parent) && !parent.propertyName) return ` as ${name.text}${suffix}`;
  const isShorthand =
    ts.isBindingElement(parent) && ts.isObjectBindingPattern(parent.parent) && !parent.propertyName && !parent.dotDotDotToken;
  return isShorthand ? `: ${name.text}${suffix}` : suffix;
}

/** The identifiers by which a statement declares names of its cell. */
function declaredIdentifiers(statement: ts.Statement): ts.Identifier[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.flatMap(({ name }) => boundIdentifiers(name));
  if (ts.isImportDeclaration(statement)) {
    const { name, namedBindings } = statement.importClause ?? {};
    const named = namedBindings && (ts.isNamespaceImport(namedBindings) ? [namedBindings] : namedBindings.elements);
    return [...(name ? [name] : []), ...(named ?? []).map((one) => one.name)];
  }
  const name = ts.getNameOfDeclaration(statement as ts.DeclarationStatement);
  return name && ts.isIdentifier(name) ? [name] : varIdentifiers(statement);
}

/**
 * Whether functions of earlier cells may see another meaning of a name once it is declared anew: a type beside what was no type changes nothing for them.
 * @param owner of the name, until then
 * @param before the cell of the owner
 */
export function touches(declared: Declared, owner: Owner, before: PastCell | undefined): boolean {
  const earlier = before && declaredNames(before.parsed).find(({ name }) => name === declared.name);
  const hadType = owner.type !== undefined || earlier?.type === "other";
  if (declared.value && owner.value !== undefined) return true;
  return hadType && (declared.type !== "none" || declared.kind === "let");
}

/** The place in the cell's own text of a place in the text that `withoutNames` gave. */
export function ownPlace(place: number, shifts: readonly { at: number; by: number }[]): number {
  return shifts.reduce((at, shift) => (at > shift.at ? at - shift.by : at), place);
}

/** Whether a place is in a function that one of these names stands for, or that is part of what it stands for: what runs again when it is called. */
export function isCalledLater(parsed: ts.SourceFile, place: number, names: ReadonlySet<string>): boolean {
  const holds = ({ pos, end }: ts.Node) => pos <= place && place < end;
  const isNamed = (found: readonly ts.Identifier[]) => found.some(({ text }) => names.has(text));
  const declares = (node: ts.Node): boolean => {
    if (!holds(node)) return false;
    if (ts.isVariableDeclaration(node)) return isNamed(boundIdentifiers(node.name));
    if (ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node) || ts.isModuleDeclaration(node))
      return node.name !== undefined && ts.isIdentifier(node.name) && isNamed([node.name]);
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken && ts.isIdentifier(node.left))
      return isNamed([node.left]);
    return ts.forEachChild(node, (child) => declares(child) || undefined) ?? false;
  };
  const isInFunction = (node: ts.Node): boolean => {
    if (!holds(node)) return false;
    return ts.isFunctionLike(node) || ts.isClassLike(node) || !!ts.forEachChild(node, (child) => isInFunction(child) || undefined);
  };
  const statement = parsed.statements.find(holds);
  return statement !== undefined && declares(statement) && isInFunction(statement);
}
