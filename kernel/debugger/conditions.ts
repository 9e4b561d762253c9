import vm from "node:vm";

/** A breakpoint's condition is given up when it takes longer, ms. */
export const CONDITION = 1000;

/** What is wrong with a condition's text. Undefined where it is an expression of JavaScript. */
export function faultOf(condition: string): string | undefined {
  try {
    new vm.Script(asExpression(condition)); // compiled, not run
    return undefined;
  } catch (error) {
    return `the condition ${condition} is no expression of JavaScript (write it without types): ${(error as Error).message}`;
  }
}

/** What is evaluated where the program stands: a boolean. */
export const asExpression = (condition: string): string => `!!(${condition}\n)`;

const STRINGS = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;
/** Templates, blocks, comments, regular expressions; a parenthesis that does not stand behind an operator; `new`; assignments. */
const MORE_THAN_OPERATORS = /[`{};/\\]|(?<=[^\s(!&|=<>+\-*%?:,[~^])\s*\(|\bnew\b|\+\+|--|>>=|<<=|(?<![=!<>])=(?!=)/;

/**
 * What V8 may evaluate by itself at each hit, without a stop, which costs 10 ms or more: names, literals, operators and properties. It
 * holds also where the condition throws, so that the program stops there. V8 ends nothing that such an evaluation calls, so that
 * conditions with calls and with assignments are undefined here.
 */
export function byV8(condition: string): string | undefined {
  return MORE_THAN_OPERATORS.test(condition.replace(STRINGS, "0")) ? undefined : `try { ${asExpression(condition)}; } catch { true; }`;
}
