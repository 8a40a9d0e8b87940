"""One self-contained HTML page: figures, tables and text, with the plotting library inlined once."""

import html
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ghostjax._files import write_atomic


class Heading(NamedTuple):
    """A section's title and what the reader should look for in it."""

    title: str
    text: str = ""


class Figure(NamedTuple):
    """A plotly figure and the sentence below it."""

    figure: Any
    caption: str = ""


class Table(NamedTuple):
    """Rows under named columns; the first column is the row's name. `marked` rows stand out."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    marked: frozenset[int] = frozenset()


class Cards(NamedTuple):
    """Headline numbers: `(value, what it is)` each."""

    cards: Sequence[tuple[str, str]]


Block = Heading | Figure | Table | Cards


POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""What a page may load: what it holds itself. The browser refuses everything from outside."""


def render(title: str, subtitle: str, blocks: Sequence[Block], provenance: str = "") -> str:
    """The page as text; `provenance` is shown as it is, folded, at the end."""
    style = files("ghostjax.report").joinpath("page.css").read_text(encoding="utf-8")
    body: list[str] = []
    drawings: list[str] = []
    for block in blocks:
        match block:
            case Heading():
                body.append(f"<h2>{_escape(block.title)}</h2>")
                if block.text:
                    body.append(f'<p class="lead">{_escape(block.text)}</p>')
            case Cards():
                cards = "".join(
                    f'<div class="card"><b>{_escape(v)}</b><span>{_escape(k)}</span></div>' for v, k in block.cards
                )
                body.append(f'<div class="cards">{cards}</div>')
            case Table():
                body.append(_table(block))
            case Figure():
                name = f"figure-{len(drawings)}"
                height = block.figure.layout.height or 380
                body.append(
                    f'<figure><div id="{name}" style="height:{height}px"></div>'
                    f"<figcaption>{_escape(block.caption)}</figcaption></figure>"
                )
                spec = block.figure.to_json().replace("</", "<\\/")
                drawings.append(
                    f"{{const f = {spec}; Plotly.newPlot({name!r}, f.data, f.layout, "
                    "{responsive: true, displaylogo: false, modeBarButtonsToRemove: ['lasso2d', 'select2d']});}"
                )
    if provenance:
        body.append(
            f"<details><summary>Configuration and provenance</summary><pre>{_escape(provenance)}</pre></details>"
        )
    return (
        preamble(title, subtitle, style, _plotting())
        + "\n".join(body)
        + f"</main><script>\n{chr(10).join(drawings)}\n</script></body></html>\n"
    )


def preamble(title: str, subtitle: str, style: str, script: str = "") -> str:
    """A page from its first line to its title and subtitle, inside an open `main`."""
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_escape(title)}</title><style>{style}</style>"
        + (f"<script>{script}</script>" if script else "")
        + f'</head><body><main><h1>{_escape(title)}</h1><p class="subtitle">{_escape(subtitle)}</p>'
    )


def _plotting() -> str:
    """The plotting library. It credits sources of maps, which no page here shows, by links in strings: their slashes
    are escaped (the same string to JavaScript), so that nothing in the page reads as an address."""
    from plotly.offline import get_plotlyjs

    return re.sub(r"""(href=\\?["'])(https?:)//""", r"\1\2\\/\\/", get_plotlyjs())


def write(path: Path, text: str) -> Path:
    """Writes `text` so that `path` holds either the old page or the whole new one."""
    write_atomic(path, text.encode("utf-8"))
    return path


def _table(table: Table) -> str:
    head = "".join(f"<th>{_escape(column)}</th>" for column in table.columns)
    rows = "".join(
        f'<tr class="{"marked" if i in table.marked else ""}">'
        + "".join(f"<td>{_cell(cell)}</td>" for cell in row)
        + "</tr>"
        for i, row in enumerate(table.rows)
    )
    caption = f"<figcaption>{_escape(table.caption)}</figcaption>" if table.caption else ""
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{caption}'


def _cell(text: str) -> str:
    """A cell; a range in brackets after two spaces goes below the value."""
    value, bracket, interval = str(text).partition("  [")
    return _escape(value) + (f"<small>[{_escape(interval)}</small>" if bracket else "")


def _escape(text: Any) -> str:
    return html.escape(str(text))
