import ts = require("typescript");

/** A name that a cell declares at its top level. */
export interface Declared {
  name: string;
  /** `let` and `const` for plain variables; `other` for what is or may also be a type, and for functions and imports. */
  kind: "let" | "const" | "other";
  /** Declared with `export`, so that it needs no further export. */
  exported: boolean;
  /** Declared by `let` or `var`. */
  assignable: boolean;
  /** The documentation comment of a plain variable, as it stands in the text. */
  comment: string;
}

/** The names that the top level of `file` declares, each once. A name declared twice (a type and a value) is `other`. */
export function declaredNames(file: ts.SourceFile): Declared[] {
  const found = new Map<string, Declared>();
  const add = (name: string, kind: Declared["kind"], exported: boolean, comment = "") => {
    const before = found.get(name);
    found.set(name, {
      name,
      kind: before && before.kind !== kind ? "other" : kind,
      exported: exported || (before?.exported ?? false),
      assignable: kind === "let" || (before?.assignable ?? false),
      comment,
    });
  };
  const bind = (name: ts.BindingName, kind: Declared["kind"], exported: boolean, comment: string): void => {
    if (ts.isIdentifier(name)) add(name.text, kind, exported, comment);
    else for (const element of name.elements) if (ts.isBindingElement(element)) bind(element.name, kind, exported, comment);
  };
  for (const statement of file.statements) {
    const modifiers = new Set(ts.canHaveModifiers(statement) ? ts.getModifiers(statement)?.map((m) => m.kind) : []);
    const exported = modifiers.has(ts.SyntaxKind.ExportKeyword) && !modifiers.has(ts.SyntaxKind.DefaultKeyword);
    if (ts.isVariableStatement(statement)) {
      const kind = statement.declarationList.flags & ts.NodeFlags.Const ? "const" : "let";
      const comment = documentation(statement, file);
      for (const declaration of statement.declarationList.declarations) bind(declaration.name, kind, exported, comment);
    } else if (
      ts.isFunctionDeclaration(statement) ||
      ts.isClassDeclaration(statement) ||
      ts.isEnumDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement) ||
      (ts.isModuleDeclaration(statement) && ts.isIdentifier(statement.name) && statement.name.text !== "global")
    ) {
      if (statement.name) add(statement.name.text, "other", exported);
    } else if (ts.isImportEqualsDeclaration(statement)) {
      add(statement.name.text, "other", exported);
    } else if (ts.isImportDeclaration(statement)) {
      for (const name of importedNames(statement)) add(name, "other", false);
    } else collectVars(statement, (name) => add(name, "let", false));
  }
  for (const name of exportedLater(file)) {
    const declared = found.get(name);
    if (declared) declared.exported = true;
  }
  return [...found.values()];
}

/** The documentation comment in front of a statement; "" where there is none. */
function documentation(statement: ts.Statement, file: ts.SourceFile): string {
  const comments = (statement as { jsDoc?: ts.JSDoc[] }).jsDoc;
  return comments?.map(({ pos, end }) => file.text.slice(pos, end)).at(-1) ?? "";
}

/** The names in `export { a, b as c }`, those that are exported as themselves. */
function exportedLater(file: ts.SourceFile): string[] {
  return file.statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) && !statement.moduleSpecifier && statement.exportClause && ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements.filter((element) => !element.propertyName).map((element) => element.name.text)
      : [],
  );
}

/** Local names that an import declaration binds. */
export function importedNames(statement: ts.ImportDeclaration): string[] {
  const clause = statement.importClause;
  const named = clause?.namedBindings;
  return [
    ...(clause?.name ? [clause.name.text] : []),
    ...(named ? (ts.isNamespaceImport(named) ? [named.name.text] : named.elements.map((element) => element.name.text)) : []),
  ];
}

/** `var` in nested blocks belongs to the cell. */
function collectVars(node: ts.Node, add: (name: string) => void): void {
  if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isModuleDeclaration(node)) return;
  if (ts.isVariableDeclarationList(node) && !(node.flags & ts.NodeFlags.BlockScoped)) {
    const bind = (name: ts.BindingName): void => {
      if (ts.isIdentifier(name)) add(name.text);
      else for (const element of name.elements) if (ts.isBindingElement(element)) bind(element.name);
    };
    for (const declaration of node.declarations) bind(declaration.name);
  }
  ts.forEachChild(node, (child) => collectVars(child, add));
}

/** Every identifier in the text, wherever it stands. */
export function usedNames(file: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) names.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return names;
}

/** Every identifier that a function or a class of the text mentions, but for what stands behind a dot or before a colon. The text has been parsed with parents. */
export function namesInFunctions(file: ts.SourceFile): Set<string> {
  const found = new Set<string>();
  const visit = (node: ts.Node, inside: boolean): void => {
    if (inside && ts.isIdentifier(node) && !isKey(node)) found.add(node.text);
    const deeper = inside || ts.isFunctionLike(node) || ts.isClassLike(node);
    ts.forEachChild(node, (child) => visit(child, deeper && child !== (node as { name?: ts.Node }).name));
  };
  visit(file, false);
  return found;
}

const isKey = (node: ts.Identifier): boolean =>
  (ts.isPropertyAccessExpression(node.parent) || ts.isPropertyAssignment(node.parent)) && node.parent.name === node;
