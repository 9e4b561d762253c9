"""Lets papermill set the parameters of TypeScript notebooks: `papermill in.ipynb out.ipynb -p alpha 0.1`."""

import json
import re

from papermill.engines import NBClientEngine
from papermill.exceptions import PapermillException
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

DECLARATION = re.compile(
    r"^(?:export\s+)?(?:const|let|var)\s+(?P<name>[^\W\d][\w$]*|[$][\w$]*)\s*(?::\s*(?P<type>[^=;]+?))?\s*=\s*(?P<value>.*?)\s*;?\s*(?://\s*(?P<help>.*))?$"
)
IDENTIFIER = re.compile(r"[^\W\d][\w$]*|[$][\w$]*")
EXACT = 2**53


class TypeScriptTranslator(Translator):
    """
    Writes parameters as TypeScript declarations. papermill does not tell a translator how the `parameters` cell declares them, and a
    string may stand for one of a few literals there: all but numbers and booleans are declared as `any`.
    """

    @classmethod
    def codify(cls, parameters, comment="Parameters"):
        return "".join(f"{line}\n" for line in [cls.comment(comment), *(cls.assign(name, value) for name, value in parameters.items())])

    @classmethod
    def assign(cls, name, value):
        if not IDENTIFIER.fullmatch(name):
            raise PapermillException(f"parameter {name!r}: not a name that TypeScript code can use")
        typed = "" if isinstance(value, (bool, int, float)) else ": any"
        return f"var {name}{typed} = {cls.translate(value, name)};"

    @classmethod
    def translate(cls, value, name="value"):
        """JSON is TypeScript, but for integers that a JavaScript number cannot hold; NaN and the infinities have the same names."""
        for number in integers(value):
            if abs(number) > EXACT:
                raise PapermillException(f"parameter {name!r}: {number} is beyond 2**53, where numbers are not exact; give it as a string")
        return json.dumps(value, default=str)

    @classmethod
    def comment(cls, text):
        return f"// {text}".rstrip()

    @classmethod
    def inspect(cls, parameters_cell):
        """The declarations of a `parameters` cell, for `papermill --help-notebook`."""
        found = (DECLARATION.match(line) for line in parameters_cell["source"].splitlines())
        return [Parameter(m["name"], (m["type"] or "None").strip(), m["value"], m["help"] or "") for m in found if m]


def integers(value):
    """All the integers in nested lists and dicts."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from integers(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from integers(item)


class ErpoEngine(NBClientEngine):
    """papermill's own engine under another name: its entry point is what makes papermill load this module."""


papermill_translators.register("typescript", TypeScriptTranslator)
