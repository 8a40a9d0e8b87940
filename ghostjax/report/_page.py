"""One self-contained HTML page: a verdict, figures, tables and text, with the plotting library inlined once."""

import html
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ghostjax._files import write_atomic
from ghostjax.report._plot import drawing, library


class Verdict(NamedTuple):
    """The answer in one sentence, and its grounds. It comes first on a page."""

    sentence: str
    grounds: Sequence[str] = ()


class Heading(NamedTuple):
    """A section's title, and a sentence that says how to read it."""

    title: str
    text: str = ""


class Figure(NamedTuple):
    """A plotly figure, its title, the sentence below it, and a description in words for screen readers."""

    figure: Any
    title: str
    text: str
    caption: str = ""


class Table(NamedTuple):
    """Rows under named columns; the first column is the row's name. `marked` rows stand out."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    marked: frozenset[int] = frozenset()


class Cards(NamedTuple):
    """Headline numbers, each as `(value, label)`."""

    cards: Sequence[tuple[str, str]]


Block = Verdict | Heading | Figure | Table | Cards


POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "form-action 'none'; base-uri 'none'"
)
"""The page may load only its own content. The browser blocks all requests to other places."""


def render(title: str, subtitle: str, blocks: Sequence[Block], provenance: str = "") -> str:
    """The page as text. A verdict as the first block is placed above `subtitle`. `provenance` is folded at the end."""
    first = blocks[0] if blocks and isinstance(blocks[0], Verdict) else None
    body: list[str] = [_verdict(first)] if first is not None else []
    body.append(f'<p class="subtitle">{_escape(subtitle)}</p>')
    drawings: list[str] = []
    for block in blocks if first is None else blocks[1:]:
        if isinstance(block, Figure):
            name = f"figure-{len(drawings)}"
            drawings.append(drawing(name, block.figure))
            body.append(_figure(name, block))
        else:
            body.append(_block(block))
    if provenance:
        body.append(
            f"<details><summary>Configuration and provenance</summary><pre>{_escape(provenance)}</pre></details>"
        )
    style = files("ghostjax.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        preamble(title, "", style, library())
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
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"<title>{_escape(title)}</title><style>{style}</style>"
        + (f"<script>{script}</script>" if script else "")
        + f"</head><body><main><h1>{_escape(title)}</h1>"
        + (f'<p class="subtitle">{_escape(subtitle)}</p>' if subtitle else "")
    )


def write(path: Path, text: str) -> Path:
    """Writes `text` atomically: `path` holds the old page or the whole new one."""
    write_atomic(path, text.encode("utf-8"))
    return path


def _block(block: Verdict | Heading | Table | Cards) -> str:
    match block:
        case Verdict():
            return _verdict(block)
        case Heading():
            text = f'<p class="lead">{_escape(block.text)}</p>' if block.text else ""
            return f"<h2>{_escape(block.title)}</h2>{text}"
        case Cards():
            cards = "".join(
                f'<div class="card"><b>{_escape(v)}</b><span>{_escape(k)}</span></div>' for v, k in block.cards
            )
            return f'<div class="cards">{cards}</div>'
        case Table():
            return _table(block)


def _verdict(block: Verdict) -> str:
    grounds = "".join(f"<li>{_prose(ground)}</li>" for ground in block.grounds)
    return f'<p class="verdict">{_prose(block.sentence)}</p>' + (
        f'<ul class="grounds">{grounds}</ul>' if grounds else ""
    )


def _figure(name: str, block: Figure) -> str:
    height = block.figure.layout.height or 360
    caption = f"<figcaption>{_escape(block.caption)}</figcaption>" if block.caption else ""
    return (
        f'<figure><h3 id="{name}-title">{_escape(block.title)}</h3>'
        f'<div id="{name}" class="chart" style="height:{height}px" role="img" aria-label="{_escape(block.text)}"></div>'
        f"<noscript><p>{_escape(block.text)}</p></noscript>{caption}</figure>"
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_escape(column)}</th>' for column in table.columns)
    rows = "".join(
        f'<tr class="{"marked" if i in table.marked else ""}">'
        + "".join(f"<td>{_cell(cell)}</td>" for cell in row)
        + "</tr>"
        for i, row in enumerate(table.rows)
    )
    caption = f"<figcaption>{_escape(table.caption)}</figcaption>" if table.caption else ""
    return (
        '<figure class="table"><div class="scroll" tabindex="0"><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{caption}</figure>"
    )


def _cell(text: str) -> str:
    """A table cell. A range in brackets after two spaces is placed below the value."""
    value, bracket, interval = str(text).partition("  [")
    return _escape(value) + (f"<small>[{_escape(interval)}</small>" if bracket else "")


def _prose(text: str) -> str:
    """Text with names in backticks marked as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _escape(text))


def _escape(text: Any) -> str:
    return html.escape(str(text))
