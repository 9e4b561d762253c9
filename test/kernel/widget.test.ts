import { expect, test } from "vitest";
import { createHeader, encode, type Message } from "../../kernel/wire/messages.js";
import { failed, printed, result, types, useKernel } from "./client.js";

const kernel = useKernel(
  "import { svg, widget } from 'erpo'; const state = { count: 0, weights: new Float32Array([0.5, 2]), nested: { bytes: [new Uint8Array([1])] } };",
);
const { run } = kernel;

/** What the page sends on a widget's comm. */
function send(comm_id: string, data: object, buffers: Uint8Array[] = []): string {
  const header = createHeader("comm_msg", kernel.session);
  void kernel.shell.send(encode(kernel.connection, { header, content: { comm_id, data }, buffers }) as Buffer[]);
  return header.msg_id;
}

const ofComm = (id: string, method: string) => (m: Message) =>
  m.header.msg_type === "comm_msg" && m.content.comm_id === id && m.content.data.method === method;

const floats = (bytes: Uint8Array) => [...new Float32Array(Uint8Array.from(bytes).buffer)];

/** Makes a widget under a name and tells its comm. */
async function make(name: string): Promise<Message> {
  const { outputs } = await run(
    `const ${name} = widget({ esm: 'export default {}', css: 'b {}', state }); ${name}.on('change', (c) => console.log(c));`,
  );
  return outputs.find((m) => m.header.msg_type === "comm_open")!;
}

test("a widget opens a comm with module, style and state, and shows a view of it beside its words", async () => {
  const open = await make("first");
  expect(open.metadata.version).toBe("2.1.0");
  const { target_name, comm_id, data } = open.content;
  expect(target_name).toBe("jupyter.widget");
  expect(data.state).toMatchObject({
    ...{ _model_module: "anywidget", _model_name: "AnyModel", _model_module_version: "~0.11.*", _esm: "export default {}", _css: "b {}" },
    ...{ _view_module: "anywidget", _view_name: "AnyView", _view_module_version: "~0.11.*", count: 0, nested: { bytes: [null] } },
  });
  expect(data.state).not.toHaveProperty("weights");
  expect(data.buffer_paths).toEqual([["weights"], ["nested", "bytes", 0]]);
  expect([floats(open.buffers[0]!), [...open.buffers[1]!]]).toEqual([[0.5, 2], [1]]);

  const shown = (await run("first")).outputs.find((m) => m.header.msg_type === "execute_result")!.content.data;
  expect(shown["application/vnd.jupyter.widget-view+json"]).toEqual({ version_major: 2, version_minor: 0, model_id: comm_id });
  expect(shown["text/plain"]).toBe(
    "A widget, which works where the kernel runs. Its state: count = 0, weights = Float32Array(2) [ 0.5, 2 ], nested = { bytes: [ [Uint8Array] ] }.",
  );
  const info = await kernel.ask("shell", "comm_info_request", { target_name: "jupyter.widget" });
  expect(info.content.comms).toEqual({ [comm_id]: { target_name: "jupyter.widget" } });
});

test("the page's change reaches cells and other pages; a cell's change reaches the page; a typed array stays of its kind", async () => {
  const { comm_id } = (await make("second")).content;
  const weights = new Uint8Array(new Float32Array([1, 4, 9]).buffer);
  const request = send(comm_id, { method: "update", state: { count: 3, unknown: 1 }, buffer_paths: [["weights"]] }, [weights]);
  const echo = await kernel.until(ofComm(comm_id, "echo_update"));
  expect(echo.parentHeader.msg_id).toBe(request);
  expect(echo.content.data).toEqual({ method: "echo_update", state: { count: 3 }, buffer_paths: [["weights"]] });
  expect(floats(echo.buffers[0]!)).toEqual([1, 4, 9]);
  expect(result(await run("[second.get('count'), second.get('weights')]"))).toBe("[ 3, Float32Array(3) [ 1, 4, 9 ] ]");

  const set = await run("second.set('count', 3); second.set('count', second.get('count') + 1)");
  expect(types(set)).toEqual(["execute_input", "comm_msg"]); // the same value again is no change
  const told = set.outputs.find((m) => m.header.msg_type === "comm_msg")!;
  expect(told.content).toEqual({ comm_id, data: { method: "update", state: { count: 4 }, buffer_paths: [] } });

  send(comm_id, { method: "request_state" });
  const whole = await kernel.until((m) => ofComm(comm_id, "update")(m) && m.content.data.state._esm !== undefined);
  expect(whole.content.data.state).toMatchObject({ _model_module: "anywidget", count: 4 });
  expect(floats(whole.buffers[0]!)).toEqual([1, 4, 9]);
});

test("messages that are no state, both ways, with bytes", async () => {
  const { comm_id } = (await make("third")).content;
  const heard = run(
    "const [content, buffers] = await new Promise<[unknown, Uint8Array[]]>((resolve) => { third.onMessage((...all) => resolve(all)); third.send({ ask: 1 }, [new Uint8Array([7])]); }); console.log(content, [...buffers[0]!]);",
  );
  const asked = await kernel.until(ofComm(comm_id, "custom"));
  expect([asked.content.data.content, [...asked.buffers[0]!]]).toEqual([{ ask: 1 }, [7]]);
  send(comm_id, { method: "custom", content: { answer: 2 } }, [new Uint8Array([8, 9])]);
  expect(printed(await heard)).toBe("{ answer: 2 } [ 8, 9 ]\n");
});

test("a closed widget is off the page, keeps its state and takes no more", async () => {
  const { comm_id } = (await make("fourth")).content;
  expect(types(await run("fourth.close()"))).toEqual(["execute_input", "comm_close"]);
  expect(result(await run("fourth.get('count')"))).toBe("0");
  expect(failed(await run("fourth.set('count', 1)")).evalue).toBe("widget: it is closed; make another one");
  const shown = (await run("fourth")).outputs.find((m) => m.header.msg_type === "execute_result")!.content.data;
  expect(Object.keys(shown)).toEqual(["text/plain"]);
  expect((await kernel.ask("shell", "comm_info_request", {})).content.comms).not.toHaveProperty(comm_id);
});

test("the control comm, which this kernel does not have, is closed: pages then ask widget by widget", async () => {
  kernel.send("shell", "comm_open", { comm_id: "control", target_name: "jupyter.widget.control", data: {} });
  const closed = await kernel.until((m) => m.header.msg_type === "comm_close" && m.content.comm_id === "control");
  expect(closed.content.data).toEqual({});
});

test("what cannot be sent is named with its place, and changes nothing", async () => {
  await make("fifth");
  const says = async (code: string) => failed(await run(code)).evalue;
  expect(await says("widget({ esm: '', state: { a: { b: [1, new Map()] } } })")).toMatch(/^widget: a\.b\.1 is a Map; use texts/);
  expect(await says("fifth.set('count', NaN)")).toMatch(/^widget: count is NaN; use/);
  expect(await says("widget({ esm: '', state: { layout: 1 } })")).toBe(
    'widget: the state\'s "layout" is a name that the front end uses itself; take another one',
  );
  expect(await says("fifth.set('count', 'three')")).toContain("not assignable to parameter of type 'number'");
  expect(result(await run("fifth.get('count')"))).toBe("0");
});

test("a still picture stands beside the view", async () => {
  const { outputs } = await run(`widget({ esm: '', state: { n: 2 }, still: ({ n }) => svg('<svg><text>' + n + '</text></svg>') })`);
  const shown = outputs.find((m) => m.header.msg_type === "execute_result")!.content.data;
  expect(shown["image/svg+xml"]).toBe("<svg><text>2</text></svg>");
  expect(shown["text/plain"]).toContain("n = 2");
});

test("a listener that fails is told, and the others and the cell go on", async () => {
  const open = await make("shared");
  await run(
    "shared.on('change', () => { throw new Error('first fails'); }); shared.on('change', ({ count }) => console.log('second', count));",
  );
  const answer = await run("shared.set('count', 8); shared.set('count', 9); shared.get('count')");
  expect(result(answer)).toBe("9");
  send(open.content.comm_id, { method: "update", state: { count: 10 }, buffer_paths: [] });
  await kernel.until((m) => m.content.name === "stdout" && m.content.text?.includes("second 10"));
  await kernel.until((m) => m.content.name === "stderr" && m.content.text?.includes("first fails"));
});
