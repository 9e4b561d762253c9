"""Drives the kernel `erpo` with nbclient: outputs, live updates, allowed errors. Prints JSON."""

import json

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError


def run(cells, **options):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, metadata=metadata) for source, metadata in cells])
    client = NotebookClient(nb, kernel_name="erpo", timeout=60, **options)
    try:
        client.execute()
        error = None
    except CellExecutionError as e:
        error = [e.ename, e.evalue]
    except DeadKernelError as e:
        error = str(e)
    return error, [[o.get("text") or o.get("evalue") or o["data"]["text/plain"] for o in c.outputs] for c in nb.cells]


print(json.dumps({
    "plain": run([("const x: number = await Promise.resolve(20);\nconsole.log('hi')", {}), ("x + 1", {})]),
    "update": run([("import { display } from 'erpo'; const h = display('a'); h.update('b')", {})]),
    "raises": run([("throw new Error('expected')", {"tags": ["raises-exception"]}), ("1", {}), ("2", {})]),
    "error": run([("1", {}), ("throw new TypeError('real')", {}), ("3", {})]),
    "exit": run([("console.log('before'); process.exit(3)", {}), ("1", {})]),
    "parameters": run([("let alpha = 1; const tags = ['a'];", {"tags": ["parameters"]}), ("var alpha = 0.5; const tags = ['b', 'c'];", {"tags": ["injected-parameters"]}), ("`${alpha} ${tags}`", {})]),
}))
