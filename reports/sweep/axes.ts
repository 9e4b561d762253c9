import { isTooDeep, tooDeep } from "../../src/setup/json.js";
import type { Parameters } from "../execute/parameters.js";

/** A parameter and the values that it takes in turn. */
export interface Axis {
  name: string;
  values: readonly unknown[];
}

/**
 * Reads `beta=0.05,0.1,0.5`. What is JSON between the commas is taken as such, other words as texts: `loss=dpo,ipo`, `layers=[1,2],[3]`.
 * @throws Error in one line when there is no name or no value, or a value stands twice
 */
export function parseAxis(text: string): Axis {
  const [, name, list] = /^([\p{L}_$][\p{L}\p{N}_$]*)=([\s\S]+)$/u.exec(text) ?? [];
  if (name === undefined || list === undefined) throw new Error("needs a name and values: --sweep beta=0.05,0.1,0.5");
  if (isTooDeep(list)) throw new Error(`${name}: has ${tooDeep}`);
  const values = readValues(list);
  const texts = values.map((value) => JSON.stringify(value));
  const twice = texts.find((value, i) => texts.indexOf(value) < i);
  if (twice !== undefined) throw new Error(`${name}: the value ${twice} is given twice`);
  return { name, values };
}

function readValues(list: string): unknown[] {
  try {
    return JSON.parse(`[${list}]`);
  } catch {
    return list.split(",").map((word) => {
      try {
        return JSON.parse(word);
      } catch {
        return word.trim();
      }
    });
  }
}

/** The cross product of the axes; the last one varies fastest. */
export function combinations(axes: readonly Axis[]): Parameters[] {
  return axes.reduce<Parameters[]>(
    (sets, { name, values }) => sets.flatMap((set) => values.map((value) => ({ ...set, [name]: value }))),
    [{}],
  );
}

/** `beta=0.05.loss=ipo`: a combination in letters that any file system takes. */
export const combinationName = (swept: Parameters): string =>
  Object.entries(swept)
    .map(([name, value]) => `${name}=${safe(plain(value))}`)
    .join(".");

/** A parameter's value in words: texts as they are, all else as JSON. */
export const plain = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

const safe = (text: string) =>
  text
    .replace(/[^\p{L}\p{N}.,+_-]+/gu, "_")
    .replace(/^\.+/, "_")
    .slice(0, 60);
