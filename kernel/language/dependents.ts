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

/** The cell's text with those of its own declarations called otherwise that another cell takes the place of. Undefined where one is part of a pattern, or not found. */
export function withoutNames(
  { code, parsed }: PastCell,
  names: ReadonlySet<string>,
): { text: string; shifts: { at: number; by: number }[] } | undefined {
  const places: ts.Identifier[] = [];
  const missing = new Set(names);
  const found = (name: ts.Node | undefined) => {
    if (name === undefined || !ts.isIdentifier(name) || !names.has(name.text)) return;
    places.push(name);
    missing.delete(name.text);
  };
  for (const statement of parsed.statements) {
    if (ts.isVariableStatement(statement)) for (const { name } of statement.declarationList.declarations) found(name);
    else if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement) || ts.isEnumDeclaration(statement))
      found(statement.name);
  }
  if (missing.size > 0) return undefined;
  const suffix = "$before";
  let text = code;
  for (const place of places.toReversed()) text = text.slice(0, place.end) + suffix + text.slice(place.end);
  return { text, shifts: places.map(({ end }) => ({ at: end, by: suffix.length })) };
}

/** The place in the cell's own text of a place in the text that `withoutNames` gave. */
export function ownPlace(place: number, shifts: readonly { at: number; by: number }[]): number {
  return shifts.reduce((at, shift) => (at > shift.at ? at - shift.by : at), place);
}

/** Whether a place is in a function that one of these names stands for, or that is part of what it stands for: what runs again when it is called. */
export function isCalledLater(parsed: ts.SourceFile, place: number, names: ReadonlySet<string>): boolean {
  const statement = parsed.statements.find(({ pos, end }) => pos <= place && place < end);
  if (!statement) return false;
  const declares = ts.isVariableStatement(statement)
    ? statement.declarationList.declarations.some(
        ({ name, pos, end }) => pos <= place && place < end && ts.isIdentifier(name) && names.has(name.text),
      )
    : (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) &&
      statement.name !== undefined &&
      names.has(statement.name.text);
  const isInFunction = (node: ts.Node): boolean => {
    if (place < node.pos || place >= node.end) return false;
    return ts.isFunctionLike(node) || ts.isClassLike(node) || !!ts.forEachChild(node, (child) => isInFunction(child) || undefined);
  };
  return declares && isInFunction(statement);
}
