"""What the package imports is declared, and what is declared is used."""

import ast
import re
import sys
import tomllib
from pathlib import Path


ROOT = Path(__file__).parents[2]
SOURCES = [*sorted((ROOT / "ghostjax").rglob("*.py")), ROOT / "ghostjax_pytest.py"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORTED_AS = {"scikit-learn": "sklearn", "pyyaml": "yaml"}
BY_NAME = {"h5netcdf"}
"""Given to xarray as the name of an engine."""
BEHIND = {"h5py"}
"""The backend of h5netcdf, which leaves the choice to whoever installs it."""


def names(requirements):
    return {re.split(r"[^\w-]", text)[0].lower() for text in requirements}


def imported():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield node.module.split(".")[0]


def test_imports_and_declared_dependencies_are_the_same():
    declared = {IMPORTED_AS.get(name, name) for name in names(PROJECT["dependencies"])}
    tests = {"pytest"}  # the plugin is loaded by pytest itself
    found = set(imported()) - set(sys.stdlib_module_names) - {"ghostjax", "ghostjax_pytest"} - tests
    assert found | BY_NAME | BEHIND == declared
    assert all(any(f'"{name}"' in path.read_text() for path in SOURCES) for name in BY_NAME)


def test_every_extra_is_for_something_here():
    assert PROJECT["optional-dependencies"].keys() == {
        "track",
        "ledger",
        "test",
        "dev",
        "docs",
        "cuda12",
        "cuda13",
        "tpu",
    }
    # Imported by name, where it is installed.
    for extra in ("track", "ledger"):
        assert [name for name in PROJECT["optional-dependencies"][extra] for path in SOURCES
                if f'import_module("{re.split("[>=]", name)[0]}' in path.read_text()]  # fmt: skip
