import ts = require("typescript");

/** The names that a cell imports from `erpo`; "all" where it takes the library as a whole. */
export function namesOfLibrary(file: ts.SourceFile): string[] | "all" {
  const names: string[] = [];
  let mentions = [...file.text.matchAll(/(["'`])erpo\1/g)].length;
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement) || !isLibrary(statement.moduleSpecifier)) continue;
    const named = namedOnly(statement);
    if (!named) return "all";
    mentions -= 1;
    names.push(...named);
  }
  return mentions > 0 ? "all" : names;
}

/** Whether this names `erpo`. */
export const isLibrary = (specifier: ts.Expression): boolean => ts.isStringLiteral(specifier) && specifier.text === "erpo";

/** The names that an import takes, as the module calls them, where it takes nothing else. */
export function namedOnly({ importClause: clause }: ts.ImportDeclaration): string[] | undefined {
  const bindings = clause?.namedBindings;
  if (!bindings || clause.name || !ts.isNamedImports(bindings)) return undefined;
  return bindings.elements.map(({ propertyName, name }) => (propertyName ?? name).text);
}
