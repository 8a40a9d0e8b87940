"""The record of a run in pieces: immutable sealed files, each of which names the one before it by its sha256.

A checkpoint binds the last piece and thereby all of them. A row of the record is written once.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._files import read_plain, remove, sha256
from ghostjax._run._archive import CorruptFile, pack, unpack_bytes, write_managed


NAME = re.compile(r"record-(\d{8,})-(\d{8,})-[0-9a-f]{12}\.npz")
Link = tuple[str, str]
"""A piece by its file's name and sha256."""


def write_segment(directory: Path, rows: dict[str, np.ndarray], start: int, stop: int, before: Link | None) -> Link:
    """Writes the rows of rounds `start` to `stop`; `before` is the piece that ends with round `start`."""
    content = pack(rows, {"start": start, "stop": stop, "before": before})
    digest = sha256(content)
    name = f"record-{start:08d}-{stop:08d}-{digest[:12]}.npz"
    write_managed(directory / name, content)
    return name, digest


def read_segments(directory: Path, last: Any, rounds: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """The record of `rounds` rounds that ends with `last`, and its files. `CorruptFile` if a piece is damaged."""
    pieces: list[dict[str, np.ndarray]] = []
    names: list[str] = []
    stop = rounds
    while stop > 0:
        rows, start, before = _read(directory, last, stop)
        if pieces and {k: (v.dtype, v.shape[1:]) for k, v in rows.items()} != {
            k: (v.dtype, v.shape[1:]) for k, v in pieces[-1].items()
        }:
            raise CorruptFile(f"{last[0]}: it records other columns than the pieces after it")
        pieces.append(rows)
        names.append(last[0])
        last, stop = before, start
    if last is not None:
        raise CorruptFile(f"{names[-1] if names else last}: something comes before the first round")
    pieces.reverse()
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}, names


def remove_others(directory: Path, kept: list[str]) -> None:
    """Removes pieces that no checkpoint uses any more."""
    for path in directory.glob("record-*.npz"):
        if path.name not in kept and NAME.fullmatch(path.name) and not path.is_dir():
            remove(path)


def _read(directory: Path, link: Any, stop: int) -> tuple[dict[str, np.ndarray], int, Any]:
    if not (isinstance(link, list | tuple) and len(link) == 2 and all(isinstance(part, str) for part in link)):
        raise CorruptFile(f"the record before round {stop} is not named")
    name, digest = link
    if NAME.fullmatch(name) is None:
        raise CorruptFile(f"{name!r} is no piece of a record")
    try:
        content = read_plain(directory / name)
    except OSError as error:
        raise CorruptFile(f"{name}, a piece of its record, cannot be read ({error.strerror or error})") from error
    if sha256(content) != digest:
        raise CorruptFile(f"{name}, a piece of its record, is damaged: its checksum does not fit")
    rows, manifest = unpack_bytes(content, directory / name)
    start: Any = manifest.get("start")
    fits = isinstance(start, int) and 0 <= start < stop and manifest.get("stop") == stop and bool(rows)
    if not fits or any(not isinstance(v, np.ndarray) or v.ndim < 1 or len(v) != stop - start for v in rows.values()):
        raise CorruptFile(f"{name}, a piece of its record, does not hold the rounds that it should")
    return rows, start, manifest.get("before")
