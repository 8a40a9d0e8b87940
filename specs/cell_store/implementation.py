"""The sweep's own cell store under two workers that crash."""

import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from ghostjax._sweep._cells import CellStore, STALE
from ghostjax.formal import Implementation


MEMORY = Path("/dev/shm")
"""Where files need no disk: the store flushes each to it, and a flush takes longer than a step of the machine."""


class Forbidden(Exception):
    """The implementation says no."""


def allow(condition):
    """Says no unless `condition`."""
    if not condition:
        raise Forbidden


class TwoWorkers:
    """The sweep's own cell store in a folder, under two workers that crash, fall silent and find damaged files."""

    refuses = {"Take": Forbidden, "Finish": Forbidden}

    def __init__(self, state):
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.names = [f"cell{c}" for c in range(len(state.done))]
        self.stores = [CellStore(self.folder) for _ in state.busy]
        self.busy: list[int | None] = [None] * len(state.busy)
        self.claims: list = [None] * len(state.busy)
        self.owners: dict[int, str] = {}

    def _path(self, cell, suffix):
        return self.folder / "cells" / f"{self.names[cell]}.{suffix}"

    def Take(self, w, c):
        allow(self.busy[w] is None and self.stores[w].load(self.names[c]) is None)
        claim = self.claim(w, c)
        allow(claim is not None)
        self.busy[w], self.claims[w] = c, claim

    def claim(self, w, c):
        return self.stores[w].claim(self.names[c])

    def _save(self, w):
        allow(self.busy[w] is not None)
        cell = self.busy[w]
        self.stores[w].save(self.names[cell], {"loss": np.arange(3.0) + cell}, {"result": "completed", "dims": {}})

    def Finish(self, w):
        self._save(w)
        self.claims[w].release()
        self.busy[w] = self.claims[w] = None

    def Crash(self, w):
        allow(self.busy[w] is not None)
        self._silence(w)
        self.busy[w] = self.claims[w] = None

    def CrashAfterSave(self, w):
        self._save(w)
        self.Crash(w)

    def Expire(self, w):
        allow(self.busy[w] is not None and self._owns(w, self.busy[w]) and not self._stale(self.busy[w]))
        self._silence(w)

    def Damage(self, c):
        path = self._path(c, "npz")
        allow(path.exists())
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert self.stores[0].load(self.names[c]) is None and said

    def _owns(self, w, c):
        path = self._path(c, "claim")
        return path.exists() and self.claims[w] is not None and path.read_text() == self.claims[w]._owner

    def _silence(self, w):
        """Lets the time pass after which a claim without a sign of life counts as left behind."""
        cell = self.busy[w]
        if self._owns(w, cell):
            long_ago = time.time() - STALE - 1
            os.utime(self._path(cell, "claim"), (long_ago, long_ago))

    def _stale(self, c):
        return time.time() - self._path(c, "claim").stat().st_mtime > STALE

    def abstraction(self):
        hold, stale = [], []
        for c in range(len(self.names)):
            path = self._path(c, "claim")
            if path.exists():
                # Who wrote the claim: a worker remembers its own even after it died.
                for w, claim in enumerate(self.claims):
                    if claim is not None and path.read_text() == claim._owner:
                        self.owners[c] = w
            hold.append(self.owners[c] + 1 if path.exists() else 0)
            stale.append(path.exists() and self._stale(c))
        done = [self.stores[0].load(name) is not None for name in self.names]
        busy = [0 if cell is None else cell + 1 for cell in self.busy]
        return {"done": done, "hold": hold, "stale": stale, "busy": busy}

    def close(self):
        shutil.rmtree(self.folder)


class RecklessWorkers(TwoWorkers):
    """Broken twin: a claim is removed without asking whose it is."""

    def Finish(self, w):
        self._save(w)
        self._path(self.busy[w], "claim").unlink(missing_ok=True)
        self.busy[w] = self.claims[w] = None


def implementations() -> dict[str, Implementation]:
    """The store, and workers that remove claims without asking whose they are."""
    return {"two workers": Implementation(TwoWorkers, {"reckless": RecklessWorkers})}
