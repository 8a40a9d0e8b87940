"""Checkpoint and resume of `simulate`, in a folder where it is killed and its files are damaged."""

import contextlib
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
import optax

import ghostjax as gj
from ghostjax._run import _run as saving
from ghostjax._run._archive import CorruptFile, unpack
from ghostjax.formal import Implementation


MEMORY = Path("/dev/shm")
"""Where files need no disk; a flush of a real one takes longer than a whole step of the machine."""


class Killed(BaseException):
    """The process is gone."""


ROUNDS = 4
PROBLEM = gj.Simulation(
    gj.tasks.quadratic(3, 2, seed=0, noise=0.1),
    gj.protocols.Server(gj.aggregators.CenteredClipping(), gj.Optimizer(optax.sgd, learning_rate=0.1, momentum=0.9)),
    metrics=(gj.metrics.Goal(),),
)


class InterruptedRun:
    """`simulate` with a folder: killed between chunks, its newest checkpoint damaged, and called again.

    The dataset of a finished run, which comes after all that is specified here, is left out: netCDF would take four
    times as long as everything else.
    """

    reference: tuple[np.ndarray, ...] | None = None

    def __init__(self, state: Any):
        del state
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.damaged, self.result = False, 0

    def _play(self, dies_at: int | None) -> gj.Run | None:
        def progress(done: int, total: int, latest: Any) -> None:
            if done == dies_at:
                raise Killed

        run = None
        nothing = mock.patch.object(saving, "dataset_bytes", lambda dataset: b"")
        with warnings.catch_warnings(record=True) as said, contextlib.suppress(Killed), nothing:
            warnings.simplefilter("always")
            folder = {"directory": self.folder, "checkpoint_seconds": 0.0}
            run = gj.simulate(PROBLEM, ROUNDS, 0, chunk=1, progress=progress, **folder)
        assert bool(said) == self.damaged, f"a damaged file: {self.damaged}, warnings: {[str(w.message) for w in said]}"
        return run

    def Kill(self, k: int) -> None:
        assert self._play(k + 1) is None
        self.damaged = False

    def Complete(self) -> None:
        run = self._play(None)
        assert run is not None and run.result.name == "completed"
        expected = InterruptedRun.reference
        if expected is None:
            InterruptedRun.reference = expected = bits(gj.simulate(PROBLEM, ROUNDS, 0, progress=None))
        same = all(np.array_equal(a, b) for a, b in zip(bits(run), expected, strict=True))
        self.damaged, self.result = False, 1 if same else 2

    def Damage(self) -> None:
        path = self._checkpoints()[-1]
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 4
        path.write_bytes(content)
        self.damaged, self.result = True, 0

    def _checkpoints(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*.npz"))

    def abstraction(self) -> dict[str, Any]:
        rounds = [int(path.stem.split("-")[1]) for path in self._checkpoints()]
        old, new = [0, 0, *rounds][-2:]
        try:
            bad = bool(rounds) and not unpack(self._checkpoints()[-1])
        except CorruptFile:
            bad = True
        return {"new": new, "old": old, "bad": bad, "out": self.result}

    def close(self) -> None:
        shutil.rmtree(self.folder)


class ForgetfulRun(InterruptedRun):
    """Mutant: the older checkpoint is not kept."""

    def Kill(self, k: int) -> None:
        super().Kill(k)
        for path in self._checkpoints()[:-1]:
            path.unlink()


def bits(run: gj.Run) -> tuple[np.ndarray, ...]:
    """All that a run leaves behind, as arrays."""
    columns = [run.record[name] for name in sorted(run.record)]
    return tuple(np.asarray(a) for a in [*columns, *jax.tree.leaves(run.state)])


def implementations() -> dict[str, Implementation]:
    """The run, and one that keeps a single checkpoint."""
    return {"simulate": Implementation(InterruptedRun, {"keeps one": ForgetfulRun})}
