"""Parses flags into frozen dataclasses; a wrong flag is refused in one line."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any

import tyro

from ghostjax._types import ConfigurationError


def parse(command: str, kind: type, default: Any, argv: Sequence[str], usage: str = "[flags]") -> Any:
    """A `kind` from `default` and the flags of `ghostjax command`; wrong ones are `ConfigurationError`."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                kind, prog=f"ghostjax {command} {usage}", args=list(argv), default=default,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagConversionOff),
            )  # fmt: skip
    except SystemExit as error:
        if error.code in (None, 0):
            raise
    files = [word for word in argv if word.endswith((".yaml", ".yml"))]
    if files and "CONFIG" in usage:
        raise ConfigurationError(
            f"{command}: {' '.join(files)}: one file comes before the flags: ghostjax {command} CONFIG.yaml [flags]"
        )
    raise ConfigurationError(f"{command}: {_line(said.getvalue())}; see ghostjax {command} --help")


def _line(box: str) -> str:
    """The message of a drawn box, and the flag that it suggests, as one line."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)
    rows = [row.strip(" │╭╮╰╯|") for row in plain.splitlines()]
    parts: list[list[str]] = [[]]
    for row in rows:
        if re.search(r"[─-]{4,}", row):
            parts.append([])
        elif row:
            parts[-1].append(row)
    # The title is in the frame, or in a separate line above it; the message comes first inside.
    message = " ".join(parts[1]) if len(parts) > 1 else " ".join(parts[0])
    near = re.search(r"Perhaps you meant:\s*(--[\w-]+)", " ".join(rows))
    return message.rstrip(".") + (f": did you mean {near[1]}?" if near else "")
