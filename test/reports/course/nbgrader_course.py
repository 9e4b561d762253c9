"""Teacher's notebooks through the real nbgrader: students' copies, and two students' submissions graded. In the working folder: stub.txt,
source/course/*.ipynb, submitted/{right,wrong}/course/squares.ipynb. Prints JSON: students' sources by notebook and cell, and points by student."""

import json
import pathlib
import subprocess
import sys

import nbformat

CONFIG = f"""
c = get_config()
c.CourseDirectory.course_id = "erpo"
c.ClearSolutions.code_stub = {{"typescript": {pathlib.Path("stub.txt").read_text()!r}}}
"""


def nbgrader(*words):
    done = subprocess.run([sys.executable, "-m", "nbgrader", *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)


def sources(path):
    cells = nbformat.read(path, 4).cells
    return {cell.metadata.nbgrader.grade_id: cell.source for cell in cells if "nbgrader" in cell.metadata}


pathlib.Path("nbgrader_config.py").write_text(CONFIG)
nbgrader("generate_assignment", "course")
nbgrader("autograde", "course", "--notebook", "squares")

from nbgrader.api import Gradebook  # noqa: E402

with Gradebook("sqlite:///gradebook.db") as gradebook:
    points = {s.student.id: s.score for s in gradebook.assignment_submissions("course")}
released = {path.stem: sources(path) for path in pathlib.Path("release/course").glob("*.ipynb")}
print(json.dumps({"released": released, "points": points}))
