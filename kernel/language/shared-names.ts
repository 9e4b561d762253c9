import ts = require("typescript");

/**
 * A cell's names that its own functions use. They live on the session's global object from the start and nowhere else, so that functions of every cell, also of this one, see
 * the newest value: where a later cell declares the name again, and where this one runs again. (Other names are the cell's own variables while it runs, which keeps loops at
 * its top level fast.) What declares such a name becomes a call:
 *
 *     const { a, b: [c] } = x, f = () => a;      const { a: a_1, b: [c_1] } = x, _1 = $erpo.bind({ a: a_1, c: c_1 }, true), _2 = $erpo.bind({ f: () => a }, true);
 *
 * References stay as they are: nothing in the cell has the name any more, so they reach the global object.
 */
export interface SharedNames {
  /** A list of declarations, its shared names bound in their order. Empty where nothing is left to do. */
  list(list: ts.VariableDeclarationList, standsFor?: ts.Node): ts.VariableDeclarationList;
  /** `name: function (...) {...}` or `name: class name {...}` where a declaration's name is shared. In a function its name is what any cell declares, too; in a class it is the class. */
  asProperty(declaration: ts.FunctionDeclaration | ts.ClassDeclaration): ts.PropertyAssignment;
  /** `$erpo.bind({ ... }, fixed)` */
  bind(properties: readonly ts.PropertyAssignment[], fixed: boolean): ts.Expression;
  /** A statement whose blocks and loops declare shared names by `var`. */
  vars(statement: ts.Statement): ts.Statement;
}

/** @param bound calls the runtime's `bind` with these arguments */
export function sharedNames(
  context: ts.TransformationContext,
  shared: ReadonlySet<string>,
  bound: (...args: ts.Expression[]) => ts.Expression,
): SharedNames {
  const f = context.factory;
  const property = (name: string, value: ts.Expression) => f.createPropertyAssignment(f.createStringLiteral(name), value);
  const bind = (properties: readonly ts.PropertyAssignment[], fixed: boolean) =>
    bound(f.createObjectLiteralExpression([...properties]), ...(fixed ? [f.createTrue()] : []));

  function list(node: ts.VariableDeclarationList, standsFor?: ts.Node): ts.VariableDeclarationList {
    const fixed = (node.flags & ts.NodeFlags.Const) !== 0;
    const isVar = (node.flags & ts.NodeFlags.BlockScoped) === 0;
    const done = (value: ts.Expression) => f.createVariableDeclaration(f.createUniqueName("bound"), undefined, undefined, value);
    const declarations = node.declarations.flatMap((declaration) => {
      const { name, initializer } = declaration;
      if (!ts.isIdentifier(name)) {
        const { pattern, properties } = renamed(name);
        if (properties.length === 0) return [declaration];
        return [
          f.updateVariableDeclaration(declaration, pattern as ts.BindingName, undefined, undefined, initializer),
          done(bind(properties, fixed)),
        ];
      }
      if (!isShared(name)) return [declaration];
      if (!initializer && isVar && !startsAnew(standsFor)) return []; // it is there already
      return [ts.setTextRange(done(bind([property(name.text, initializer ?? f.createVoidZero())], fixed)), declaration)];
    });
    return f.updateVariableDeclarationList(node, declarations);
  }

  const isShared = (name: ts.Identifier) => shared.has(name.text) && !isGenerated(name);

  /** A pattern that binds other names in the place of shared ones, and the shared names with the values of those. */
  function renamed(name: ts.BindingName): { pattern: ts.BindingName; properties: ts.PropertyAssignment[] } {
    const others = new Map<string, ts.Identifier>();
    const rename = (bindingName: ts.BindingName): ts.BindingName => {
      if (ts.isIdentifier(bindingName)) {
        if (!isShared(bindingName)) return bindingName;
        const other = f.createUniqueName(
          bindingName.text,
          ts.GeneratedIdentifierFlags.Optimistic | ts.GeneratedIdentifierFlags.ReservedInNestedScopes,
        );
        others.set(bindingName.text, other);
        return other;
      }
      if (ts.isArrayBindingPattern(bindingName)) {
        return f.updateArrayBindingPattern(
          bindingName,
          bindingName.elements.map((element) => (ts.isOmittedExpression(element) ? element : elementOf(element, element.propertyName))),
        );
      }
      return f.updateObjectBindingPattern(
        bindingName,
        bindingName.elements.map((element) => {
          const shorthand = ts.isIdentifier(element.name) && !element.dotDotDotToken ? f.createIdentifier(element.name.text) : undefined;
          return elementOf(element, element.propertyName ?? shorthand);
        }),
      );
    };
    const elementOf = (element: ts.BindingElement, key: ts.PropertyName | undefined): ts.BindingElement => {
      const initializer = element.initializer && siblings(element.initializer);
      return f.updateBindingElement(element, element.dotDotDotToken, key, rename(element.name), initializer);
    };
    /** A default may use what stands before it in the pattern. */
    const siblings = (expression: ts.Expression): ts.Expression => {
      const visit = (node: ts.Node): ts.Node => {
        if (ts.isIdentifier(node)) return others.get(node.text) ?? node;
        if (ts.isPropertyAccessExpression(node))
          return f.updatePropertyAccessExpression(node, visit(node.expression) as ts.Expression, node.name);
        return ts.isFunctionLike(node) ? node : ts.visitEachChild(node, visit, context);
      };
      return visit(expression) as ts.Expression;
    };
    const pattern = rename(name);
    return { pattern, properties: [...others].map(([text, other]) => property(text, other)) };
  }

  function vars(statement: ts.Statement): ts.Statement {
    const isVar = (node: ts.Node | undefined): node is ts.VariableDeclarationList =>
      node !== undefined && ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.BlockScoped) === 0;
    const visit = (node: ts.Node): ts.Node => {
      if (ts.isFunctionLike(node) || ts.isClassLike(node)) return node;
      if (ts.isVariableStatement(node) && isVar(node.declarationList))
        return withList(f, node, list(node.declarationList, ts.getOriginalNode(node)));
      const visited = ts.visitEachChild(node, visit, context);
      if (ts.isForStatement(visited) && isVar(visited.initializer)) {
        const all = list(visited.initializer);
        return f.updateForStatement(
          visited,
          all.declarations.length ? all : undefined,
          visited.condition,
          visited.incrementor,
          visited.statement,
        );
      }
      if ((ts.isForOfStatement(visited) || ts.isForInStatement(visited)) && isVar(visited.initializer)) {
        const { name } = visited.initializer.declarations[0]!;
        const { pattern, properties } = renamed(name);
        if (properties.length === 0) return visited;
        const flags = visited.initializer.flags;
        const initializer = f.createVariableDeclarationList([f.createVariableDeclaration(pattern)], flags);
        const body = f.createBlock([f.createExpressionStatement(bind(properties, false)), visited.statement]);
        return ts.isForInStatement(visited)
          ? f.updateForInStatement(visited, initializer, visited.expression, body)
          : f.updateForOfStatement(visited, visited.awaitModifier, initializer, visited.expression, body);
      }
      return visited;
    };
    return visit(statement) as ts.Statement;
  }

  return {
    list,
    bind,
    vars,
    asProperty(declaration) {
      return property(declaration.name!.text, ts.setTextRange(asExpression(f, declaration), declaration));
    },
  };
}

function asExpression(f: ts.NodeFactory, declaration: ts.FunctionDeclaration | ts.ClassDeclaration): ts.Expression {
  if (ts.isClassDeclaration(declaration)) {
    const { modifiers, name, typeParameters, heritageClauses, members } = declaration;
    return f.createClassExpression(modifiers, name, typeParameters, heritageClauses, members);
  }
  const { modifiers, asteriskToken, parameters, body } = declaration;
  const asynchronous = modifiers?.filter((modifier): modifier is ts.AsyncKeyword => modifier.kind === ts.SyntaxKind.AsyncKeyword);
  return f.createFunctionExpression(asynchronous, asteriskToken, undefined, undefined, parameters, undefined, body!);
}

/** The statement with another list; nothing where the list is empty. */
export function withList(f: ts.NodeFactory, statement: ts.VariableStatement, list: ts.VariableDeclarationList): ts.Statement {
  if (list.declarations.length > 0) return f.updateVariableStatement(statement, undefined, list);
  return inPlaceOf(f, statement);
}

/** Nothing, in the place of a statement. */
export const inPlaceOf = (f: ts.NodeFactory, statement: ts.Statement): ts.Statement =>
  ts.setOriginalNode(ts.setTextRange(f.createEmptyStatement(), statement), statement);

/** Whether a `var` without a value stands for what is made anew: else an enumeration would go on where an earlier cell's of that name has ended. */
const startsAnew = (node: ts.Node | undefined) => node !== undefined && (ts.isEnumDeclaration(node) || ts.isModuleDeclaration(node));

/** A name that the compiler has made up; its text is only what the name is made from. */
export const isGenerated = (name: ts.Identifier) =>
  (name as { emitNode?: { autoGenerate?: unknown } }).emitNode?.autoGenerate !== undefined;
