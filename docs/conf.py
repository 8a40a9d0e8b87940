"""Sphinx configuration: `make docs` builds the pages and the reference into build/docs, and a warning is an error.

Docstrings are Markdown, as the pages are. The directive `members` writes a package's public names with them, as objects
of the Python domain. Files of the repository beside `docs/` that pages point to are pages as well (`COPIES`).
"""

import importlib
import inspect
import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


project = "ghostjax"
extensions = ["myst_nb"]
html_theme = "furo"
nb_execution_mode = "off"
exclude_patterns = ["build"]

DOCS = Path(__file__).resolve().parent
COPIES = {"start": DOCS.parent / "README.md", "benchmarks": DOCS.parent / "benchmarks" / "README.md"}
"""Pages whose text is that of a file outside `docs/`."""
LINK = re.compile(r"\]\(([\w./-]+\.md)(#[\w-]*)?\)")


def read(app: Sphinx, page: str, source: list[str]) -> None:
    """The text of a page, its links to files made links to pages."""
    path = COPIES.get(page, Path(app.env.doc2path(page)))
    folder = path.resolve().parent
    pages = {copied: f"{name}.md" for name, copied in COPIES.items()}

    def to_page(link: re.Match[str]) -> str:
        target = (folder / link[1]).resolve()
        return f"](/{pages.get(target, os.path.relpath(target, DOCS))}{link[2] or ''})"

    source[0] = LINK.sub(to_page, path.read_text() if page in COPIES else source[0])


class Members(SphinxDirective):
    """The docstring of a package and everything that it lists as public."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        package = importlib.import_module(self.arguments[0])
        return self.parse_text_to_nodes("\n\n".join([inspect.getdoc(package) or "", *map(described, public(package))]))


def public(package: ModuleType) -> list[tuple[str, Any]]:
    """Names and values that are no modules, of the package's own."""
    found = {name: value for name, value in vars(package).items() if not name.startswith("_")}
    ours = {name: value for name, value in found.items() if not isinstance(value, ModuleType)}
    return [(f"{package.__name__}.{name}", value) for name, value in ours.items() if documented(value)]


def documented(value: Any) -> bool:
    """Whether it is a class, a function or a property of this package, with a docstring that is not inherited."""
    kind = inspect.isclass(value) or inspect.isroutine(value) or isinstance(value, property)
    return kind and bool(value.__doc__) and str(getattr(value, "__module__", "ghostjax")).startswith("ghostjax")


def described(member: tuple[str, Any]) -> str:
    """A class or function in Markdown: its signature, its docstring, and methods that have one of their own."""
    name, value = member
    if not inspect.isclass(value):
        return directive("function", name, value)
    own = [(key, getattr(value, key)) for key, one in vars(value).items() if key[0] != "_" and documented(one)]
    methods = [directive("attribute" if isinstance(one, property) else "method", key, one) for key, one in own]
    return directive("class", name, value, methods)


def directive(kind: str, name: str, value: Any, inside: Iterable[str] = ()) -> str:
    text = "\n\n".join([inspect.getdoc(value) or "", *inside])
    fence = "`" * (1 + max(map(len, re.findall("`{3,}", text)), default=2))
    return f"{fence}{{py:{kind}}} {name}{'' if kind == 'attribute' else signature(value)}\n\n{text}\n{fence}"


def signature(value: Any) -> str:
    """Parameters with their defaults; the docstring says what they are."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:
        return "()"
    plain = [
        one.replace(annotation=one.empty, default=default(one.default)) for one in parameters if one.name != "self"
    ]
    return str(inspect.Signature(plain))


class Code(str):
    """Text that is shown without quotes."""

    __repr__ = str.__str__


def default(value: Any) -> Any:
    """A default as it is written; `...` where that is long, or made anew for every object."""
    if value is inspect.Parameter.empty:
        return value
    text = repr(value.item() if getattr(value, "shape", None) == () else value)
    return Code(text if len(text) < 30 and "<" not in text else "...")


def setup(app: Sphinx) -> None:
    app.connect("source-read", read)
    app.add_directive("members", Members)
