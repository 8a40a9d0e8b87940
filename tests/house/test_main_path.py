"""The main path is read in one sitting: the round on a page, and no function on the way that needs two."""

import ast
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2] / "ghostjax"
PATHS = [
    *(ROOT / f"_{name}.py" for name in ("step", "round", "simulation", "rollout")),
    *(ROOT / "protocols").glob("*.py"),
]
ROUND, ANY = 40, 60
"""The largest number of lines of the round, and of any function on its way, without docstrings."""


def lengths(text):
    """The lines of every function from its `def` on, its docstring left out."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            docstring = (first.end_lineno or 0) - first.lineno + 1 if said else 0
            found[node.name] = max(found.get(node.name, 0), (node.end_lineno or 0) - node.lineno + 1 - docstring)
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_are_short(path):
    long = {name: lines for name, lines in lengths(path.read_text()).items() if lines > ANY}
    assert not long, f"{path}: longer than {ANY} lines: {long}"


def test_the_round_is_on_one_page():
    assert lengths((ROOT / "_step.py").read_text())["step"] <= ROUND


def test_lines_are_counted_without_the_docstring():
    text = 'def outer():\n    """Says.\n\n    More.\n    """\n    def inner():\n        return 1\n    return inner\n'
    assert lengths(text) == {"outer": 4, "inner": 2}
