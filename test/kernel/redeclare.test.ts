import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { failed, printed, result, useKernel } from "./client.js";

/** A name of the session means its newest value everywhere, whichever cell declared what uses it. */

const kernel = useKernel();
const { run } = kernel;

/** The value of a cell's last expression; what it failed with, where it failed. */
const shown = async (code: string) => {
  const answer = await run(code);
  return failed(answer).evalue ?? result(answer);
};

test("a function sees what later cells declare again, also where its own cell declared that", async () => {
  await run("const cfg = { lr: 1 }; function helper() { return 10; } function main() { return helper() + cfg.lr; }");
  expect(await shown("main()")).toBe("11");
  await run("const cfg = { lr: 2 }; function helper() { return 20; }");
  expect(await shown("main()")).toBe("22");
  await run("const cfg = { lr: 3 };");
  expect(await shown("main()")).toBe("23");
});

test("a state that is made anew is seen by the functions of other cells", async () => {
  await run("const state = { n: 0 };");
  await run("const inc = () => ++state.n; inc(); inc();");
  await run("const state = { n: 0 };");
  expect(await shown("inc() + state.n")).toBe("2");
});

test.each([
  ["an arrow function", "const made = () => 1; const use = () => made();", "const made = () => 2;"],
  ["a class", "class Made { n = 1; } const use = () => new Made().n;", "class Made { n = 2; }"],
  ["an enumeration", "enum E { A = 1 } const use = () => E.A as number;", "enum E { A = 2, B }"],
  ["a namespace", "namespace N { export const n: number = 1; } const use = () => N.n;", "namespace N { export const n: number = 2; }"],
  [
    "parts of an object",
    "const { a: { n }, ...rest } = { a: { n: 1 }, b: 0 }; const use = () => n + rest.b;",
    "const [n, ...rest] = [2, 0]; Object.assign(rest, { b: 0 });",
  ],
  ["a default that uses its neighbour", "const { x, y = x } = { x: 1 } as { x: number; y?: number }; const use = () => y;", "let y = 2;"],
  ["an import", "import { sep as made2 } from 'node:path'; const use = () => (made2 === '/' ? 1 : 2);", "const made2 = 'none';"],
  ["a variable in a block", "{ var deep = 1; } const use = () => deep;", "for (var deep of [0, 2]);"],
  ["a variable of a loop", "for (var i = 0; i < 1; i++); const use = () => i;", "for (var i = 0; i < 2; i++);"],
  ["variables of a loop over pairs", "for (var [k, v] of [[1, 0]]) k += v; const use = () => k;", "for (var { k } of [{ k: 2 }]);"],
  ["a generator", "function* made3() { yield 1; } const use = () => [...made3()][0];", "function* made3() { yield 2; }"],
  [
    "a function that calls itself",
    "function fact(n: number): number { return n < 1 ? 1 : fact(n - 1); } const use = () => fact(3);",
    "const fact = (n: number) => 2;",
  ],
])("%s is its newest", async (_, first, again) => {
  await run(first);
  expect(await shown("use()")).toBe("1");
  await run(again);
  expect(await shown("use()")).toBe("2");
});

test.each([
  ["of a shorthand property", "function use() { return { n: 0, n2 }.n2; }", "let n2 = 1;", "n2 = 2;"],
  ["of a computed key", "function use() { return Object.keys({ [key]: 0 })[0]; }", "let key: string | number = 1;", "key = 2;"],
  ["of a parameter's default", "function use({ n = limit }: { n?: number } = {}) { return n; }", "let limit = 1;", "limit = 2;"],
  ["of a pattern's default", "function use() { const [m = most] = [] as number[]; return m; }", "let most = 1;", "most = 2;"],
])("a name %s is its newest in a function of its own cell", async (_, uses, first, then) => {
  await run(`${first} ${uses}`);
  expect(await shown("String(use())")).toBe("'1'");
  await run(then);
  expect(await shown("String(use())")).toBe("'2'");
});

test("a function that assigns in a shorthand pattern assigns to the newest, and a cell that throws keeps a let that is undefined", async () => {
  await run("let x = 1; function set(to: { x: number }) { ({ x } = to); }");
  await run("let x = 3; set({ x: 9 });");
  expect(await shown("x")).toBe("9");
  await run("let hit: number | undefined = 3;");
  await run("let hit: number | undefined = undefined; throw new Error('stop');");
  expect(await shown("String(hit)")).toBe("'undefined'");
});

test.each([
  ["a shorthand property", "const { lr = 2, opts = { lr } } = {} as any; const use = () => opts.lr * lr;", "4"],
  ["a key", "const [p, q = { p: 1, r: p }] = [5] as any[]; const use = () => [p, q.p, q.r].join();", "'5,1,5'"],
  ["a function", "const { by = 2, sums = [1, 2].map((x) => x * by) } = {} as any; const use = () => sums.join() + by;", "'2,42'"],
  ["a function that hides a neighbour", "const { s = 3, f = (s: number) => s + 1 } = {} as any; const use = () => f(s);", "4"],
  ["a wait", "const { t = await 1, ['k' + t]: u } = { k1: 7 } as any; const use = () => u;", "7"],
  ["a computed key", "const { key, [key]: value } = { key: 'x', x: 8 } as any; const use = () => value;", "8"],
  ["a rest", "let { head, ...others } = { head: 1, tail: 2 }, [, ...more] = [1, 2]; const use = () => others.tail + more[0]!;", "4"],
  ["a loop", "for (var { m, n = { m } } of [{ m: 6 }] as any[]); const use = () => n.m;", "6"],
  [
    "a chain of patterns",
    "var { a1, b1 = a1 } = { a1: 1 } as any; var { b1, c1 = b1 } = { b1: 2 } as any; const use = () => c1 + a1;",
    "3",
  ],
])("defaults and keys of a pattern see what stands before them: %s", async (_, code, value) => {
  expect(await shown(`${code}\nuse()`)).toBe(value);
  expect(await shown("use()")).toBe(value);
});

test("a pattern's constants stay constant, and those that a failing default comes behind are there", async () => {
  await run("const { kept, lost = (() => { throw new Error('stop'); })() } = { kept: 1 } as any; const both = () => [kept, lost];");
  expect(await shown("kept")).toBe("1");
  await run("import { typeCheck } from 'erpo'; typeCheck('off');");
  expect(await shown("const { solid } = { solid: 1 }; const melt = () => { (solid as any) = 2; };\nmelt();")).toContain("solid");
  await run("typeCheck('strict')");
});

test("functions and classes keep their names, and constants stay constant", async () => {
  expect(
    await shown(
      "const f = () => f; async function* g() { return g; } class C { static me = () => C.name; }\n[f.name, g.name, C.me(), C.name].join()",
    ),
  ).toBe("'f,g,C,C'");
  expect(await shown("import { typeCheck } from 'erpo'; typeCheck('off');")).toBeUndefined();
  expect(await shown("const fixed = 1; const change = () => { (fixed as any) = 2; };\nchange();")).toContain("fixed");
  await run("typeCheck('strict')");
  expect(await shown("fixed")).toBe("1");
});

test("what hides a name of Node's is its newest, too, and only in cells", async () => {
  await run("const performance = 1; const hidden = () => performance;");
  await run("const performance = 2;");
  expect(await shown("hidden() + (await import('node:perf_hooks')).performance.now() > 2")).toBe("true");
});

test("a cell that fails has declared what it has come to, for its functions as for others", async () => {
  await run("const early = 1, late = 1; var loose = 1; const all = () => [early, late, loose].join();");
  await run("const early = 2; const seen = () => early + late; if (early) throw new Error('stop'); const late = 2; var loose = 2;");
  expect(await shown("all() + ' ' + seen()")).toBe("'2,1,1 3'");
});

/** What a name stands for: a number, or a function that adds up what names before it stand for. */
type Definition = number | string[];
const names = ["a", "b", "c", "d", "e"];
const definition = (index: number): fc.Arbitrary<Definition> =>
  index === 0 ? fc.nat(9) : fc.oneof(fc.nat(9), fc.uniqueArray(fc.constantFrom(...names.slice(0, index)), { minLength: 1 }));
const cell = fc.record(Object.fromEntries(names.map((name, i) => [name, definition(i)])), { requiredKeys: [] });

test("whatever cells declare in whatever order, a name is its newest everywhere", { timeout: 120_000 }, async () => {
  await run("const valued = (x: number | (() => number)): number => (typeof x === 'number' ? x : x());");
  await run(names.map((name) => `let ${name}: number | (() => number) = 0;`).join("\n"));
  const form = fc.constantFrom("const", "let", "var", "function");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(cell, form), { minLength: 2, maxLength: 5 }), async (cells) => {
      await run(names.map((name) => `let ${name}: number | (() => number) = 0;`).join("\n"));
      const newest: Record<string, Definition> = Object.fromEntries(names.map((name) => [name, 0]));
      for (const [declared, how] of cells) {
        const lines = Object.entries(declared).map(([name, value]) => {
          newest[name] = value!;
          if (typeof value === "number") return `${how === "function" ? "const" : how} ${name}: number | (() => number) = ${value};`;
          const sum = value!.map((other) => `valued(${other})`).join(" + ");
          return how === "function"
            ? `function ${name}(): number { return ${sum}; }`
            : `${how} ${name}: number | (() => number) = () => ${sum};`;
        });
        expect(failed(await run(lines.join("\n"))).evalue).toBeUndefined();
      }
      const meant = (name: string): number => {
        const value = newest[name]!;
        return typeof value === "number" ? value : value.reduce((sum, other) => sum + meant(other), 0);
      };
      expect(await shown(`[${names.map((name) => `valued(${name})`).join(", ")}].join()`)).toBe(`'${names.map(meant).join()}'`);
    }),
    { numRuns: 25 },
  );
});

test("a cell that runs again leaves nothing behind", { timeout: 120_000 }, async () => {
  const cells = [
    "let big = new Array(300_000).fill(0.5); const size = () => big.length; size();",
    "const big = new Float64Array(300_000); function size() { return big.length; } size();",
    "class Big { static rows = new Array(300_000).fill(0.5); size() { return Big.rows.length; } }",
    "var { big, other } = { big: new Array(300_000).fill(0.5), other: 1 }; const size = () => big.length + other;",
    "for (var big of [new Array(300_000).fill(0.5)]); const size = () => big.length;",
    "let alone = new Array(300_000).fill(0.5); alone.length;",
    "const alone = new Array(300_000).fill(0.5); let size = () => 1;",
    "const big = new Float64Array(300_000); async function size() { await 1; return big.length; }",
    "const big = new Float64Array(300_000); function size() { for (const x of [1]) Math.abs(x); return big.length; }",
    "const alone = new Float64Array(300_000), big = new Float64Array(300_000); async function size() { await 1; return big.length; } while (true) {}",
    "import { setFlagsFromString } from 'node:v8'; namespace Big2 { export const rows = new Array(300_000).fill(0.5); } const size = () => Big2.rows.length;",
  ];
  await run(
    "import v8 from 'node:v8'; import vm from 'node:vm'; v8.setFlagsFromString('--expose-gc'); const collect = vm.runInNewContext('gc') as () => void;",
  );
  const used = async () =>
    Number(
      await shown(
        "collect(); await 1; collect(); Math.round(process.memoryUsage().heapUsed / 1e6 + process.memoryUsage().arrayBuffers / 1e6)",
      ),
    );
  for (const code of cells) {
    const repeat = (code: string) => (code.endsWith("while (true) {}") ? kernel.runAndInterrupt(code, 0) : run(code));
    for (let i = 0; i < 3; i++) await repeat(code);
    const before = await used();
    for (let i = 0; i < 12; i++) await repeat(code);
    expect([code, (await used()) - before < 8]).toEqual([code, true]); // one value is 2.4 MB, twelve are 29
  }
});

/** What a cell prints to stderr. */
const warned = async (code: string) => printed(await run(code), "stderr");

test("cells that no longer fit are named, where their functions can still be called", async () => {
  await run("function width(n: number) { return n; }");
  const { reply } = await run("const unused = 1;\nconst twice = (n: number) => width(n) * 2;\nconst before = width(1);");
  const label = `In[${reply.content.execution_count}]`;
  const text = await warned("function width(n: string) { return n.length; }");
  expect(text).toContain(`Cell ${label} no longer fits what this cell declares; run it again, or change it:`);
  expect(text).toContain("Argument of type 'number' is not assignable to parameter of type 'string'");
  expect(text).toContain(`at Cell ${label}, line 2, column 36`);
  expect(text).not.toContain("line 3"); // that has been computed, and is not computed again
  expect(await warned("function width(n: string) { return n.length; }")).toBe(""); // the same again
  expect(await warned("const twice = (n: string) => width(n) * 2;")).toBe("");
  expect(await warned("function width(n: string, by = 1) { return n.length * by; }")).toBe(""); // who used it otherwise is gone, or fits
});

test("a cell's own functions, too, where another cell takes the place of what they use", async () => {
  const { reply } = await run("function part(): number { return 1; } function whole() { return part().toFixed(1); }");
  const text = await warned("const part = () => 'text';");
  expect(text).toContain(`Cell In[${reply.content.execution_count}] no longer fits`);
  expect(text).toContain("Property 'toFixed' does not exist on type 'string'");
  expect(text).toMatch(/line 1, column 72\n/);
  expect(await warned("import { typeCheck } from 'erpo'; typeCheck('off');")).toBe("");
  expect(await warned("const part = () => [1];")).toBe("");
  await run("typeCheck('strict')");
});

test("types that a function's cell uses are those that are newest", async () => {
  await run("interface Options { rate: number }");
  await run("const rateOf = (options: Options) => options.rate + 1;");
  expect(await warned("interface Options { speed: number }")).toContain("Property 'rate' does not exist on type 'Options'");
});

test.each([
  ["a function of an object's pattern", "const { p1 } = { p1: () => base().toFixed() };"],
  ["a function of a list's pattern", "const [p2] = [() => base().toFixed()];"],
  ["a function of a namespace", "namespace Part { export const p3 = () => base().toFixed(); }"],
  ["a function in a block", "if (true) { var p4 = () => base().toFixed(); }"],
  ["a function that is assigned later", "let p5: () => string; p5 = () => base().toFixed();"],
])("%s is named, too", async (_, code) => {
  await run("function base(): number { return 1; }");
  const { reply } = await run(code);
  expect(await warned("function base(): string { return ''; }")).toContain(`Cell In[${reply.content.execution_count}] no longer fits`);
  await run(code.replaceAll("base().toFixed()", "''")); // nothing of it is left to the next test
});

test.each([
  ["an object's pattern", "const { own1 } = { own1: () => 1 };", "own1"],
  ["a pattern with other names and defaults", "const { a: own2 = () => 1, ...rest2 } = {} as { a?: () => number };", "own2"],
  ["a list's pattern", "const [, own3] = [0, () => 1] as const;", "own3"],
  ["an import", "import { own4 } from './parts.ts';", "own4"],
  ["an import under another name", "import { own4 as own5 } from './parts.ts';", "own5"],
  ["a loop", "for (var own6 of [() => 1]);", "own6"],
])("a cell's own functions no longer fit where a name of %s is another cell's", async (_, declares, name) => {
  writeFileSync(join(kernel.folder, "parts.ts"), "export const own4 = (): number => 1;");
  const { reply } = await run(`${declares} const use_${name} = () => ${name}().toFixed();`);
  const text = await warned(`const ${name} = () => 'text';`);
  expect(text).toContain(`Cell In[${reply.content.execution_count}] no longer fits`);
  expect(text).toContain("Property 'toFixed' does not exist on type 'string'");
  expect(text).toContain(`line 1, column ${`${declares} const use_${name} = () => ${name}().`.length + 1}`);
});

test("a type beside a function of that name changes nothing for its users", async () => {
  await run("function wide(n: number) { return n; }");
  await run("const twiceWide = (n: number) => wide(n) * 2;");
  expect(await warned("function wide(n: string) { return n.length; }")).toContain("no longer fits");
  expect(await warned("type wide = 5;")).toBe("");
  expect(await warned("function wide(n: string, by = 2) { return n.length * by; }")).toContain("no longer fits");
});

test("types that functions do not say follow from what they call, through however many cells", async () => {
  await run("function first() { return 1; }");
  await run(
    "enum Mode { On, Off } const once = first(); const modeOf = (mode: Mode) => [first(), mode] as const; function second() { return first(); }",
  );
  await run("const third = () => second();");
  const { reply } = await run("function fourth() { return third().toFixed(); }");
  const text = await warned("function first() { return 'x'; }");
  expect(text).toContain(`Cell In[${reply.content.execution_count}] no longer fits`);
  expect(text.match(/no longer fits/g)).toHaveLength(1);
  expect(text).toContain("Property 'toFixed' does not exist on type 'string'");
  expect(await shown("second().toFixed(2)")).toContain("Property 'toFixed' does not exist on type 'string'");
  expect(await shown("const said: string = third(); said")).toBe("'x'");
  expect(await shown("const had: number = once; had")).toBe("1"); // that was computed before
  expect(await shown("const [word, mode]: readonly [string, Mode] = modeOf(Mode.Off); word + mode")).toBe("'x1'");
  expect(await warned("function first() { return [2]; }")).toContain("does not exist on type 'number[]'");
  expect(await warned("function fourth() { return third().length.toFixed(); }")).toBe("");
  expect(await shown("third()[0]! + Number(fourth())")).toBe("3");
  expect(await warned("function first() { return [3]; }")).toBe("");
  expect(await shown("third()[0]")).toBe("3");
});

test("a cell that fails has changed no types of others", async () => {
  await run("function origin() { return 1; }");
  await run("const derived = () => origin();");
  await run("if (origin()) throw new Error('stop'); const origin2 = 1; const origin = () => 'x';");
  expect(await shown("derived().toFixed(1)")).toBe("'1.0'");
});
