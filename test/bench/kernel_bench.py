"""
Times kernels against each other with one client, interleaved: `kernel_bench.py ROUNDS NODE erpo ipykernel tslab`. Prints JSON.
All times in milliseconds, from the request's departure to its reply; starts are counted from the spawn of the process.
"""

import json
import subprocess
import sys
import time
from statistics import median

import psutil
from jupyter_client.manager import KernelManager

LOOP = "let sum = 0; for (let i = 0; i < 1e7; i++) sum += i;"

CODE = {
    "typescript": {
        "define": "function next(x: number): number { return x + 1; }",
        "call": "next({i})",
        "loop": f"const began = performance.now(); {LOOP} console.log(performance.now() - began);",
        "import": 'import * as tf from "@tensorflow/tfjs";',
        "busy": "const until = performance.now() + 2000; while (performance.now() < until);",
        "name": "perform",
        "library": 'import {{ display as show{i} }} from "erpo"; show{i}.name',
        "plain": "{i} + 1",
        "packages": 'import * as dfd from "danfojs-node"; import {{ z }} from "zod";',
        "frame": "const frame{i} = new dfd.DataFrame({{ a: [{i}] }}); const row{i} = z.object({{ a: z.number() }}).parse({{ a: {i} }}); row{i}.a + frame{i}.shape[0]!",
        "tf": "const total{i} = tf.tidy(() => tf.ones([2, 2]).mul({i}).sum()); total{i}.dtype",
    },
    "python": {
        "define": "def succ(x: int) -> int:\n    return x + 1",
        "call": "succ({i})",
        "busy": "import time\nuntil = time.time() + 2\nwhile time.time() < until: pass",
        "name": "pri",
        "loop": "import time\nbegan = time.perf_counter()\ntotal = 0\nfor i in range(10_000_000):\n    total += i\nprint(1000 * (time.perf_counter() - began))",
    },
}
CELLS = 40
SESSION = 300
FOREIGN = ("tslab",)  # it has no `erpo`


def milliseconds(work):
    started = time.perf_counter()
    result = work()
    return 1000 * (time.perf_counter() - started), result


class Kernel:
    def __init__(self, name):
        self.manager = KernelManager(kernel_name=name)
        self.started = time.perf_counter()
        self.manager.start_kernel()
        self.client = self.manager.blocking_client()
        self.client.start_channels(stdin=False, hb=False)
        while True:  # a kernel that is not listening yet loses nothing: the request waits in its socket
            self.client.kernel_info()
            try:
                reply = self.client.get_shell_msg(timeout=60)
            except Exception as error:
                raise SystemExit(f"{name}: no kernel_info: {error}")
            if reply["msg_type"] == "kernel_info_reply":
                break
        self.ready = self.since_start()
        self.language = reply["content"]["language_info"]["name"]
        self.code = CODE["python" if self.language == "python" else "typescript"]

    def since_start(self):
        return 1000 * (time.perf_counter() - self.started)

    def run(self, code):
        asked = self.client.execute(code)
        while True:
            reply = self.client.get_shell_msg(timeout=120)
            if reply["parent_header"]["msg_id"] == asked:
                break
        if reply["content"]["status"] != "ok":
            raise SystemExit(f"{self.manager.kernel_name}: {code}: {reply['content']}")

    def printed(self, code):
        """The number that a cell prints."""
        texts = []

        def keep(message):
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                texts.append(message["content"]["text"])

        self.client.execute_interactive(code, timeout=120, output_hook=keep)
        return float("".join(texts))

    def timed(self, code):
        return milliseconds(lambda: self.run(code))[0]

    def completion_while_busy(self):
        """How long a completion takes that is asked for while a cell of two seconds runs."""
        self.client.complete(self.code["name"])  # the first one reads what the next ones know
        self.client.get_shell_msg(timeout=60)
        cell = self.client.execute(self.code["busy"])
        time.sleep(0.3)
        started = time.perf_counter()
        asked = self.client.complete(self.code["name"])
        took = None
        waiting = {cell, asked}
        while waiting:
            reply = self.client.get_shell_msg(timeout=60)
            answers = reply["parent_header"]["msg_id"]
            if answers == asked:
                took = 1000 * (time.perf_counter() - started)
            waiting.discard(answers)
        return took

    def memory(self):
        process = psutil.Process(self.manager.provisioner.process.pid)
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / 1e6

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def once(name):
    kernel = Kernel(name)
    try:
        kernel.run("1 + 1")
        figures = {"ready": kernel.ready, "first cell done": kernel.since_start()}
        kernel.run(kernel.code["define"])
        figures["call of a typed function"] = median(kernel.timed(kernel.code["call"].format(i=i)) for i in range(CELLS))
        figures["memory, MB"] = kernel.memory()
        figures["loop of 1e7 at the top level"] = median(kernel.printed(kernel.code["loop"]) for _ in range(3))
        figures["completion while a cell runs"] = kernel.completion_while_busy()
        if "library" in kernel.code and name not in FOREIGN:
            pairs = [kernel.timed(kernel.code["library"].format(i=i)) + kernel.timed(kernel.code["plain"].format(i=i)) for i in range(12)]
            figures["cell with erpo and one without"] = median(pairs[2:])
        if "tf" in kernel.code:
            figures["import of tfjs"] = kernel.timed(kernel.code["import"])
            figures["cell with tfjs types"] = median(kernel.timed(kernel.code["tf"].format(i=i)) for i in range(CELLS))
            figures["memory with tfjs, MB"] = kernel.memory()
            kernel.run(kernel.code["packages"].format())
            cells = [kernel.timed(kernel.code["frame"].format(i=i)) for i in range(SESSION)]
            figures["cells 20 to 60 with danfo and zod"] = median(cells[20:60])
            figures[f"cells {SESSION - 40} to {SESSION}"] = median(cells[-40:])
            figures[f"memory after {SESSION} cells, MB"] = kernel.memory()
        return figures
    finally:
        kernel.stop()


def node_loop(node):
    """The loop as plain Node runs it, at the top level of a script."""
    script = f"const t = performance.now(); {LOOP} console.log(performance.now() - t)"
    return float(subprocess.run([node, "-e", script], capture_output=True, text=True, check=True).stdout)


rounds, node, *names = sys.argv[1:]
found = {name: [] for name in [*names, "node"]}
for _ in range(int(rounds)):
    for name in names:
        found[name].append(once(name))
    found["node"].append({"loop of 1e7 at the top level": node_loop(node)})
print(
    json.dumps(
        {name: {key: [row[key] for row in rows] for key in rows[0]} for name, rows in found.items()},
    )
)
