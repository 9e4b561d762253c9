import { expect, test } from "vitest";
import { failed, printed, result, types, useKernel } from "./client.js";

const kernel = useKernel(`import { display, figure } from 'erpo';
const $schema = 'https://vega.github.io/schema/vega-lite/v6.json';
const data = { values: [{ x: 1, y: 2 }, { x: 2, y: 5 }] };
const x = { field: 'x', type: 'quantitative' }, y = { field: 'y', type: 'quantitative' };`);
const { run } = kernel;

const loaded = "Object.keys(require.cache).some((file) => /canvas/.test(file))"; // what text is measured with comes with Vega

test("a cell without figures loads none of what draws them, the first figure does", async () => {
  expect(result(await run(`display([{ a: 1 }]); ${loaded}`))).toBe("false");
  await run("({ $schema, data, mark: 'line', encoding: { x, y } })");
  expect(result(await run(loaded))).toBe("true");
});

test("a specification that can be drawn is shown, as value and by display", async () => {
  const value = await run("({ $schema, data, mark: 'line', encoding: { x, y } })");
  expect(types(value)).toEqual(["execute_input", "execute_result"]);
  expect(types(await run("display({ $schema, data, mark: 'line', encoding: { x, y } }); 1"))).toEqual([
    "execute_input",
    "display_data",
    "execute_result",
  ]);
  expect(types(await run("({ $schema, data: { url: 'rows.csv' }, mark: 'line', encoding: { x, y } })"))).toEqual([
    "execute_input",
    "execute_result",
  ]);
});

const wrong: [string, string, string][] = [
  ["an unknown mark", "{ $schema, data, mark: 'lime', encoding: { x, y } }", 'figure: mark is "lime"; Vega-Lite knows arc, area, bar,'],
  [
    "one in a layer",
    "{ $schema, data, layer: [{ mark: 'line' }, { mark: { type: 'dot' } }], encoding: { x, y } }",
    'figure: layer[1].mark.type is "dot"',
  ],
  [
    "an unknown type",
    "{ $schema, data, mark: 'line', encoding: { x, y: { ...y, type: 'number' } } }",
    'figure: encoding.y.type is "number"; Vega-Lite knows quantitative',
  ],
  ["no mark", "{ $schema, data, encoding: { x, y } }", "figure: draws nothing, since the specification has no mark"],
  ["no layers", "{ $schema, data, layer: [] }", "figure: draws nothing, since the specification has no mark"],
  [
    "no rows",
    "{ $schema, data: { values: [] }, mark: 'line', encoding: { x, y } }",
    "figure: draws nothing, since data.values has no rows",
  ],
  [
    "a field that no row has",
    "{ $schema, data, mark: 'line', encoding: { x, y: { ...y, field: 'z' } } }",
    'figure: draws nothing, since no row has the field "z" of encoding.y',
  ],
  [
    "a filter that lets nothing pass",
    "{ $schema, data, mark: 'point', transform: [{ filter: 'datum.x > 5' }], encoding: { x, y } }",
    "figure: draws nothing, since none of the 2 rows",
  ],
  ["a broken expression", "{ $schema, data, mark: 'point', transform: [{ filter: 'datum.x >' }], encoding: { x, y } }", "figure: "],
];

test.each(wrong)("%s is an error of its cell, in one line", async (_, spec, message) => {
  for (const code of [`(${spec})`, `display(${spec}); 1`]) {
    const { ename, evalue, traceback } = failed(await run(code));
    expect([ename, evalue.slice(0, message.length), evalue.includes("\n")]).toEqual(["FigureError", message, false]);
    expect(traceback).toEqual([`FigureError: ${evalue}`]);
  }
});

test("nothing is told twice, and a display of a finished cell is told beside it", async () => {
  const failing = await run("display({ $schema, data, mark: 'lime' });");
  expect(types(failing)).toEqual(["execute_input", "error"]);
  const late = kernel.begin("setTimeout(() => display({ $schema, data, mark: 'lime' }), 50);");
  expect((await late.done).reply.content.status).toBe("ok");
  const told = await kernel.until((m) => m.parentHeader.msg_id === late.header.msg_id && m.header.msg_type === "stream");
  expect(told.content.text).toContain('FigureError: figure: mark is "lime"');
});

test("figure() fails its cell, unless done() has been asked; one without rows waits for them", async () => {
  const { evalue } = failed(await run("figure({ data, mark: 'lime', encoding: { x, y } }); 1"));
  expect(evalue).toContain('figure: mark is "lime"');
  expect(
    printed(await run("try { await figure({ data, mark: 'lime' } ).done() } catch (error) { console.log((error as Error).name) }")),
  ).toBe("FigureError\n");
  const growing = await run("const growing = figure({ data: { values: [] }, mark: 'line', encoding: { x, y } });");
  expect(growing.reply.content.status).toBe("ok");
  expect(failed(await run("growing.push({ z: 1 }); 1")).evalue).toContain('no row has the field "x" of encoding.x');
  expect((await run("growing.push([{ x: 1, y: 1 }, { x: 2, y: 2 }]); await growing.done(); 1")).reply.content.status).toBe("ok");
});

test("many rows are tried in part, and all where the part draws nothing", async () => {
  const spec =
    "{ $schema, data: { values: Array.from({ length: 50_000 }, (_, x) => ({ x, y: x })) }, mark: 'point', encoding: { x, y }, transform: [{ filter: 'datum.x == 7' }] }";
  expect((await run(`(${spec})`)).reply.content.status).toBe("ok");
});

test("the reader's rows stay as they are, frozen ones too", async () => {
  const bar = "({ $schema, data: { values: rows }, mark: 'bar', encoding: { x: { field: 'a', type: 'quantitative' } } })";
  await run("const rows: any[] = [{ a: 1 }, { a: 2, at: new Date(0) }];");
  expect(result(await run(bar))).not.toContain("vega_id");
  expect(result(await run("rows.flatMap((row) => Object.getOwnPropertySymbols(row)).length"))).toBe("0");
  await run("rows.splice(0, 2, Object.freeze({ a: 3 }));");
  expect(types(await run(bar))).toEqual(["execute_input", "execute_result"]);
});
