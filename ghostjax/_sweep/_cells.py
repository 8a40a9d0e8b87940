"""Finished cells, and who works on which: in a folder that several processes share, or in memory."""

import json
import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._files import write_atomic
from ghostjax._run._archive import CorruptFile, pack, quarantine, unpack


STALE = 600.0
"""Seconds without a sign of life after which a claim counts as left behind."""


class CellStore:
    """One idempotent file per cell, `cells/<name>.npz`; a claim `cells/<name>.claim` while somebody computes it.

    A claim is created exclusively, touched after every chunk, and removed with the file in place. One that was not
    touched for `STALE` seconds (or five chunks, if those are longer) may be taken over, one of a dead process on
    this machine at once. Should two workers compute a cell after all, they write the same bytes.
    """

    def __init__(self, directory: Path | None):
        self._folder = None if directory is None else directory / "cells"
        self._memory: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)

    def load(self, name: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Arrays and manifest of a finished cell, or None; a corrupt file is set aside."""
        if self._folder is None:
            return self._memory.get(name)
        path = self._folder / f"{name}.npz"
        try:
            return unpack(path)
        except FileNotFoundError:
            return None
        except CorruptFile as error:
            quarantine(path, error)
            return None

    def save(self, name: str, arrays: dict[str, np.ndarray], manifest: dict[str, Any]) -> None:
        """Keeps a finished cell."""
        if self._folder is None:
            self._memory[name] = arrays, manifest
        else:
            write_atomic(self._folder / f"{name}.npz", pack(arrays, manifest))

    def claim(self, name: str) -> "Claim | None":
        """The right to compute a cell, or None while somebody alive has it."""
        if self._folder is None:
            return Claim(None)
        return Claim.take(self._folder / f"{name}.claim")


class Claim:
    """The right to compute one cell."""

    def __init__(self, path: Path | None, owner: str = ""):
        self._path, self._owner = path, owner
        self._last, self._longest = time.monotonic(), 0.0

    @classmethod
    def take(cls, path: Path) -> "Claim | None":
        """Creates the claim, or takes over one left behind."""
        held = _read(path)
        if held is not None:
            if not _left_behind(path, held):
                return None
            aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.stale")
            try:
                os.rename(path, aside)  # of several that see it stale, one gets it
            except FileNotFoundError:
                return None
            if _read(aside) != held:  # a new owner came between the look and the rename: give it back
                try:
                    os.link(aside, path)
                finally:
                    aside.unlink(missing_ok=True)
                return None
            aside.unlink(missing_ok=True)
        me = {"id": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid())}
        owner = json.dumps(me)
        # Written aside and linked into place: the claim appears with its content or not at all.
        draft = path.with_name(f".{path.name}.{me['id'][:12]}.tmp")
        draft.write_text(owner)
        try:
            os.link(draft, path)
        except FileExistsError:
            return None
        finally:
            draft.unlink()
        return cls(path, owner)

    def beat(self) -> None:
        """A sign of life, after every chunk."""
        if self._path is None:
            return
        now = time.monotonic()
        self._longest, self._last = max(self._longest, now - self._last), now
        # The time until which the claim holds is written as its modification time, `STALE` ahead of which readers wait.
        ahead = max(0.0, 5 * self._longest - STALE)
        try:
            os.utime(self._path, (time.time(), time.time() + ahead))
        except FileNotFoundError:
            return

    def release(self) -> None:
        """Gives the claim up, unless somebody else has taken it over meanwhile."""
        if self._path is not None and _read(self._path) == self._owner:
            self._path.unlink(missing_ok=True)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _left_behind(path: Path, held: str) -> bool:
    try:
        owner = json.loads(held)
        age = time.time() - path.stat().st_mtime
    except (ValueError, FileNotFoundError):
        return False
    if owner["host"] == socket.gethostname() and owner["born"] is not None and _born(owner["pid"]) != owner["born"]:
        return True
    return age > STALE


def _born(pid: int) -> str | None:
    """When process `pid` of this machine began, so that a reused number is not mistaken; None if unknown or dead."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] == "Z" else fields[19]
