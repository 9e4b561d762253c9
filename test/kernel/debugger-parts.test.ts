import { types } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { breakableAt, breakables, CellLines } from "../../kernel/debugger/cell-lines.js";
import { Cells } from "../../kernel/debugger/cells.js";
import { byV8, faultOf } from "../../kernel/debugger/conditions.js";
import type { MainInspector } from "../../kernel/debugger/inspector.js";
import { murmur2 } from "../../kernel/debugger/murmur2.js";
import { Program } from "../../kernel/debugger/program.js";
import { shownTo } from "../../kernel/debugger/protocol.js";
import { goesOn, type Position } from "../../kernel/debugger/steps.js";
import { valueReader } from "../../kernel/debugger/values.js";
import { variableTable } from "../../kernel/debugger/variables.js";

// by `ipykernel.compiler.murmur2_x86` (ipykernel 7.4.0)
test.each([
  ["", 0, 0],
  ["a", 0, 2456313694],
  ["ab", 0, 446775395],
  ["abc", 0, 324500635],
  ["abcd", 0, 646393889],
  ["1 + 1", 0, 3531899427],
  ["const x: number = 1;\nx", 0, 3870671382],
  ["const größe = '😀';", 0, 4271589327],
  ["abc", 3339675911, 3350977461],
  ["abcdefgh", 1, 1080400154],
])("the hash of %j with seed %i is %i", (text, seed, hash) => {
  expect(murmur2(text, seed)).toBe(hash);
});

describe("lines", () => {
  const source =
    "interface A { a: number }\nconst x: number = 1;\n\n// nothing\nconst f = (a: A): number => {\n  return a.a;\n};\nf({ a: x })";
  const { outputText, sourceMapText } = ts.transpileModule(`${source}\n;export {};\n`, {
    compilerOptions: { sourceMap: true, target: ts.ScriptTarget.ES2022 },
  });
  const lines = new CellLines(source, sourceMapText!);
  const emitted = outputText.split("\n");
  const at = (text: string) => {
    const lineNumber = emitted.findIndex((line) => line.includes(text));
    return { lineNumber, columnNumber: emitted[lineNumber]!.indexOf(text) };
  };

  test("what is emitted stands where its TypeScript stands; what is set behind the text stands nowhere", () => {
    expect(lines.original(at("const x"))).toEqual({ line: 2, column: 1 });
    expect(lines.original(at("return a.a"))).toEqual({ line: 6, column: 3 });
    expect(lines.original(at("f({"))).toEqual({ line: 8, column: 1 });
    expect(lines.original(at("export"))).toBeUndefined();
    expect(lines.original({ lineNumber: 1000, columnNumber: 0 })).toBeUndefined();
  });

  test("a breakpoint goes to the first statement of its line, or of the next one that has some", () => {
    const places = breakables(lines, [at("f({"), at("return a.a"), at("a.a"), at("const x")]);
    const line = (wanted: number) => breakableAt(places, wanted)?.line;
    expect([1, 2, 3, 5, 6, 7, 8].map(line)).toEqual([2, 2, 6, 6, 6, 8, 8]);
    expect(breakableAt(places, 6)).toMatchObject({ column: 3, emitted: at("return a.a") });
    expect(line(9)).toBeUndefined();
  });
});

describe("steps", () => {
  const at = (line: number | undefined, depth = 1, functionName = ""): Position => ({
    depth,
    file: "erpo-cell-0",
    functionName,
    place: line === undefined ? undefined : { line, column: 1 },
  });

  test("end where the line, or the function, is another one", () => {
    expect(goesOn("next", at(3), at(3))).toBe(true);
    expect(goesOn("next", at(3), at(4))).toBe(false);
    expect(goesOn("stepIn", at(3), at(1, 2, "f"))).toBe(false);
    expect(goesOn("stepIn", at(3, 1, "f"), at(3, 2, "f"))).toBe(false); // calls itself
    expect(goesOn("next", at(3, 2, "f"), at(3, 1, "f"))).toBe(true); // behind an await its caller is gone
    expect(goesOn("stepOut", at(3, 2, "f"), at(3, 1))).toBe(false);
  });

  test("never end in what the reader has not written", () => {
    for (const kind of ["next", "stepIn", "stepOut", "pause"] as const) expect(goesOn(kind, at(3), at(undefined))).toBe(true);
  });
});

test("a cell has one path, whether it is written down or run, and %%time is part of its text", () => {
  const cells = new Cells("/tmp/x/");
  const path = cells.dump("%%time\n1 + 1");
  const map = JSON.stringify({ version: 3, sources: ["a.ts"], names: [], mappings: "AAAA" });
  expect(cells.add({ file: "erpo-cell-0", label: "Cell In[1]", source: "//time\n1 + 1", sourceMap: map }, "7").path).toBe(path);
  expect(cells.text(path)).toBe("%%time\n1 + 1");
  cells.want(path, [{ line: 2 }]);
  expect(cells.breakpoints()).toEqual([{ source: path, breakpoints: [{ line: 2 }] }]);
  cells.want(path, []);
  expect(cells.breakpoints()).toEqual([]);
  expect(cells.modules()).toEqual([{ id: 0, name: "Cell In[1]", path }]);
});

test("JupyterLab's tree sees values, other clients types", () => {
  const variables = [
    { name: "n", type: "number", value: "7", variablesReference: 0 },
    { name: "p", type: "Point", value: "Point { x: 1 }", variablesReference: 3 },
  ];
  expect(shownTo("jupyterlab", variables).map(({ type }) => type)).toEqual(["number = 7", "Point"]);
  expect(shownTo("vscode", variables)).toEqual(variables);
});

describe("values", () => {
  const getter = Symbol("getter");
  const reader = valueReader(types, getter);
  const { describe: described } = reader;

  test.each([
    [undefined, "undefined", "undefined"],
    [-0, "number", "-0"],
    [Symbol("s"), "symbol", "Symbol(s)"],
    ["a\n'b'", "string", "'a\\n\\'b\\''"],
    [new Array(2), "Array(2)", "[undefined, undefined]"],
    [new (class Stack extends Array {})(2), "Stack(2)", "[undefined, undefined]"],
    [Buffer.from([1, 2]), "Buffer(2)", "[1, 2]"],
    [new Date(0), "Date", "1970-01-01T00:00:00.000Z"],
    [new Date(Number.NaN), "Date", "Invalid Date"],
    [/a\/b/g, "RegExp", "/a\\/b/"],
    [new RangeError("far"), "RangeError", "RangeError: far"],
    [Object.create(null), "Object", "{}"],
    [new Map([[1, "a"]]), "Map(1)", "{ 1 => 'a' }"],
    [new Set(), "Set(0)", "{}"],
    [class A {}, "class A", "class A {"],
    [(a: number) => a, "Function", "(a) => a"],
    [{ a: { b: 1 }, c: [1] }, "Object", "{ a: Object {…}, c: Array(1) }"],
  ])("%o", (value, type, text) => {
    const found = described(value);
    expect(found.type).toBe(type);
    expect(found.value.startsWith(text)).toBe(true);
  });

  test("a text is bounded, whatever it is of", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withNullPrototype: true }),
        (value) => {
          const { type, value: text } = described(value);
          expect(typeof type).toBe("string");
          expect(text.length).toBeLessThan(1000);
        },
      ),
    );
  });

  test("nothing of the value's runs", () => {
    let touched = 0;
    const touch = () => {
      touched++;
      throw new Error("touched");
    };
    const trap = new Proxy({}, { get: touch, has: touch, ownKeys: touch, getPrototypeOf: touch, getOwnPropertyDescriptor: touch });
    class Sly {
      static get [Symbol.species]() {
        return touch();
      }
      get [Symbol.toStringTag]() {
        return touch();
      }
      // biome-ignore lint/complexity/useLiteralKeys: a getter may not be called constructor otherwise
      get ["constructor"]() {
        return touch();
      }
      get shape() {
        return touch();
      }
      toString() {
        return touch();
      }
      toJSON() {
        return touch();
      }
      [Symbol.for("nodejs.util.inspect.custom")]() {
        return touch();
      }
    }
    const own = Object.defineProperty({ plain: 1 }, "late", { get: touch, enumerable: true });
    for (const value of [trap, new Sly(), own, Object.create(trap), [trap], { trap }, new Map([[trap, trap]])]) {
      described(value);
      const parts = reader.parts(value);
      for (const [, item] of [...(parts?.named() ?? []), ...(parts?.items(0, parts.indexed) ?? [])]) described(item);
    }
    expect(described(own).value).toBe("{ plain: 1, late: [Getter] }");
    expect(touched).toBe(0);
  });

  test("frames, tensors and models by what they have", () => {
    class DataFrame {
      $columns = ["a", "b"];
      $index = [0, 1, 2];
      $dataIncolumnFormat = [
        [1, 2, 3],
        ["x", "y", "z"],
      ];
    }
    class Tensor {
      dtype = "int32";
      shape = [2, 2];
      size = 4;
      dataId = {};
      isDisposedInternal = false;
    }
    expect(described(new DataFrame()).type).toBe("DataFrame [3, 2]");
    expect(reader.parts(new DataFrame())!.named()[1]).toEqual(["b", ["x", "y", "z"]]);
    expect(described(new Tensor())).toEqual({ type: "Tensor int32 [2, 2]", value: "4 values" });
    expect(described(Object.assign(new Tensor(), { isDisposedInternal: true })).value).toBe("disposed");
    const weight = { shape: [3, 4] };
    expect(
      described({ name: "m", inputs: [], layers: [{ _trainableWeights: [weight], _nonTrainableWeights: [{ shape: [4] }] }] }).value,
    ).toBe("1 layers, 16 parameters");
  });
});

describe("the table", () => {
  const values = new Map<string, unknown>();
  const table = variableTable(
    { values: () => values, put: (name, value) => values.set(name, value), cells: () => [], format: () => ({ data: {}, metadata: {} }) },
    valueReader(types, Symbol("getter")),
  );

  test("what was shown of a frame is not kept", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const kept = { a: 1 };
    const open = () => table.frameScope(["big", "kept", "n"], [[{ rows: [1] }], [], [2]], { kept });
    const scope = open();
    expect(table.variables(scope, {})!.map(({ name }) => name)).toEqual(["big", "kept", "n"]);
    await new Promise((resolve) => setImmediate(resolve)); // WeakRefs hold until their job is over
    collect();
    expect(table.variables(scope, {})!.map(({ name }) => name)).toEqual(["kept", "n"]);
    expect(kept.a).toBe(1);
  });

  test("pieces cover every item of a long array once, in order", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30_000 }), (length) => {
        values.set(
          "items",
          Array.from({ length }, (_, i) => i),
        );
        const [items] = table.globals();
        const opened: string[] = [];
        const open = (reference: number) => {
          for (const { name, variablesReference } of table.variables(reference, {})!) {
            if (variablesReference) open(variablesReference);
            else opened.push(name);
          }
        };
        open(items!.variablesReference);
        expect(opened).toEqual(Array.from({ length }, (_, i) => String(i)));
      }),
      { numRuns: 20 },
    );
  });

  test("a scope shows what the reader's text names, the innermost first", () => {
    const scopes = [
      { a: 1, a_1: 2 },
      { a: 3, b1: 4, c: 5 },
    ];
    const names = table.frameNames("const a = b1; // $erpo", ...scopes);
    const reference = table.frameScope(names, [[], []], ...scopes);
    expect(table.variables(reference, {})!.map(({ name, value }) => [name, value])).toEqual([
      ["a", "1"],
      ["b1", "4"],
    ]);
    const later = table.variables(table.frameScope(names, [[undefined], []], ...scopes), {})!;
    expect(later.map(({ value }) => value)).toEqual(["undefined", "4"]);
  });

  test("numbers mean nothing once the names are listed again", () => {
    values.set("items", [1]);
    const before = table.globals().find(({ name }) => name === "items")!;
    table.globals();
    expect(table.variables(before.variablesReference, {})).toBeNull();
  });
});

test("V8 evaluates conditions without calls and assignments by itself, and stops where one throws", () => {
  for (const condition of ["u === 1", "(u + 1) % 2 === 0 && !(row.size <= 3)", "name === 'f(x) = 1'", "rows[i]?.size !== 2"])
    expect(byV8(condition), condition).toBeDefined();
  for (const condition of [
    "f()",
    "f (1)",
    "a && (() => 1)()",
    "tag`x`",
    "new A",
    "n++ > 3",
    "n = 3",
    "n >>= 1",
    "n <<= 1",
    "n >>>= 1",
    "a[f(1)]",
    "x?.(1)",
    "(f)(1)",
    "a/**/(1)",
  ])
    expect(byV8(condition), condition).toBeUndefined();
  const holds = (condition: string, u: number) => new Function("u", `return eval(${JSON.stringify(byV8(condition))})`)(u);
  expect([holds("u === 1", 1), holds("u === 1", 2), holds("u", 5), holds("u.x.y", 1)]).toEqual([true, false, true, true]);
});

test("a condition is an expression of JavaScript", () => {
  expect(faultOf("u === 1 // one")).toBeUndefined();
  expect(faultOf("(() => { while (true) {} })()")).toBeUndefined(); // not run
  for (const condition of ["u ===", "u as number === 1", "while (true) {}", "return 1"]) expect(faultOf(condition)).toContain(condition);
});

test("a pause on its way from a breakpoint that has been removed is held to its condition", async () => {
  const source = "let n = 0;\nn++;";
  const { outputText, sourceMapText } = ts.transpileModule(source, { compilerOptions: { sourceMap: true } });
  const events: string[] = [];
  let holds = false;
  const answers: Record<string, (params: { lineNumber?: number }) => object> = {
    "Debugger.setBreakpointByUrl": () => ({ breakpointId: "entry" }),
    "Debugger.getPossibleBreakpoints": () => ({
      locations: outputText.split("\n").map((_, lineNumber) => ({ scriptId: "7", lineNumber, columnNumber: 0 })),
    }),
    "Debugger.setBreakpoint": () => ({ breakpointId: "second line" }),
    "Debugger.evaluateOnCallFrame": () => ({ result: { value: holds } }),
  };
  const v8 = { post: async (method: string, params: object) => answers[method]?.(params) ?? {} } as unknown as MainInspector;
  const cells = new Cells("/tmp/");
  const program = new Program(v8, cells, { event: (name) => events.push(name), cell: async () => undefined });
  program.parsed({ scriptId: "7", url: "erpo-cell-1" } as Parameters<Program["parsed"]>[0]);
  await program.start(async () => [{ file: "erpo-cell-1", label: "Cell In[1]", source, sourceMap: sourceMapText! }]);
  const path = cells.dump(source);
  const location = { scriptId: "7", lineNumber: 1, columnNumber: 0 };
  const pause = () =>
    program.paused({
      callFrames: [{ callFrameId: "0", functionName: "", location }],
      hitBreakpoints: ["second line"],
      reason: "other",
    } as unknown as Parameters<Program["paused"]>[0]);
  await program.setBreakpoints(path, [{ line: 2, condition: "isEven(n)" }]);
  await program.setBreakpoints(path, []);
  await pause();
  expect(events).toEqual([]);
  holds = true;
  await pause();
  expect(events).toEqual(["stopped"]);
  holds = false;
  await program.setBreakpoints(path, [{ line: 2 }]); // V8 gives the same name to the same place
  await pause();
  expect(events).toEqual(["stopped", "stopped"]);
});
