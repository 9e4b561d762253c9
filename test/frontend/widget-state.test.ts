import fc from "fast-check";
import { expect, test } from "vitest";
import { joinBuffers, splitBuffers } from "../../src/frontend/widget-state.js";

const key = fc.string({ maxLength: 5 }).filter((name) => name !== "__proto__");
const leaf = fc.oneof(
  fc.uint8Array({ maxLength: 9 }),
  fc.float32Array({ maxLength: 4 }),
  fc.string(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0 || 0), // JSON has no minus zero
  fc.boolean(),
  fc.constant(null),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(key, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

test("any state survives the way over JSON and buffers, typed arrays by what was there before", () => {
  fc.assert(
    fc.property(fc.dictionary(key, value, { noNullPrototype: true }), (state) => {
      const { state: rest, buffer_paths, buffers } = splitBuffers(state);
      const received = JSON.parse(JSON.stringify(rest));
      joinBuffers(received, JSON.parse(JSON.stringify(buffer_paths)), buffers, state);
      expect(received).toEqual(state);
    }),
  );
});

test("paths from the other side reach what the state has, and nothing else", () => {
  const state = { list: [null], text: "a" };
  const bytes = new Uint8Array([1]);
  const paths = [
    ["__proto__", "polluted"],
    ["constructor", "prototype", "x"],
    ["list", 7],
    ["list", 1],
    ["text", "length"],
    ["__proto__"],
    "list",
    [],
    ["list", 0],
  ];
  joinBuffers(
    state,
    paths,
    paths.map(() => bytes),
    {},
  );
  expect(state).toStrictEqual({ list: [bytes], text: "a" }); // of no other prototype
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(() => joinBuffers(state, "nonsense", [], {})).not.toThrow();
});

test("bytes are those of now, null stands for them in lists, and what is undefined is left out", () => {
  const bytes = new Uint8Array([1]);
  const { state, buffers } = splitBuffers({ gone: undefined, list: [bytes] });
  bytes[0] = 2;
  expect(state).toStrictEqual({ list: [null] });
  expect(buffers).toEqual([new Uint8Array([1])]);
});

test("bytes that are no whole number of elements stay bytes", () => {
  const state = { x: null };
  joinBuffers(state, [["x"]], [new Uint8Array([1, 2, 3])], { x: new Float32Array(1) });
  expect(state.x).toEqual(new Uint8Array([1, 2, 3]));
});

test("an object that holds itself is refused; one that stands twice is not", () => {
  const once = { n: 1 };
  expect(splitBuffers({ a: once, b: once }).state).toEqual({ a: { n: 1 }, b: { n: 1 } });
  const round: Record<string, unknown> = {};
  round.self = round;
  expect(() => splitBuffers(round)).toThrow("widget: self is an object that holds itself");
});
