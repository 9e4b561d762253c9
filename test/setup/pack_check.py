"""Runs a notebook on the packed kernel with nbclient, as a reader's machine would. Prints JSON: the text of each cell's value."""

import json

import nbformat
from nbclient import NotebookClient

CELLS = [
    "import * as tf from '@tensorflow/tfjs'; import * as dfd from 'danfojs-node'; import { table, wilson } from 'erpo'; import * as tslab from 'tslab';",
    "const frame = new dfd.DataFrame({ n: [1, 2, 3] }); frame['n'].mean()",
    "frame.tensor instanceof tf.Tensor && frame['n'].tensor.sum().arraySync()",
    "const interval: { low: number } = wilson(1, 2); typeof table + typeof tslab.display.html",
    "import ts from 'typescript'; import { marked } from 'marked'; import * as vega from 'vega'; [typeof ts.version, typeof marked, typeof vega.View]",
]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
NotebookClient(notebook, kernel_name="erpo", timeout=120).execute()
print(json.dumps([output["data"]["text/plain"] for cell in notebook.cells for output in cell.outputs if output.output_type == "execute_result"]))
