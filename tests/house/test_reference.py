"""The reference has a page for every public package, and its pages are written from docstrings alone."""

import pkgutil
from pathlib import Path

import ghostjax


REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
COMMANDS = "ghostjax.cli"
"""Not for import: its reference is `ghostjax --help`."""


def public():
    found = [m for m in pkgutil.walk_packages(ghostjax.__path__, "ghostjax.") if m.ispkg and "._" not in m.name]
    return {"ghostjax", "ghostjax.ops", *(m.name for m in found)} - {COMMANDS}


def test_every_public_package_has_its_page():
    pages = {path for path in REFERENCE.glob("*.md") if path.name != "index.md"}
    assert {path.name for path in pages} == {f"{name.removeprefix('ghostjax.')}.md" for name in public()}
    written = {path.read_text() for path in pages}
    assert written == {f"# {name}\n\n```{{members}} {name}\n```\n" for name in public()}
