"""Runs a TypeScript notebook with the real papermill, which finds the translator by the installed package. Prints JSON."""

import json

import nbformat
import papermill

NOTHING_LOST = {
    "whole": -3,
    "real": 0.1,
    "tiny": 5e-324,
    "yes": True,
    "no": False,
    "nothing": None,
    "plain": "full",
    "text": "quote \" ' ` ${x} \\ slash\nnewline\ttab \u2028 \u0000 \x1b ünï 😀 </script>",
    "list": [1, "two", [3.5, None, {"deep": [True]}]],
    "table": {"a b": {"c": "😀"}, "__proto_": 1, "empty": {}, "none": []},
}

names = ", ".join(NOTHING_LOST)
declared = "\n".join(f"let {name}: any = undefined;" for name in NOTHING_LOST if name != "plain")
cells = [
    (declared + '\nconst plain: "quick" | "full" = "quick";', {"tags": ["parameters"]}),
    ("const profile: 'quick' | 'full' = plain;", {}),
    (f"JSON.stringify({{ {names} }})", {}),
    ("[1 / infinite, Number.isNaN(missing)]", {}),
]
notebook = nbformat.v4.new_notebook(
    cells=[nbformat.v4.new_code_cell(source, metadata=metadata) for source, metadata in cells],
    metadata={"kernelspec": {"name": "erpo", "display_name": "erpo", "language": "typescript"}},
)
nbformat.write(notebook, "in.ipynb")

done = papermill.execute_notebook(
    "in.ipynb", "out.ipynb", parameters={**NOTHING_LOST, "infinite": float("-inf"), "missing": float("nan")}, progress_bar=False
)
text = done.cells[3].outputs[0]["data"]["text/plain"]


def refused(**parameters):
    try:
        papermill.execute_notebook("in.ipynb", "no.ipynb", parameters=parameters, prepare_only=True)
        return None
    except Exception as error:
        return str(error)


print(
    json.dumps(
        {
            "same": json.loads(eval(text)) == NOTHING_LOST,
            "special": done.cells[4].outputs[0]["data"]["text/plain"],
            "large": refused(x=[2**60]),
            "name": refused(**{"a-b": 1}),
            "help": [list(parameter.values()) for parameter in papermill.inspect_notebook("in.ipynb").values()][-1],
        }
    )
)
