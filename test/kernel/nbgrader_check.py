"""An assignment in TypeScript through the real nbgrader: made, handed in by two students, graded. Prints JSON."""

import json
import pathlib
import subprocess
import sys

import nbformat

CONFIG = r"""
c = get_config()
c.CourseDirectory.course_id = "course"
c.ClearSolutions.code_stub = {"typescript": "// YOUR CODE HERE\nthrow new Error('not written yet');"}
c.ClearSolutions.begin_solution_delimeter = "BEGIN SOLUTION"
c.ClearSolutions.end_solution_delimeter = "END SOLUTION"
"""


def cell(name, source, grade, solution, points=0):
    metadata = {"grade_id": name, "grade": grade, "solution": solution, "locked": grade and not solution, "task": False, "schema_version": 3}
    if grade:
        metadata["points"] = points
    return nbformat.v4.new_code_cell(source, metadata={"nbgrader": metadata})


def nbgrader(*words):
    done = subprocess.run([sys.executable, "-m", "nbgrader", *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)


pathlib.Path("nbgrader_config.py").write_text(CONFIG)
source = pathlib.Path("source/ps1")
source.mkdir(parents=True)
solution = "function square(x: number): number {\n  // BEGIN SOLUTION\n  return x * x;\n  // END SOLUTION\n}"
test = "import assert from 'node:assert';\nassert.equal(square(3), 9);"
notebook = nbformat.v4.new_notebook(
    cells=[cell("square", solution, False, True), cell("test-square", test, True, False, 2)],
    metadata={"kernelspec": {"name": "erpo", "display_name": "erpo", "language": "typescript"}},
)
nbformat.write(notebook, source / "problem.ipynb")
nbgrader("generate_assignment", "ps1")
release = nbformat.read("release/ps1/problem.ipynb", 4)
for student, answer in {"right": "return x ** 2;", "wrong": "return x;"}.items():
    handed_in = nbformat.read("release/ps1/problem.ipynb", 4)
    stub = "// YOUR CODE HERE\n  throw new Error('not written yet');"
    handed_in.cells[0].source = handed_in.cells[0].source.replace(stub, answer)
    folder = pathlib.Path(f"submitted/{student}/ps1")
    folder.mkdir(parents=True)
    nbformat.write(handed_in, folder / "problem.ipynb")
nbgrader("autograde", "ps1")

from nbgrader.api import Gradebook  # noqa: E402

with Gradebook("sqlite:///gradebook.db") as gradebook:
    scores = {s.student.id: s.score for s in gradebook.assignment_submissions("ps1")}
print(json.dumps({"release": release.cells[0].source, "scores": scores}))
