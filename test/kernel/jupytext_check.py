"""A TypeScript script in the percent format, paired with a notebook by the real jupytext, which is then run. Prints JSON."""

import json
import pathlib
import subprocess
import sys

import nbformat
from nbclient import NotebookClient

SCRIPT = """// %% [markdown]
// # Title

// %% tags=["parameters"]
const beta: number = 0.5;

// %%
const doubled = beta * 2;
doubled
"""

pathlib.Path("script.ts").write_text(SCRIPT)


def jupytext(*words):
    subprocess.run([sys.executable, "-m", "jupytext", "--quiet", *words], check=True)


jupytext("--set-kernel", "erpo", "script.ts")
jupytext("--set-formats", "ipynb,ts:percent", "script.ts")
notebook = nbformat.read("script.ipynb", 4)
NotebookClient(notebook, timeout=60).execute()
nbformat.write(notebook, "script.ipynb")
script = pathlib.Path("script.ts")
script.write_text(script.read_text().replace("beta * 2", "beta * 4"))
jupytext("--sync", "script.ts")
synced = nbformat.read("script.ipynb", 4)
print(
    json.dumps(
        {
            "kernel": notebook.metadata.kernelspec,
            "types": [cell.cell_type for cell in notebook.cells],
            "tags": notebook.cells[1].metadata.get("tags"),
            "result": notebook.cells[2].outputs[0]["data"]["text/plain"],
            "synced": synced.cells[2].source,
        }
    )
)
