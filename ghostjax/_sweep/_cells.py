"""Finished cells: in a folder that several processes share, or in memory."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ghostjax._files import create, read_plain, remove_drafts, sha256, write_atomic
from ghostjax._run._archive import CorruptFile, pack, quarantine, unpack_bytes
from ghostjax._run._describe import fingerprint
from ghostjax._run._result import RunResult
from ghostjax._sweep._claims import Claim, Claims


NAME = re.compile(r"[0-9a-f]{16}")
"""A cell's name: the beginning of the sha256 of its whole configuration."""


class Loaded(NamedTuple):
    """A finished cell: its record, its manifest, and the sha256 of its file."""

    record: dict[str, Any]
    manifest: dict[str, Any]
    sha256: str


class CellStore:
    """One idempotent file per cell, `cells/<name>.npz`, and a claim `cells/<name>.claim` while a worker computes it.

    A finished cell never changes. Two workers may compute the same cell if one was stopped for longer than the life of
    its claim; the first to finish writes the file, and the other result is dropped. Every file contains its name, which
    is the hash of the configuration in it. A file with another name than that is set aside.
    """

    def __init__(self, directory: Path | None):
        self._folder = None if directory is None else directory / "cells"
        self._claims = None if self._folder is None else Claims(self._folder)
        self._memory: dict[str, Loaded] = {}

    @property
    def shared(self) -> bool:
        """Whether cells are files, which other processes can read."""
        return self._folder is not None

    def open(self) -> None:
        """Makes the folder, and removes the drafts of killed writers."""
        if self._folder is not None:
            os.makedirs(self._folder, exist_ok=True)
            remove_drafts(self._folder)
            self.clear()

    def clear(self) -> None:
        """Removes claims of finished cells whose workers are gone."""
        if self._folder is None or self._claims is None:
            return
        for path in sorted(self._folder.glob("*.claim")):
            if os.path.lexists(self._path(path.stem)):
                self._claims.clear(path.stem)

    def load(self, name: str) -> Loaded | None:
        """A finished cell, or None. A file that cannot be this cell is set aside."""
        if self._folder is None:
            return self._memory.get(name)
        try:
            return read_cell(self._path(name))
        except FileNotFoundError:
            return None
        except CorruptFile as error:
            quarantine(self._path(name), error)
            return None

    def has(self, name: str) -> bool:
        """Whether the path of the finished cell exists."""
        return name in self._memory if self._folder is None else os.path.lexists(self._path(name))

    def save(self, name: str, record: dict[str, np.ndarray], manifest: dict[str, Any], replace: bool = False) -> bool:
        """Writes a finished cell. False if there is one already; it stays unless `replace`."""
        manifest = {**manifest, "name": name}
        if self._folder is None:
            self._memory[name] = Loaded(record, manifest, "")
            return True
        content = pack(record, manifest)
        if replace:
            write_atomic(self._path(name), content)
            return True
        return create(self._path(name), content)

    def claim(self, name: str) -> Claim | None:
        """A claim to compute a cell, or None while a live worker has it."""
        return Claim(None, None) if self._claims is None else self._claims.take(name)

    def others(self, names: Iterable[str]) -> list[str]:
        """Names of finished cells that are not among `names`."""
        if self._folder is None or not self._folder.is_dir():
            return []
        return sorted({path.stem for path in self._folder.glob("*.npz")} - set(names))

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{name}.npz"


def read_cell(path: Path) -> Loaded:
    """The cell in the file at `path`. `CorruptFile` if that is no cell, or another one."""
    try:
        content = read_plain(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CorruptFile(f"{path}: cannot be read ({error.strerror or error})") from error
    record, manifest = unpack_bytes(content, path)
    fault = _fault(path.stem, record, manifest)
    if fault:
        raise CorruptFile(f"{path}: {fault}")
    return Loaded(record, manifest, sha256(content))


def _fault(name: str, record: dict[str, Any], manifest: dict[str, Any]) -> str | None:
    """Why this cannot be the cell `name`, or None."""
    try:
        if manifest["name"] != name:
            return f"holds the cell {str(manifest['name'])[:40]}, and not the cell of its name"
        config, dims, environment = manifest["config"], manifest["dims"], manifest["environment"]
        if fingerprint(config)[:16] != name:
            return "holds a configuration that has another name"
        shapes = {key: np.shape(column) for key, column in record.items()}
        whole = manifest["result"] in RunResult.__members__ and isinstance(environment, dict)
        whole = whole and all(shape[:1] == (config["rounds"],) for shape in shapes.values())
        whole = whole and all(len(dims.get(key, ())) == len(shape) - 1 for key, shape in shapes.items())
        whole = whole and isinstance(config["rounds"], int) and isinstance(config["seed"], int)
        whole = whole and isinstance(manifest["attributes"], dict) and isinstance(manifest["program"], str)
    except (KeyError, TypeError, AttributeError, ValueError):
        whole = False
    return None if whole else "its checksum fits and its content does not"
