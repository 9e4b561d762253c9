import ts = require("typescript");

import { callbackKind } from "./callbacks.js";
import { isLibrary, namedOnly } from "./library-imports.js";
import { boundIdentifiers, varIdentifiers } from "./names.js";
import { inPlaceOf, isGenerated, sharedNames, withList } from "./shared-names.js";
import { withTurns } from "./turns.js";

/**
 * Turns a compiled module into the body of one async function:
 *
 *     (async ($erpo) => { "use strict"; $erpo.declare({ x: [() => x, ($erpoValue) => { x = $erpoValue; }] }); <imports>; <statements>; return { value: (void 0, <last>) }; })
 *
 * Variables stay locals, which keeps loops fast; other cells reach them through the declared accessors. Those that the cell's own functions use are bound on the session's
 * global object at once (shared-names.ts). `await x` becomes
 * `(await $erpo.wait(x))()`, so that an interrupt can end it and what follows counts as that of the cell that waits; `import` becomes
 * `await $erpo.import`, and functions that are called later become `$erpo.owned(f)`, `$erpo.begun(f)` or `$erpo.given(f)` (callbacks.ts); loops that
 * call something call `$erpo.turn()` in each turn (turns.ts). A cell
 * that has a name `$erpo` itself sees the kernel under another one.
 *
 * @param length of the reader's own text: what stands behind it in the file is bookkeeping and is left out
 * @param names the cell's own that its functions use, with all others of their patterns
 * @param shadowing the cell uses names that hide a global of Node's, of earlier cells or shared ones of its own: they are not on the global object
 */
export function cellTransformer(
  length: number,
  names: ReadonlySet<string>,
  shadowing: boolean,
  checker: ts.TypeChecker,
): ts.TransformerFactory<ts.SourceFile> {
  return (context) => (file) => {
    const f = context.factory;
    const unique = (name: string) => f.createUniqueName(name, ts.GeneratedIdentifierFlags.Optimistic);
    const kernel = unique("$erpo");
    const call = (name: string, ...args: ts.Expression[]) =>
      f.createCallExpression(f.createPropertyAccessExpression(kernel, name), undefined, args);

    const place = (name: string) => f.createPropertyAccessExpression(kernel, name);
    const places = { fixed: place("fixed"), open: place("open") };
    const shared = sharedNames(context, names, (...args) => call("bind", ...args), places);

    const waiting = (node: ts.Node, expression: ts.Expression): ts.Expression =>
      f.createCallExpression(
        f.createParenthesizedExpression(ts.setTextRange(f.createAwaitExpression(call("wait", expression)), node)),
        undefined,
        [],
      );

    const visit = (node: ts.Node): ts.Node => {
      if (ts.isAwaitExpression(node)) return waiting(node, ts.visitNode(node.expression, visit, ts.isExpression)!);
      if (ts.isForOfStatement(node) && node.awaitModifier) {
        const { initializer, expression, statement } = ts.visitEachChild(node, visit, context);
        const step = f.createUniqueName("step");
        const item = f.createCallExpression(step, undefined, []);
        const steps = f.createVariableDeclarationList([f.createVariableDeclaration(step)], ts.NodeFlags.Const);
        const body = f.createBlock([bound(f, initializer, item), statement]);
        return f.updateForOfStatement(node, node.awaitModifier, steps, call("iterate", expression), body);
      }
      if (ts.isIterationStatement(node, false)) return withTurns(f, node, ts.visitEachChild(node, visit, context), call("turn"));
      if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
        return call("import", ...ts.visitNodes(node.arguments, visit, ts.isExpression));
      }
      if (ts.isCallExpression(node) && node.arguments.length > 0) {
        const visited = ts.visitEachChild(node, visit, context);
        const kindOf = callbackKind(checker, node);
        const args = visited.arguments.map((argument) => {
          const kind = kindOf(argument);
          return kind ? call(kind, argument) : argument;
        });
        return f.updateCallExpression(visited, visited.expression, visited.typeArguments, args);
      }
      if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword) {
        usesMeta = true;
        return f.createPropertyAccessExpression(kernel, "meta");
      }
      return ts.visitEachChild(node, visit, context);
    };

    /** `const a = await $erpo.import("m"), b = $erpo.pick(a, "b"), ...` */
    function importing(node: ts.ImportDeclaration): { statement: ts.Statement; names: string[] } {
      const clause = node.importClause;
      const names = isLibrary(node.moduleSpecifier) ? namedOnly(node) : undefined;
      const load = waiting(
        node,
        names
          ? call("take", f.createArrayLiteralExpression(names.map((name) => f.createStringLiteral(name))))
          : call("import", node.moduleSpecifier),
      );
      if (!clause) return { statement: ts.setTextRange(f.createExpressionStatement(load), node), names: [] };
      const module = f.createUniqueName("module");
      const bindings: [string | ts.Identifier, ts.Expression][] = []; // the compiler's own names, for JSX, stay what it calls them
      const pick = (name: string) => call("pick", module, f.createStringLiteral(name), node.moduleSpecifier);
      if (clause.name) bindings.push([clause.name.text, pick("default")]);
      if (clause.namedBindings && ts.isNamespaceImport(clause.namedBindings)) bindings.push([clause.namedBindings.name.text, module]);
      else
        for (const e of clause.namedBindings?.elements ?? [])
          bindings.push([isGenerated(e.name) ? e.name : e.name.text, pick((e.propertyName ?? e.name).text)]);
      const constant = (name: string | ts.Identifier, value: ts.Expression) =>
        f.createVariableDeclaration(name, undefined, undefined, value);
      const list = f.createVariableDeclarationList(
        [constant(module, load), ...bindings.map(([name, value]) => constant(name, value))],
        ts.NodeFlags.Const,
      );
      return {
        statement: ts.setTextRange(f.createVariableStatement(undefined, shared.list(list)), node),
        names: bindings.map(([name]) => name).filter((name) => typeof name === "string"),
      };
    }

    /** A statement at the top of the cell, with its shared names bound; a function goes to the cell's beginning. */
    function binding(statement: ts.Statement): ts.Statement {
      if (ts.isFunctionDeclaration(statement) && statement.name && statement.body && names.has(statement.name.text)) {
        functions.push(shared.asProperty(ts.visitEachChild(statement, visit, context)));
        return inPlaceOf(f, statement);
      }
      if (ts.isClassDeclaration(statement) && statement.name && names.has(statement.name.text)) {
        const property = shared.asProperty(ts.visitEachChild(statement, visit, context));
        return ts.setOriginalNode(
          ts.setTextRange(f.createExpressionStatement(f.createVoidExpression(shared.bind([property], false))), statement),
          statement,
        );
      }
      if (ts.isVariableStatement(statement)) {
        const list = shared.list(statement.declarationList, ts.getOriginalNode(statement));
        return ts.visitNode(withList(f, statement, list), visit, ts.isStatement)!;
      }
      return ts.visitNode(shared.vars(statement), visit, ts.isStatement)!;
    }

    let usesMeta = false;
    const functions: ts.PropertyAssignment[] = [];
    const hoisted: ts.Statement[] = [];
    const body: ts.Statement[] = [];
    const own: string[] = [];
    const variables: string[] = []; // by `var`
    for (const statement of file.statements) {
      const position = ts.getOriginalNode(statement).pos;
      if (position >= length || ts.isExportDeclaration(statement) || ts.isNotEmittedStatement(statement)) continue;
      if (ts.isEmptyStatement(statement)) continue; // also the one that ends the reader's text
      if (ts.isImportDeclaration(statement)) {
        const loaded = importing(statement);
        hoisted.push(loaded.statement);
        own.push(...loaded.names);
      } else if (ts.isExportAssignment(statement)) {
        const expression = ts.visitNode(statement.expression, visit, ts.isExpression)!;
        body.push(ts.setTextRange(f.createExpressionStatement(expression), statement));
      } else {
        const plain = withoutExport(f, statement);
        own.push(...runtimeNames(plain));
        variables.push(...variableNames(plain));
        body.push(binding(plain));
      }
    }
    const at = body.findLastIndex((statement) => ts.getOriginalNode(statement).pos >= 0 || isLowered(statement));
    const written = (ts.getOriginalNode(file) as ts.SourceFile).statements.filter(({ pos }) => pos < length);
    const ending = written.findLast((statement) => !ts.isEmptyStatement(statement));
    const isDeclared = ending !== undefined && (ts.isFunctionDeclaration(ending) || ts.isClassDeclaration(ending)); // `using` takes the one away from the end, and assigns the other
    if (at >= 0 && !(isDeclared && isLowered(body[at]!))) body[at] = returning(f, body[at]!);
    const prologue: ts.Statement[] = [f.createExpressionStatement(f.createStringLiteral("use strict"))];
    if (own.length) {
      const [bound, locals] = [own.filter((name) => names.has(name)), own.filter((name) => !names.has(name))];
      const texts = (list: readonly string[]) =>
        f.createArrayLiteralExpression([...new Set(list)].map((text) => f.createStringLiteral(text)));
      const declared = [accessors(f, [...new Set(locals)], unique("$erpoValue")), texts(bound), texts(variables)];
      prologue.push(f.createExpressionStatement(call("declare", ...declared)));
    }
    if (usesMeta) prologue.push(f.createExpressionStatement(f.createAwaitExpression(call("completeMeta"))));
    if (functions.length) prologue.push(f.createExpressionStatement(shared.bind(functions, false)));
    const run = (parameters: ts.ParameterDeclaration[], body: ts.Block) =>
      f.createArrowFunction([f.createModifier(ts.SyntaxKind.AsyncKeyword)], undefined, parameters, undefined, undefined, body);
    const code = f.createBlock([...prologue, ...hoisted, ...body], true);
    const parameter = f.createParameterDeclaration(undefined, undefined, kernel);
    const shadows = f.createPropertyAccessExpression(kernel, "shadows");
    const cell = shadowing ? withShadows(f, parameter, shadows, run([], code)) : run([parameter], code);
    return f.updateSourceFile(file, [f.createExpressionStatement(f.createParenthesizedExpression(cell))]);
  };
}

/** `($erpo) => { with ($erpo.shadows) return (async () => { ... })(); }` */
function withShadows(
  f: ts.NodeFactory,
  parameter: ts.ParameterDeclaration,
  shadows: ts.Expression,
  run: ts.ArrowFunction,
): ts.ArrowFunction {
  const started = f.createReturnStatement(f.createCallExpression(f.createParenthesizedExpression(run), undefined, []));
  const body = f.createBlock([f.createWithStatement(shadows, started)]);
  return f.createArrowFunction(undefined, undefined, [parameter], undefined, undefined, body);
}

/** The statement that gives an item of a loop to what the loop declares or assigns. */
function bound(f: ts.NodeFactory, initializer: ts.ForInitializer, item: ts.Expression): ts.Statement {
  if (!ts.isVariableDeclarationList(initializer)) return f.createExpressionStatement(f.createAssignment(initializer, item));
  const { name } = initializer.declarations[0]!;
  const declaration = f.createVariableDeclaration(name, undefined, undefined, item);
  return f.createVariableStatement(undefined, f.createVariableDeclarationList([declaration], initializer.flags));
}

/** A `try` that stands for `using`, which this target does not have. */
const isLowered = (statement: ts.Statement): statement is ts.TryStatement =>
  ts.isTryStatement(statement) && ts.getOriginalNode(statement).pos < 0;

/** The last statement of a cell, which returns its value if the reader wrote an expression. What the compiler has made one is none: a class, or a constant behind `using`. */
function returning(f: ts.NodeFactory, last: ts.Statement): ts.Statement {
  if (ts.isExpressionStatement(last) && isWritten(ts.getOriginalNode(last))) {
    const unnamed = f.createComma(f.createVoidZero(), last.expression); // a function without a name would be called as its property
    const value = f.createObjectLiteralExpression([f.createPropertyAssignment("value", unnamed)]);
    return ts.setTextRange(f.createReturnStatement(value), last);
  }
  if (!isLowered(last)) return last;
  const { tryBlock, catchClause, finallyBlock } = last;
  const isNothing = (s: ts.Statement) => ts.isEmptyStatement(s) || ts.isExportDeclaration(s) || ts.isNotEmittedStatement(s);
  const at = tryBlock.statements.findLastIndex((statement) => !isNothing(statement));
  if (at < 0) return last;
  const statements = tryBlock.statements.map((statement, i) => (i === at ? returning(f, statement) : statement));
  return f.updateTryStatement(last, f.updateBlock(tryBlock, statements), catchClause, finallyBlock);
}

const isWritten = (original: ts.Node) => ts.isExpressionStatement(original) || ts.isExportAssignment(original);

/**
 * `{ x: [() => x, ($erpoValue) => { x = $erpoValue; }], ... }`
 * @param value the setter's parameter: no cell's own name, which it would hide
 */
function accessors(f: ts.NodeFactory, names: readonly string[], value: ts.Identifier): ts.Expression {
  const arrow = f.createToken(ts.SyntaxKind.EqualsGreaterThanToken);
  const pair = (name: string) => {
    const assign = f.createExpressionStatement(f.createAssignment(f.createIdentifier(name), value));
    return f.createArrayLiteralExpression([
      f.createArrowFunction(undefined, undefined, [], undefined, arrow, f.createIdentifier(name)),
      f.createArrowFunction(
        undefined,
        undefined,
        [f.createParameterDeclaration(undefined, undefined, value)],
        undefined,
        arrow,
        f.createBlock([assign]),
      ),
    ]);
  };
  return f.createObjectLiteralExpression(names.map((name) => f.createPropertyAssignment(f.createStringLiteral(name), pair(name))));
}

/** The names that a JavaScript statement at the top of a cell binds. */
function runtimeNames(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement))
    return readersNames(statement.declarationList.declarations.flatMap(({ name }) => boundIdentifiers(name)));
  if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) return readersNames(statement.name ? [statement.name] : []);
  return variableNames(statement);
}

/** Those that a statement binds by `var`, wherever in it. */
const variableNames = (statement: ts.Statement): string[] => readersNames(varIdentifiers(statement));

/** Without what the compiler has made up. */
const readersNames = (names: readonly ts.Identifier[]): string[] =>
  names.filter((name) => !isGenerated(name) && name.text !== "").map(({ text }) => text);

function withoutExport(f: ts.NodeFactory, statement: ts.Statement): ts.Statement {
  const keep = (modifiers: readonly ts.ModifierLike[] | undefined) =>
    modifiers?.filter((m) => m.kind !== ts.SyntaxKind.ExportKeyword && m.kind !== ts.SyntaxKind.DefaultKeyword);
  if (!ts.canHaveModifiers(statement) || !ts.getModifiers(statement)?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword)) return statement;
  if (ts.isVariableStatement(statement))
    return f.updateVariableStatement(statement, keep(statement.modifiers) as ts.Modifier[], statement.declarationList);
  if (ts.isFunctionDeclaration(statement)) {
    const { modifiers, asteriskToken, name, typeParameters, parameters, type, body } = statement;
    if (!name && body) {
      const asynchronous = keep(modifiers) as ts.Modifier[] | undefined;
      return f.createExpressionStatement(
        f.createParenthesizedExpression(
          f.createFunctionExpression(asynchronous, asteriskToken, name, typeParameters, parameters, type, body),
        ),
      );
    }
    return f.updateFunctionDeclaration(statement, keep(modifiers), asteriskToken, name, typeParameters, parameters, type, body);
  }
  if (ts.isClassDeclaration(statement)) {
    const { modifiers, name, typeParameters, heritageClauses, members } = statement;
    if (!name)
      return f.createExpressionStatement(
        f.createParenthesizedExpression(f.createClassExpression(keep(modifiers), name, typeParameters, heritageClauses, members)),
      );
    return f.updateClassDeclaration(statement, keep(modifiers), name, typeParameters, heritageClauses, members);
  }
  return statement;
}
