import { type Command, InvalidArgumentError } from "commander";
import { isTooDeep, parseJsonText, tooDeep } from "../setup/json.js";

/** Lets a command take `-p name value`, as papermill's command line does: Commander's options take one word, so it becomes `-p "name value"`. */
export function takesPairs(command: Command): void {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (words) => parse(joinPairs(words));
}

function joinPairs(words: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const pair = (words[i] === "-p" || words[i] === "--param") && words[i + 2] !== undefined;
    joined.push(words[i]!, ...(pair ? [`${words[i + 1]} ${words[i + 2]}`] : []));
    if (pair) i += 2;
  }
  return joined;
}

/** Refuses a parameter that none of the notebooks declares: they would run with their own values, for hours perhaps. One that only some declare gets a warning. */
export async function assertDeclared(notebooks: readonly string[], parameters: Record<string, unknown>): Promise<void> {
  const given = Object.keys(parameters);
  if (given.length === 0) return;
  const [{ readNotebook }, { parameterNames }] = await Promise.all([
    import("../../reports/notebook/read.js"),
    import("../../reports/execute/parameters.js"),
  ]);
  const names = notebooks.map((path) => parameterNames(readNotebook(path).notebook));
  if (names.some(({ length }) => length === 0)) return; // it is not known what these have
  const stray = given.find((name) => !names.flat().includes(name));
  if (stray !== undefined)
    throw new Error(`-p ${stray}: no notebook here has such a parameter; there is: ${[...new Set(names.flat())].join(", ")}`);
}

/** Parser of that option. @param pair `name value`; the value is read as JSON where it is JSON */
export function addParameter(pair: string, parameters: Record<string, unknown>): Record<string, unknown> {
  const [, name, text] = /^(\S+) ([\s\S]*)$/.exec(pair) ?? [];
  if (name === undefined || text === undefined) throw new InvalidArgumentError("needs a name and a value: -p beta 0.1");
  try {
    return { ...parameters, [name]: parseJsonText(text) };
  } catch {
    if (isTooDeep(text)) throw new InvalidArgumentError(`${name} has ${tooDeep}.`);
    return { ...parameters, [name]: text };
  }
}
