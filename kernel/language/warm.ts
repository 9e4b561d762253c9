import { preloadTypescript } from "./preload.js";

/** `node warm.js`, run when the kernel is installed: compiles a cell and keeps the machine code that this took for every kernel's start. */
const keepCode = preloadTypescript();
if (keepCode) {
  const { complete } = await import("./assist.js");
  const { createLanguage } = await import("./language.js");
  const language = createLanguage(process.cwd(), new Set(), () => false);
  for (const code of ["1 + 1", "function next(x: number): number { return x + 1; }", "next(1)"]) {
    const compiled = language.compile(code, "strict");
    if ("declares" in compiled) language.commit({ label: "", code, names: compiled.declares });
  }
  complete(language, "a", 1);
  keepCode();
}
