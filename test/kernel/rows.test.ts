import { inspect } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { format } from "../../kernel/session/format.js";

const shown = (value: unknown) => (format(value) as { data: Record<string, string> }).data;
const html = (value: unknown) => shown(value)["text/html"];
const cells = (text: string, tag: "td" | "th") =>
  [...text.matchAll(new RegExp(`<${tag}(?: [^>]*)?>(.*?)</${tag}>`, "g"))].map(([, inner]) => inner);

test("objects with the same keys are a table with its shape, and text as Node prints it", () => {
  const rows = [
    { name: "a <b>", beta: 0.1 + 0.2, steps: 3 },
    { name: "c", beta: null, note: undefined, steps: 4 },
  ];
  expect(cells(html(rows)!, "th")).toEqual(["", "name", "beta", "steps", "note", "0", "1"]);
  expect(cells(html(rows)!, "td")).toEqual(["a &lt;b&gt;", "0.3", "3", "", "c", "null", "4", ""]);
  expect(html(rows)).toContain("2 rows × 4 columns");
  expect(shown(rows)["text/plain"]).toBe(inspect(rows));
});

test("values within values are short, long texts are cut, getters are not called", () => {
  const row = {
    list: [1, 2, 3, 4, 5, 6],
    inner: { a: { b: 1 } },
    text: "x".repeat(1000),
    when: new Date(0),
    big: 3n,
    get now(): number {
      throw new Error("called");
    },
  };
  expect(cells(html([row])!, "td")).toEqual([
    "[ 1, 2, 3, 4, 5, ... 1 more item ]",
    "{ a: [Object] }",
    `${"x".repeat(200)}… (1000 characters)`,
    "1970-01-01T00:00:00.000Z",
    "3n",
    "[Getter]",
  ]);
});

test("a long list shows head and tail", () => {
  const text = html(Array.from({ length: 100_000 }, (_, i) => ({ i })))!;
  expect(cells(text, "td")).toEqual([...Array.from({ length: 10 }, (_, i) => `${i}`), "…", "99995", "99996", "99997", "99998", "99999"]);
  expect(text).toContain("100000 rows × 1 column<");
});

class Point {
  x = 1;
}

test.each([
  ["nothing", []],
  ["numbers", [1, 2]],
  ["lists", [[1], [2]]],
  ["mixed", [{ a: 1 }, 2]],
  ["a hole", Object.assign(new Array(3), { 0: { a: 1 }, 2: { a: 2 } })],
  ["class instances", [new Point(), new Point()]],
  ["maps", [new Map(), new Map()]],
  ["objects with nothing in them", [{}, {}]],
  ["objects with little in common", [{ a: 1 }, { b: 1 }, { c: 1 }]],
  ["what shows itself", [{ a: 1, [Symbol.for("Jupyter.display")]: () => ({}) }]],
  ["proxies", [new Proxy({ a: 1 }, {})]],
])("%s: no table", (_, value) => {
  expect(html(value)).toBeUndefined();
});

test("whatever the rows hold, no markup comes out of them", () => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.anything({ maxDepth: 1, maxKeys: 2 }), { minKeys: 1, maxKeys: 3 }), {
        minLength: 1,
        maxLength: 5,
      }),
      (rows) => {
        const text = html(rows);
        if (text === undefined) return;
        const ours = /^<(\/?(table|thead|tbody|tr|td|th|p)|th scope="(row|col)"|table class="dataframe")>$/;
        expect((text.match(/<[^>]*>/g) ?? []).filter((tag) => !ours.test(tag))).toEqual([]);
      },
    ),
  );
});
