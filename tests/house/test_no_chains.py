"""No code asks a rule of which kind it is: a rule says what it does by methods and properties that every rule has."""

import ast
from pathlib import Path

import pytest

import ghostjax
from ghostjax import aggregators


ROOT = Path(ghostjax.__file__).parent
FOLDERS = ("aggregators", "protocols")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
RULES = {name for name, value in vars(aggregators).items() if isinstance(value, type)} - {"Context"}


def named(node):
    """The last name of `a.b.C`, and of each member of `A | B` or `(A, B)`."""
    parts = {ast.Name: "id", ast.Attribute: "attr", ast.Constant: "value"}
    if type(node) in parts:
        return {getattr(node, parts[type(node)])}
    return set().union(*(named(child) for child in ast.iter_child_nodes(node)))


def questions(text):
    """Lines that ask what something is by `hasattr`, by a name in text, or whether it is a rule of some kind."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            call, arguments = node.func.id, node.args
            by_name = call in ("getattr", "setattr", "delattr") and isinstance(arguments[1], ast.Constant)
            by_kind = call in ("isinstance", "issubclass") and named(arguments[1]) & RULES
            if call == "hasattr" or by_name or by_kind:
                found.append(f"{node.lineno}: {ast.unparse(node)}")
        if isinstance(node, ast.Compare):
            sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
            if any(side.startswith("type(") for side in sides):
                found.append(f"{node.lineno}: {ast.unparse(node)}")
        if isinstance(node, ast.MatchClass) and named(node.cls) & RULES:
            found.append(f"{node.lineno}: case {ast.unparse(node.cls)}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_asks_a_rule_what_it_is(path):
    assert not questions(path.read_text())


MUTANTS = {
    "by attribute": 'own = rule.f if hasattr(rule, "f") else 0',
    "by a name in text": 'own = getattr(rule, "bears", None)',
    "by kind": "if isinstance(rule, AbstractCoordinateRule): pass",
    "by one of several kinds": "if isinstance(rule, agg.AbstractWrapper | agg.Mean): pass",
    "by class": "if type(rule) is Mean: pass",
    "by pattern": "match rule:\n    case Krum(): pass",
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_chain_is_found(name):
    assert questions(MUTANTS[name])


def test_walking_the_fields_of_any_module_is_no_chain():
    assert not questions("[getattr(rule, field.name) for field in fields if isinstance(field, eqx.Module)]")
