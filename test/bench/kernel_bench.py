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
        "tf": "const total{i} = tf.tidy(() => tf.ones([2, 2]).mul({i}).sum()); total{i}.dtype",
    },
    "python": {
        "define": "def succ(x: int) -> int:\n    return x + 1",
        "call": "succ({i})",
        "loop": "import time\nbegan = time.perf_counter()\ntotal = 0\nfor i in range(10_000_000):\n    total += i\nprint(1000 * (time.perf_counter() - began))",
    },
}
CELLS = 40


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
        if "tf" in kernel.code:
            figures["import of tfjs"] = kernel.timed(kernel.code["import"])
            figures["cell with tfjs types"] = median(kernel.timed(kernel.code["tf"].format(i=i)) for i in range(CELLS))
            figures["memory with tfjs, MB"] = kernel.memory()
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
