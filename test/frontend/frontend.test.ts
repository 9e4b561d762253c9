import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { CommEvent, Frontend } from "../../src/frontend/frontend.js";
import { clearOutput, comms, display, image, json, progress, setFrontend } from "../../src/frontend/index.js";
import { terminal } from "../../src/frontend/terminal.js";

const sent: { data: Record<string, unknown>; metadata: Record<string, unknown>; id: string; update: boolean }[] = [];
const events: CommEvent[] = [];
let cleared: boolean[] = [];

const recorder: Frontend = {
  ...terminal,
  display: (data, metadata, id, update) => void sent.push({ data, metadata, id, update }),
  clearOutput: (wait) => void cleared.push(wait),
  comm: (event) => void events.push(event),
};

beforeEach(() => {
  sent.length = events.length = 0;
  cleared = [];
  setFrontend(recorder);
});
afterEach(() => setFrontend(terminal));

describe("display", () => {
  test("a value's own bundle, with metadata merged over its own", () => {
    const value = {
      [Symbol.for("Jupyter.display")]: () => ({ data: { "text/html": "<i>x</i>" }, metadata: { label: "fig-a", width: 1 } }),
    };
    const handle = display(value, { metadata: { label: "fig-b" } });
    expect(sent).toEqual([{ data: { "text/html": "<i>x</i>" }, metadata: { label: "fig-b", width: 1 }, id: handle.id, update: false }]);
  });

  test("a bare bundle is taken as data", () => {
    display({ [Symbol.for("Jupyter.display")]: () => ({ "text/markdown": "**x**" }) });
    expect(sent[0]!.data).toEqual({ "text/markdown": "**x**" });
  });

  test("updates never overtake a display that is still being made", async () => {
    let finish = (_: object) => {};
    const handle = display({ [Symbol.for("Jupyter.display")]: () => new Promise<object>((resolve) => (finish = resolve)) });
    handle.update("second");
    expect(sent).toEqual([]);
    finish({ "text/plain": "first" });
    await new Promise((resolve) => setTimeout(resolve));
    expect(sent.map(({ data, update }) => [data["text/plain"], update])).toEqual([
      ["first", false],
      ["second", true],
    ]);
  });

  test("an update behind one that fails is shown, and the error is told", async () => {
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    const told: unknown[] = [];
    process.on("unhandledRejection", (reason) => told.push(reason));
    const handle = display({ [Symbol.for("Jupyter.display")]: () => Promise.reject("no picture") });
    handle.update("second");
    await new Promise((resolve) => setTimeout(resolve));
    process.removeAllListeners("unhandledRejection");
    for (const listener of others) process.on("unhandledRejection", listener);
    expect(told).toEqual(["no picture"]);
    expect(sent.map(({ data }) => data["text/plain"])).toEqual(["second"]);
  });

  test("clearOutput", () => {
    clearOutput();
    clearOutput(true);
    expect(cleared).toEqual([false, true]);
  });
});

/** What is written to a terminal, or to a file in its place, meanwhile. */
function written({ isTTY }: { isTTY: boolean }, shows: () => void): unknown[] {
  setFrontend(terminal);
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const before = process.stdout.isTTY;
  process.stdout.isTTY = isTTY;
  try {
    shows();
    return write.mock.calls.map(([text]) => text);
  } finally {
    process.stdout.isTTY = before;
    write.mockRestore();
  }
}

describe("progress", () => {
  test("in a log is a line when it begins, and a line at its end, however fast it goes", () => {
    const lines = written({ isTTY: false }, () => {
      const bar = progress(1000, { label: "rows" });
      for (let i = 0; i < 1000; i++) bar.tick();
      bar.done();
    });
    expect(lines.length).toBeLessThanOrEqual(3);
    expect(lines.at(-1)).toContain("1000/1000");
  });

  test("one place, which ends in a line that says how many", () => {
    const bar = progress(4, { label: "steps" });
    for (let i = 0; i < 4; i++) bar.tick(1, `loss ${i}`);
    bar.done();
    bar.tick();
    expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
    expect(sent.at(-1)!.data["text/plain"]).toMatch(/^steps \|█{30}\| 4\/4 \[0\.\ds\] loss 3$/);
  });

  test("an end before the total is not shown as whole, and a total of 0 is no division by it", () => {
    const bar = progress(10);
    bar.tick(3);
    bar.done();
    expect(sent.at(-1)!.data["text/plain"]).toMatch(/^\|█{9}░{21}\| 3\/10/);
    progress(0).done();
    expect(sent.at(-1)!.data["text/plain"]).toMatch(/^\|█{30}\| 0\/0 /);
    expect(() => progress(Number.NaN)).toThrow("progress: total must be >= 0, got NaN");
  });
});

describe("progress beyond its total", () => {
  test("is shown at once when all is done, and stays a bar when more is done", () => {
    const bar = progress(2);
    bar.tick(2);
    expect(sent.at(-1)!.data["text/plain"]).toMatch(/^\|█{30}\| 2\/2 \[0\.\ds < 0\.0s\]$/);
    bar.tick();
    expect(sent.at(-1)!.data["text/plain"]).toMatch(/^\|█{30}\| 3\/2 \[0\.\ds < 0\.0s\]$/);
  });
});

describe("terminal", () => {
  test("an update of the last value takes its place, where both are one line", () => {
    const lines = written({ isTTY: true }, () => {
      const first = display("a");
      first.update("b");
      display("c");
      first.update("d");
      first.update("e\nf");
    });
    const inPlace = "\x1b[1A\x1b[2K";
    expect(lines).toEqual(["a\n", `${inPlace}b\n`, "c\n", "d\n", "e\nf\n"]);
  });
});

describe("formats", () => {
  test.each([
    ["\x89PNG\r\n\x1a\n", "image/png"],
    ["\xff\xd8\xff\xe0", "image/jpeg"],
    ["GIF89a", "image/gif"],
    ["RIFF\x00\x00\x00\x00WEBP", "image/webp"],
  ])("a picture's first bytes say what it is: %j", (text, type) => {
    display(image(Buffer.from(text, "latin1")));
    expect(Object.keys(sent[0]!.data)).toEqual([type, "text/plain"]);
  });

  test("bytes of no picture, and what JSON cannot hold, are refused", () => {
    for (const text of ["RIFFWEBP", "RIFF\x00\x00\x00\x00WAVE", ""])
      expect(() => image(Buffer.from(text))).toThrow("image: the bytes are no PNG, JPEG, GIF or WebP file");
    expect(() => json(() => 1)).toThrow("json: a value that JSON cannot hold");
  });
});

describe("comms", () => {
  const from = (type: CommEvent["type"], commId: string, data: unknown, targetName?: string): CommEvent => ({
    ...{ type, commId, data, metadata: {}, buffers: [] },
    ...(targetName === undefined ? {} : { targetName }),
  });

  test("the other side opens, talks and closes", () => {
    const before = comms.info(); // other tests of this process may have left some open
    const heard: unknown[] = [];
    comms.registerTarget("t", (comm, message) => {
      heard.push(message.content.data);
      comm.onMsg = (next) => heard.push(next.content.data);
      comm.onClose = () => heard.push("closed");
    });
    for (const event of [
      from("comm_open", "1", "a", "t"),
      from("comm_msg", "1", "b"),
      from("comm_close", "1", {}),
      from("comm_msg", "1", "c"),
    ])
      comms.receive(event);
    expect(heard).toEqual(["a", "b", "closed"]);
    expect(comms.info()).toEqual(before);
  });

  test("this side opens, talks and closes; a closed comm cannot send", () => {
    const comm = comms.open("ui", 1);
    comm.send(2);
    comm.close(3);
    expect(events.map(({ type, data }) => [type, data])).toEqual([
      ["comm_open", 1],
      ["comm_msg", 2],
      ["comm_close", 3],
    ]);
    expect(() => comm.send(4)).toThrow("comm ui is closed");
  });

  test("an unknown target is closed at once", () => {
    comms.receive(from("comm_open", "x", {}, "nobody"));
    expect(events.map(({ type, commId }) => [type, commId])).toEqual([["comm_close", "x"]]);
  });
});
