"""Finds and checks data files in a local folder of the user. Nothing is downloaded."""

import os
from collections.abc import Sequence
from pathlib import Path

from ghostjax._types import ConfigurationError


class DataError(ConfigurationError):
    """A data file that is missing or wrong. The error names the file, the expected content, and the content found."""


def refuse(path: Path, expected: str, found: str) -> DataError:
    """The error for a wrong file."""
    return DataError(f"{path}: expected {expected}, found {found}")


def data_folder(call: str, folder: str | Path | None) -> Path:
    """The folder given, or that of the environment variable GHOSTJAX_DATA."""
    chosen = folder or os.environ.get("GHOSTJAX_DATA")
    if not chosen:
        raise DataError(
            f"{call}: folder=None: give folder=... or set GHOSTJAX_DATA to a folder that holds the data files"
        )
    path = Path(chosen).expanduser()
    if not path.is_dir():
        raise DataError(
            f"{call}: folder={path}: no such folder; give folder=... or set GHOSTJAX_DATA to one that exists"
        )
    return path


def find(call: str, folder: Path, places: Sequence[str], names: Sequence[str]) -> Path:
    """The first of `folder/place/name` that is a file, places first."""
    for place in places:
        for name in names:
            path = folder / place / name
            if path.is_file():
                return path
    tried = ", ".join(names)
    below = ", ".join(f"{place or '.'}/" for place in places)
    raise DataError(f"{call}: folder={folder}: none of the files {tried} in {below}; put one there")
