import ts = require("typescript");

import { boundIdentifiers } from "./names.js";

/**
 * A cell's names that its own functions use. They live on the session's global object from the start and nowhere else, so that functions of every cell, also of this one, see
 * the newest value: where a later cell declares the name again, and where this one runs again. (Other names are the cell's own variables while it runs, which keeps loops at
 * its top level fast.) What declares such a name becomes a call:
 *
 *     const { a, b: [c] } = x, f = () => a;      const _1 = void ({ a: $erpo.fixed.a, b: [$erpo.fixed.c] } = x), _2 = $erpo.bind({ f: () => a }, true);
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

/**
 * @param bound calls the runtime's `bind` with these arguments
 * @param places the runtime's `fixed` or `open`: to assign its properties binds the names, by `const` or not
 */
export function sharedNames(
  context: ts.TransformationContext,
  shared: ReadonlySet<string>,
  bound: (...args: ts.Expression[]) => ts.Expression,
  places: Readonly<Record<"fixed" | "open", ts.Expression>>,
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
        if (!boundIdentifiers(name).some(isShared)) return [declaration];
        return [
          ts.setTextRange(
            done(f.createVoidExpression(f.createAssignment(target(name, places[fixed ? "fixed" : "open"]), initializer!))),
            declaration,
          ),
        ];
      }
      if (!isShared(name)) return [declaration];
      if (!initializer && isVar && !startsAnew(standsFor)) return []; // it is there already
      return [ts.setTextRange(done(bind([property(name.text, initializer ?? f.createVoidZero())], fixed)), declaration)];
    });
    return f.updateVariableDeclarationList(node, declarations);
  }

  const isShared = (name: ts.Identifier) => shared.has(name.text) && !isGenerated(name);

  /** What a pattern, or a name, assigns to where its names are shared. Each is bound as soon as the pattern comes to it, so that defaults and computed keys behind it see it. */
  function target(name: ts.BindingName, place: ts.Expression): ts.Expression {
    if (ts.isIdentifier(name)) return f.createPropertyAccessExpression(place, name.text);
    const withDefault = ({ name, initializer }: ts.BindingElement): ts.Expression =>
      initializer ? f.createAssignment(target(name, place), initializer) : target(name, place);
    if (ts.isArrayBindingPattern(name)) {
      return f.createArrayLiteralExpression(
        name.elements.map((element) => {
          if (ts.isOmittedExpression(element)) return element;
          return element.dotDotDotToken ? f.createSpreadElement(target(element.name, place)) : withDefault(element);
        }),
      );
    }
    return f.createObjectLiteralExpression(
      name.elements.map((element) => {
        if (element.dotDotDotToken) return f.createSpreadAssignment(target(element.name, place));
        return f.createPropertyAssignment(element.propertyName ?? (element.name as ts.Identifier).text, withDefault(element));
      }),
    );
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
        if (!boundIdentifiers(name).some(isShared)) return visited;
        const to = target(name, places.open);
        return ts.isForInStatement(visited)
          ? f.updateForInStatement(visited, to, visited.expression, visited.statement)
          : f.updateForOfStatement(visited, visited.awaitModifier, to, visited.expression, visited.statement);
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
