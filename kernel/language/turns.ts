import ts = require("typescript");

/**
 * Loops that an interrupt reaches. V8's interpreter looks for a termination where a function begins, but at the end of a loop's turn only after
 * some thousands of turns: `while (true) JSON.parse(text)`, whose turns call nothing of JavaScript's, went on for 20 s with a text of 1 MB. What
 * V8 has optimized looks at each turn, and loses nothing by an empty call, which it leaves out.
 */

/** Whether a loop's turn may take long: it calls something. What functions within it call is called elsewhere. */
const calls = (node: ts.Node): boolean =>
  ts.isCallOrNewExpression(node) ||
  ts.isTaggedTemplateExpression(node) ||
  (!ts.isFunctionLike(node) && ts.forEachChild(node, (child) => calls(child) || undefined) === true);

/**
 * The loop, each turn of which begins with a call of an empty function; a loop that calls nothing stays as it is.
 * @param loop as it was read
 * @param visited the same, transformed
 */
export function withTurns(
  f: ts.NodeFactory,
  loop: ts.IterationStatement,
  visited: ts.IterationStatement,
  turn: ts.Expression,
): ts.Statement {
  if (!calls(loop)) return visited;
  const statement = f.createBlock([f.createExpressionStatement(turn), visited.statement]);
  if (ts.isForStatement(visited))
    return f.updateForStatement(visited, visited.initializer, visited.condition, visited.incrementor, statement);
  if (ts.isForOfStatement(visited))
    return f.updateForOfStatement(visited, visited.awaitModifier, visited.initializer, visited.expression, statement);
  if (ts.isForInStatement(visited)) return f.updateForInStatement(visited, visited.initializer, visited.expression, statement);
  if (ts.isWhileStatement(visited)) return f.updateWhileStatement(visited, visited.expression, statement);
  if (ts.isDoStatement(visited)) return f.updateDoStatement(visited, statement, visited.expression);
  return visited;
}
