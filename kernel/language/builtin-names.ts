/** The names of Node's own globals, as they were when the kernel started. A cell may hide one; it is then kept off the global object, which all packages share. */
export const builtinNames: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(globalThis));
