import { inspect } from "node:util";
import { noteAllVariables, noteVariable } from "./file-notes.js";

/**
 * Puts in the place of `process.env` one that notes which variables are read; whoever lists them has read all. What the notebook has set or
 * removed itself is no input.
 */
export function traceVariables(): void {
  const variables = process.env;
  const own = new Set<PropertyKey>();
  const note = (name: PropertyKey) => {
    if (typeof name === "string" && !own.has(name)) noteVariable(name);
  };
  const printed = Object.create(Object.prototype, {
    [inspect.custom]: {
      value: () => {
        noteAllVariables();
        return { ...variables };
      },
    },
  });
  const env = new Proxy(Object.create(printed) as NodeJS.ProcessEnv, {
    get: (_, name) => {
      note(name);
      return Reflect.get(variables, name) ?? Reflect.get(Object.prototype, name);
    },
    has: (_, name) => {
      note(name);
      return Reflect.has(variables, name) || name in Object.prototype;
    },
    getOwnPropertyDescriptor: (_, name) => {
      note(name);
      return Reflect.getOwnPropertyDescriptor(variables, name);
    },
    ownKeys: () => {
      noteAllVariables();
      return Reflect.ownKeys(variables);
    },
    set: (_, name, value) => {
      own.add(name);
      return Reflect.set(variables, name, value);
    },
    defineProperty: (_, name, descriptor) => {
      own.add(name);
      return Reflect.defineProperty(variables, name, descriptor);
    },
    deleteProperty: (_, name) => {
      own.add(name);
      return Reflect.deleteProperty(variables, name);
    },
    getPrototypeOf: () => Object.prototype,
  });
  Object.defineProperty(process, "env", { configurable: true, enumerable: true, writable: true, value: env });
}
