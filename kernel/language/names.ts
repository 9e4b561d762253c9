import ts = require("typescript");

/** A name that a cell declares at its top level. */
export interface Declared {
  name: string;
  /** `let` and `const` for plain variables; `other` for what is or may also be a type, and for functions and imports. */
  kind: "let" | "const" | "other";
  /** Declared with `export`, so that it needs no further export. */
  exported: boolean;
  /** It has a value, and is not a type alone. */
  value: boolean;
  /** `plain` for an interface or a type alias without parameters; `other` for types that have some, or that a class or the like brings along. */
  type: "none" | "plain" | "other";
  /** The documentation comment of a plain variable, as it stands in the text. */
  comment: string;
}

/** The names that the top level of `file` declares, each once. A name declared twice (a type and a value) is `other`. */
export function declaredNames(file: ts.SourceFile): Declared[] {
  const found = new Map<string, Declared>();
  const add = (name: string, kind: Declared["kind"], exported: boolean, meaning: Pick<Declared, "value" | "type">, comment = "") => {
    const before = found.get(name);
    found.set(name, {
      name,
      kind: before && before.kind !== kind ? "other" : kind,
      exported: exported || (before?.exported ?? false),
      value: meaning.value || (before?.value ?? false),
      type: meaning.type === "none" ? (before?.type ?? "none") : before?.type === "other" ? "other" : meaning.type,
      comment,
    });
  };
  for (const statement of file.statements) {
    const modifiers = new Set(ts.canHaveModifiers(statement) ? ts.getModifiers(statement)?.map((m) => m.kind) : []);
    const exported = modifiers.has(ts.SyntaxKind.ExportKeyword) && !modifiers.has(ts.SyntaxKind.DefaultKeyword);
    if (ts.isVariableStatement(statement)) {
      const kind = statement.declarationList.flags & ts.NodeFlags.Const ? "const" : "let";
      const comment = documentation(statement, file);
      for (const { name } of statement.declarationList.declarations)
        for (const { text } of boundIdentifiers(name)) add(text, kind, exported, variable, comment);
    } else if (
      ts.isFunctionDeclaration(statement) ||
      ts.isClassDeclaration(statement) ||
      ts.isEnumDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement) ||
      (ts.isModuleDeclaration(statement) && ts.isIdentifier(statement.name) && statement.name.text !== "global")
    ) {
      if (statement.name) add(statement.name.text, "other", exported, meaningOf(statement));
    } else if (ts.isImportEqualsDeclaration(statement)) {
      add(statement.name.text, "other", exported, both);
    } else if (ts.isImportDeclaration(statement)) {
      for (const name of importedNames(statement)) add(name, "other", false, both);
    } else for (const { text } of varIdentifiers(statement)) add(text, "let", false, variable);
  }
  for (const name of exportedLater(file)) {
    const declared = found.get(name);
    if (declared) declared.exported = true;
  }
  return [...found.values()];
}

const variable = { value: true, type: "none" } as const;
const both = { value: true, type: "other" } as const;

function meaningOf(statement: ts.Statement): Pick<Declared, "value" | "type"> {
  if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
    return { value: false, type: statement.typeParameters ? "other" : "plain" };
  return ts.isFunctionDeclaration(statement) ? variable : both;
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
function importedNames(statement: ts.ImportDeclaration): string[] {
  const clause = statement.importClause;
  const named = clause?.namedBindings;
  return [
    ...(clause?.name ? [clause.name.text] : []),
    ...(named ? (ts.isNamespaceImport(named) ? [named.name.text] : named.elements.map((element) => element.name.text)) : []),
  ];
}

/** The identifiers that a declaration binds, through all of a pattern. */
export function boundIdentifiers(name: ts.BindingName): ts.Identifier[] {
  if (ts.isIdentifier(name)) return [name];
  return name.elements.flatMap((element) => (ts.isBindingElement(element) ? boundIdentifiers(element.name) : []));
}

/** Those that a statement binds by `var`, also in nested blocks: they belong to the cell. */
export function varIdentifiers(node: ts.Node): ts.Identifier[] {
  const found: ts.Identifier[] = [];
  const visit = (inner: ts.Node): void => {
    if (ts.isFunctionLike(inner) || ts.isClassLike(inner) || ts.isModuleDeclaration(inner)) return;
    if (ts.isVariableDeclarationList(inner) && !(inner.flags & ts.NodeFlags.BlockScoped))
      for (const { name } of inner.declarations) found.push(...boundIdentifiers(name));
    ts.forEachChild(inner, visit);
  };
  visit(node);
  return found;
}

/**
 * Those of `own`, which the text declares, that live on the session's global object from the start: functions of the cell use them, or others of the same pattern, whose
 * defaults and computed keys may use each other.
 */
export function globalNames(file: ts.SourceFile, own: readonly Declared[], inFunctions: ReadonlySet<string>): Set<string> {
  const found = new Set(own.map(({ name }) => name).filter((name) => inFunctions.has(name)));
  const patterns = cellsPatterns(file);
  for (let size = -1; size < found.size; ) {
    size = found.size;
    for (const names of patterns) if (names.some((name) => found.has(name))) for (const name of names) found.add(name);
  }
  return found;
}

/** What each pattern binds that declares names of the cell. */
function cellsPatterns(file: ts.SourceFile): string[][] {
  const found: string[][] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isModuleDeclaration(node)) return;
    if (ts.isVariableDeclarationList(node) && (!(node.flags & ts.NodeFlags.BlockScoped) || node.parent.parent === file))
      for (const { name } of node.declarations) if (!ts.isIdentifier(name)) found.push(boundIdentifiers(name).map(({ text }) => text));
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Every identifier in the text, wherever it stands. */
export function usedNames(file: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) names.add(node.text);
    else if (isTag(node)) names.add(FACTORY);
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
    else if (inside && isTag(node)) found.add(FACTORY);
    const deeper = inside || ts.isFunctionLike(node) || ts.isClassLike(node);
    const declared = ts.isShorthandPropertyAssignment(node) ? undefined : (node as { name?: ts.Node }).name; // of `{ x }`, x is what is read
    ts.forEachChild(node, (child) => visit(child, deeper && !(child === declared && ts.isIdentifier(child))));
  };
  visit(file, false);
  return found;
}

const isKey = (node: ts.Identifier): boolean =>
  (ts.isPropertyAccessExpression(node.parent) || ts.isPropertyAssignment(node.parent)) && node.parent.name === node;

/** What JSX becomes calls of, with `"jsx": "react"`. */
const FACTORY = "React";
const isTag = (node: ts.Node): boolean => ts.isJsxOpeningLikeElement(node) || ts.isJsxOpeningFragment(node);
