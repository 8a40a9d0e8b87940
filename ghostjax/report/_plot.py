"""The plotting library inside a page, without links to other places."""

import functools
import re
from importlib.resources import files
from typing import Any


@functools.cache
def library() -> str:
    """The plotting library and the code that draws with it.

    The library's address for sharing charts is removed. Its credits for map sources, which no page here shows, contain
    links in strings. Their slashes are escaped (JavaScript reads the same string), so that the page contains no text
    that looks like an address.
    """
    from plotly.offline import get_plotlyjs

    text = re.sub(r"""https?://(?:[a-z-]+\.)?plotly\.com[^"'`\s)>]*""", "", get_plotlyjs())
    text = re.sub(r"""(href=\\?["'])(https?:)//""", r"\1\2\\/\\/", text)
    return text + "\n" + files("ghostjax.report").joinpath("page.js").read_text(encoding="utf-8")


def drawing(name: str, figure: Any) -> str:
    """The call that draws `figure` into the element `name`."""
    spec = figure.to_json().replace("</", "<\\/")
    return f"draw({name!r}, {spec});"
