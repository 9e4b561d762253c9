import ts = require("typescript");

/** How an argument that is called later is made to run on behalf of its cell; see `Waiting`. */
export type CallbackKind = "begun" | "owned" | "given";

/** Methods whose arguments are called later, and those whose function literals are. */
const REACTIONS = new Set(["then", "catch", "finally"]);
const LISTENERS = new Set(["on", "once", "addListener", "addEventListener", "onMessage"]);

/** Which arguments of a call are kept by it to be called later, perhaps when the cell is long over. Undefined for the others. */
export function callbackKind(checker: ts.TypeChecker, call: ts.CallExpression): (argument: ts.Expression) => CallbackKind | undefined {
  const method = ts.isPropertyAccessExpression(call.expression) ? call.expression.name.text : "";
  if (REACTIONS.has(method)) return (argument) => (ts.isSpreadElement(argument) ? undefined : "begun");
  if (!call.arguments.some(isFunctionLiteral)) return () => undefined;
  const kind = LISTENERS.has(method) ? "owned" : isNodes(checker, ts.getOriginalNode(call)) ? "given" : undefined;
  return (argument) => {
    if (!isFunctionLiteral(argument) || namesItself(argument)) return undefined;
    return kind === "given" && !isWanted(checker, ts.getOriginalNode(argument)) ? undefined : kind;
  };
}

const isFunctionLiteral = (node: ts.Node) => ts.isArrowFunction(node) || ts.isFunctionExpression(node);

/** Whether a function uses its own name, by which it wants to be known: `off("change", self)`. */
function namesItself(node: ts.Node): boolean {
  const name = ts.isFunctionExpression(node) ? node.name?.text : undefined;
  const uses = (inner: ts.Node): boolean => (ts.isIdentifier(inner) && inner.text === name) || !!ts.forEachChild(inner, uses);
  return name !== undefined && uses((node as ts.FunctionExpression).body);
}

/** Whether a call's function is one of Node's. One that makes a function, such as `promisify`, calls its argument when that one is called. */
function isNodes(checker: ts.TypeChecker, call: ts.Node): boolean {
  const signature = ts.isCallExpression(call) ? checker.getResolvedSignature(call) : undefined;
  const file = signature?.declaration?.getSourceFile().fileName ?? "";
  return /[/\\]@types[/\\]node[/\\]/.test(file) && !isCallable(checker.getReturnTypeOfSignature(signature!));
}

/** Whether an argument is there to be called, and not to be printed or examined. */
function isWanted(checker: ts.TypeChecker, argument: ts.Node): boolean {
  const type = ts.isExpression(argument) ? checker.getContextualType(argument) : undefined;
  return type !== undefined && isCallable(type);
}

/** Whether a type has functions among its values, as far as it says: `any` does not. */
const isCallable = (type: ts.Type): boolean =>
  type.isUnion() ? type.types.some(isCallable) : type.getCallSignatures().length > 0 || type.symbol?.name === "Function";
