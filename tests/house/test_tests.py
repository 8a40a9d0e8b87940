"""The tests are one package: helpers are imported relatively, and no file grows beyond what one can read."""

import ast
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_one_package_of_short_files(path):
    text = path.read_text()
    assert (path.parent / "__init__.py").exists(), f"{path.parent}: add an empty __init__.py"
    assert len(text.splitlines()) <= 500, f"{path}: split it by what it tests"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            assert name != "sys.path" and not name.endswith("spec_from_file_location"), (
                f"{path}:{node.lineno}: import it relatively: `from .table import TABLE`"
            )
