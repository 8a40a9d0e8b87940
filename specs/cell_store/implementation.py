"""The sweep's own cell store under two workers that crash."""

import json
import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
from operations import Killed, Operations, playing

import ghostjax as gj
from ghostjax._run._describe import fingerprint
from ghostjax._sweep._cells import CellStore
from ghostjax._sweep._claims import Claim, STALE
from ghostjax.formal import Event, Implementation, Recording


MEMORY = Path("/dev/shm")
"""Where files need no disk: the store flushes each to it, and a flush takes longer than a step of the machine."""


class Forbidden(Exception):
    """The implementation says no."""


def allow(condition):
    """Says no unless `condition`."""
    if not condition:
        raise Forbidden


ENVIRONMENT = {"jax": "any"}


def named(cell):
    """The configuration of a cell, and the name that it gives its file."""
    config = {"rounds": 3, "seed": cell}
    return config, fingerprint(config)[:16]


class TwoWorkers:
    """The sweep's own cell store in a folder, under two workers that crash, fall silent and find damaged files."""

    refuses = {"Take": Forbidden, "Save": Forbidden, "Release": Forbidden}

    def __init__(self, state):
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.names = [named(c)[1] for c in range(len(state.done))]
        self.stores = [CellStore(self.folder) for _ in state.busy]
        for store in self.stores:
            store.open()
        self.busy: list[int | None] = [None] * len(state.busy)
        self.saved = [False] * len(state.busy)
        self.claims: list = [None] * len(state.busy)
        self.owners: dict[int, int] = {}

    def _path(self, cell, suffix):
        return self.folder / "cells" / f"{self.names[cell]}.{suffix}"

    def Take(self, w, c):
        allow(self.busy[w] is None and self.stores[w].load(self.names[c]) is None)
        claim = self.claim(w, c)
        allow(claim is not None)
        self.busy[w], self.claims[w] = c, claim

    def claim(self, w, c):
        return self.stores[w].claim(self.names[c])

    def Save(self, w):
        allow(self.busy[w] is not None and not self.saved[w])
        self.save(w, self.busy[w])
        self.saved[w] = True

    def save(self, w, c, replace=False):
        # Real workers write the same bytes; these say who wrote, so that a change is seen.
        manifest = {"result": "completed", "dims": {}, "attributes": {}, "environment": ENVIRONMENT, "program": ""}
        record = {"writer": np.full(3, w + 1)}
        self.stores[w].save(self.names[c], record, {**manifest, "config": named(c)[0]}, replace)

    def Release(self, w):
        allow(self.busy[w] is not None and self.saved[w])
        self.claims[w].release()
        self._leave(w)

    def _leave(self, w):
        self.busy[w], self.claims[w], self.saved[w] = None, None, False

    def Drop(self, w):
        allow(self.busy[w] is not None and not self.saved[w] and not self.claims[w].heartbeat())
        allow(self.stores[w].has(self.names[self.busy[w]]))
        self.claims[w].release()
        self._leave(w)

    def Clear(self, c):
        allow(self.stores[0].has(self.names[c]) and self._path(c, "claim").exists() and self._stale(c))
        for other in range(len(self.names)):  # all of them are cleared at once; here one at a time
            if other != c and self._path(other, "claim").exists():
                os.rename(self._path(other, "claim"), self._path(other, "kept"))
        self.stores[0].clear()
        for other in range(len(self.names)):
            if self._path(other, "kept").exists():
                os.rename(self._path(other, "kept"), self._path(other, "claim"))

    def Crash(self, w):
        allow(self.busy[w] is not None)
        self._silence(w)
        self._leave(w)

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
        return self.busy[w] == c and self.claims[w] is not None and self.claims[w].held()

    def _silence(self, w):
        """Lets the time pass after which a claim without a sign of life counts as left behind."""
        cell = self.busy[w]
        if self._owns(w, cell):
            long_ago = time.time() - STALE - 1
            os.utime(self._path(cell, "claim"), (long_ago, long_ago))

    def _stale(self, c):
        return time.time() - self._path(c, "claim").stat().st_mtime > STALE

    def abstraction(self):
        hold, stale, done = [], [], []
        for c, name in enumerate(self.names):
            there = self._path(c, "claim").exists()
            # Who wrote the claim: it is remembered after a worker died.
            for w in range(len(self.busy)):
                self.owners[c] = w if self._owns(w, c) else self.owners.get(c, 0)
            hold.append(self.owners[c] + 1 if there else 0)
            stale.append(there and self._stale(c))
            cell = self.stores[0].load(name)
            done.append(0 if cell is None else int(cell.record["writer"][0]))
        busy = [0 if cell is None else cell + 1 for cell in self.busy]
        return {"done": done, "hold": hold, "stale": stale, "busy": busy, "saved": self.saved}

    def close(self):
        shutil.rmtree(self.folder)


class RecklessWorkers(TwoWorkers):
    """Mutant: a claim is removed without asking whose it is."""

    def Release(self, w):
        allow(self.busy[w] is not None and self.saved[w])
        self._path(self.busy[w], "claim").unlink(missing_ok=True)
        self._leave(w)


class OverwritingWorkers(TwoWorkers):
    """Mutant: whoever ends last puts its file over a finished one."""

    def save(self, w, c, replace=True):
        super().save(w, c, replace)


def implementations() -> dict[str, Implementation]:
    """The store; workers that remove claims without asking whose they are, and that overwrite what is finished."""
    return {"two workers": Implementation(TwoWorkers, {"reckless": RecklessWorkers, "overwriting": OverwritingWorkers})}


ROUNDS = 3
PROBLEM = gj.Simulation(gj.tasks.quadratic(3), gj.protocols.Server(gj.aggregators.Mean()))
DEATHS = (26, 12, 18, 22, 30, 36, 42)
"""Operations at which worker A dies: in its plan, its first claim, its first cell, its second."""


def events(log, names):
    """What file operations mean: claims and cells that are linked into place, and claims that are removed."""
    found, finished, busy = [], set(), set()
    for w, operation, *files in log:
        name, _, rest = files[-1 if operation == "link" else 0].partition(".") if files else ("", "", "")
        if operation == "dies" and w in busy:
            found.append(Event("Crash", {"w": w}))
            busy.discard(w)
        elif (operation, rest) == ("link", "claim"):
            found.append(Event("Take", {"w": w, "c": names.index(name)}))
            busy.add(w)
        elif (operation, rest) == ("link", "npz"):
            found.append(Event("Save", {"w": w}))
            finished.add(name)
        elif (operation, rest) == ("unlink", "claim"):
            found.append(Event("Release", {"w": w}))
            busy.discard(w)
        elif (operation, rest) == ("rename", "claim") and name in finished:  # else a part of taking it over
            found.append(Event("Clear", {"c": names.index(name)}))
    return found


def recorded(at=None):
    """The events of a sweep of two cells: A dies at its operation `at`, B plays on, A starts again."""
    root = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    log: list = []

    def play(worker, born, at=None):
        with playing(Operations(worker, log, at), born):
            gj.sweep(PROBLEM, {}, ROUNDS, seeds=2, directory=root, progress=None)

    try:
        try:
            play(0, 1, at)
        except Killed:
            log.append((0, "dies"))
        play(1, 2)
        play(0, 3)
        names = json.loads((root / "sweep.json").read_text())["about"]["cells"]
        return events(log, names)
    finally:
        shutil.rmtree(root)


def forgetful():
    """A recording of workers that never give a claim up."""
    with mock.patch.object(Claim, "release", lambda self: None):
        return recorded()


def traces() -> dict[str, Recording]:
    """File operations of real sweeps; workers that never give a claim up must fail."""
    return {
        "file operations": Recording(
            record=lambda: [recorded(at) for at in DEATHS],
            mutants={"forgetful": forgetful},
            end=lambda s: (s.done > 0).all() & (s.hold == 0).all() & (s.busy == 0).all(),
        )
    }
