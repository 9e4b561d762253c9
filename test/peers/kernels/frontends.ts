import { randomUUID } from "node:crypto";
import type { Case } from "./case.js";
import { need, type PeerKernel, shown } from "./peer-kernel.js";

/** As JupyterLab starts it. */
async function startDebugger(kernel: PeerKernel): Promise<void> {
  await kernel.debug("initialize", {
    clientID: "erpo-test",
    adapterID: "",
    pathFormat: "path",
    linesStartAt1: true,
    columnsStartAt1: true,
  });
  await kernel.debug("attach");
}

const VARIABLES: Case = {
  feature: "variables view (`inspectVariables`)",
  snippets: { python: ["answer = 42"], typescript: ["const answer = 42;"] },
  async check(kernel, [code]) {
    await kernel.ok(code!);
    const look = async () => {
      const { variables } = await kernel.debug("inspectVariables");
      const found = (variables as { name: string; value: string }[]).find(({ name }) => name === "answer");
      need(found?.value === "42", `\`answer\` is ${found?.value ?? "not listed"}`);
    };
    try {
      await look();
      return undefined;
    } catch (atOnce) {
      const later = await startDebugger(kernel)
        .then(look)
        .catch((error: Error) => error);
      if (later) throw atOnce;
      return "once the debugger runs";
    }
  },
};

/** Waits until the debugger has stopped one time more than before. */
async function stops(kernel: PeerKernel, times: number): Promise<number> {
  const events = () => kernel.iopub.filter((m) => m.header.msg_type === "debug_event" && m.content.event === "stopped");
  await kernel.fromComm("debug_event", () => events().length >= times, times === 1 ? "the breakpoint is passed" : "a step does not stop");
  return events().at(-1)!.content.body.threadId;
}

const DEBUGGER: Case = {
  feature: "debugger: breakpoint, values, step",
  snippets: {
    python: ["def product(a, b):\n    c = a * b\n    return c\nproduct(6, 7)"],
    typescript: ["function product(a: number, b: number): number {\n  const c = a * b;\n  return c;\n}\nproduct(6, 7)"],
  },
  async check(kernel, [code]) {
    await startDebugger(kernel);
    const { sourcePath: path } = await kernel.debug("dumpCell", { code });
    await kernel.debug("setBreakpoints", { source: { path }, breakpoints: [{ line: 2 }], sourceModified: false });
    await kernel.debug("configurationDone");
    const { done } = kernel.begin(code!);
    done.catch(() => {});
    /** The line of the innermost frame and a local variable's value in it. */
    const at = async (threadId: number, variable: string) => {
      const { stackFrames } = await kernel.debug("stackTrace", { threadId });
      const { scopes } = await kernel.debug("scopes", { frameId: stackFrames[0].id });
      const { variables } = await kernel.debug("variables", { variablesReference: scopes[0].variablesReference });
      return [stackFrames[0].line, (variables as { name: string; value: string }[]).find(({ name }) => name === variable)?.value];
    };
    const threadId = await stops(kernel, 1);
    const before = await at(threadId, "a");
    need(before.join() === "2,6", `it stops at line ${before[0]} with \`a\` = ${before[1]}`);
    await kernel.debug("next", { threadId });
    const after = await at(await stops(kernel, 2), "c");
    need(after.join() === "3,42", `a step leads to line ${after[0]} with \`c\` = ${after[1]}`);
    await kernel.debug("continue", { threadId });
    need(shown(await done) === "42", "the cell does not go on");
    return undefined;
  },
};

/** A widget as a package of the kernel's language makes it, or, for Deno, as `@anywidget/deno` opens its comm. */
const DENO_WIDGET = `const comm_id = crypto.randomUUID();
const state = { _model_module: "anywidget", _model_name: "AnyModel", _view_module: "anywidget", _view_name: "AnyView", value: 7 };
await Deno.jupyter.broadcast("comm_open", { comm_id, target_name: "jupyter.widget", data: { state, buffer_paths: [] } }, { metadata: { version: "2.1.0" } });`;

const WIDGETS: Case = {
  feature: "widgets: a model is opened and answers `request_state`",
  snippets: {
    python: ["import ipywidgets\nslider = ipywidgets.IntSlider(value=7)\nslider"],
    erpo: ['import { widget } from "erpo"; const slider = widget({ esm: "export default { render() {} }", state: { value: 7 } }); slider'],
    deno: [DENO_WIDGET],
  },
  async check(kernel, [code]) {
    await kernel.ok(code!);
    const opened = (content: PeerKernel["iopub"][number]["content"]) =>
      content.target_name === "jupyter.widget" && content.data.state?.value === 7;
    const { content } = await kernel.fromComm("comm_open", opened, "no `comm_open` of `jupyter.widget`");
    const comm_id = content.comm_id as string;
    kernel.send("shell", "comm_msg", { comm_id, data: { method: "request_state" } });
    const answered = ({ comm_id: id, data }: typeof content) => id === comm_id && data.method === "update" && data.state.value === 7;
    await kernel.fromComm("comm_msg", answered, "a model is opened, `request_state` has no answer");
    return undefined;
  },
};

const COMMS: Case = {
  feature: "comms that a frontend opens, both ways",
  snippets: {
    python: [
      "from comm import get_comm_manager\ndef opened(comm, message):\n    comm.on_msg(lambda m: comm.send({'back': m['content']['data']}))\nget_comm_manager().register_target('echo', opened)",
    ],
    "xeus-python": [
      "get_ipython().kernel.comm_manager.register_target('echo', lambda comm, m: comm.on_msg(lambda m: comm.send({'back': m['content']['data']})))",
    ],
    erpo: [
      'import { comms } from "erpo"; comms.registerTarget("echo", (comm) => { comm.onMsg = ({ content }) => comm.send({ back: content.data }); });',
    ],
  },
  async check(kernel, [code]) {
    await kernel.ok(code!);
    const comm_id = randomUUID();
    kernel.send("shell", "comm_open", { comm_id, target_name: "echo", data: {} });
    kernel.send("shell", "comm_msg", { comm_id, data: { n: 1 } });
    await kernel.fromComm("comm_msg", (content) => content.comm_id === comm_id && content.data.back?.n === 1, "a message has no answer");
    return undefined;
  },
};

const PROMPT: Case = {
  feature: "a cell asks its reader",
  snippets: { python: ["input('name? ')"], typescript: ["await prompt('name? ')"] },
  async check(kernel, cells) {
    let asked = "";
    kernel.onInput = (text) => {
      asked = text;
      return "Ada";
    };
    const value = await kernel.value(...cells);
    need(asked.startsWith("name?"), "no question comes");
    need(value.slice(1, -1) === "Ada", `the answer is ${value}`);
    return undefined;
  },
};

const UPDATES: Case = {
  feature: "what is shown can be replaced",
  snippets: {
    python: ["from IPython.display import display\nshown = display('one', display_id=True)\nshown.update('two')"],
    erpo: ['import { display } from "erpo"; const shown = display("one"); shown.update("two");'],
    deno: [
      'await Deno.jupyter.display({ "text/plain": "one" }, { raw: true, display_id: "shown" }); await Deno.jupyter.display({ "text/plain": "two" }, { raw: true, display_id: "shown", update: true });',
    ],
    tslab: ['import * as tslab from "tslab"; const shown = tslab.newDisplay(); shown.text("one"); shown.text("two");'],
  },
  async check(kernel, [code]) {
    await kernel.ok(code!);
    const id = (type: string, text: string) =>
      kernel.iopub.find((m) => m.header.msg_type === type && JSON.stringify(m.content.data).includes(text))?.content.transient?.display_id;
    const first = id("display_data", "one");
    need(first, "the display has no id");
    need(id("update_display_data", "two") === first, "no update comes");
    return undefined;
  },
};

/** What frontends show beside the cells, and what passes between them and a cell. */
export const FRONTENDS: Case[] = [VARIABLES, DEBUGGER, WIDGETS, COMMS, PROMPT, UPDATES];
