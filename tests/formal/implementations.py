"""Real code behind the specifications, as a machine plays it: a method per action, and what it sees of the state."""

import contextlib
import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax

import ghostjax as gj
from ghostjax._run._archive import CorruptFile, unpack
from ghostjax._sweep._cells import CellStore, STALE


class Forbidden(Exception):
    """The implementation says no."""


def allow(condition):
    if not condition:
        raise Forbidden


mean = eqx.filter_jit(gj.aggregators.Mean())


class Registry:
    """Admission in floating point: stakes are amounts, and influence is what the mean makes of one-hot messages."""

    refuses = Forbidden
    cap = 1.0

    def __init__(self, state):
        slots, principals = len(state.owner), len(state.bud)
        self.owner: list[int | None] = [None] * slots
        self.status = ["free"] * slots
        self.stake, self.weight, self.counted = (np.zeros(slots, np.float32) for _ in range(3))
        self.messages = np.zeros((slots, principals), np.float32)
        self.money = state.bud.astype(np.float32)

    def Register(self, p, k):
        allow(self.status[k] == "free" and self.money[p] >= 1)
        self.owner[k], self.status[k], self.stake[k] = p, "pending", 1.0
        self.money[p] -= 1

    def Admit(self, k):
        allow(self.status[k] == "pending")
        self.status[k], self.weight[k] = "active", self.admitted(self.stake[k])

    def admitted(self, stake):
        return min(stake, self.cap)

    def TopUp(self, k):
        allow(self.status[k] == "active" and self.money[self.owner[k]] >= 1)
        self.money[self.owner[k]] -= 1
        self.stake[k] += 1

    def Contribute(self, k):
        allow(self.status[k] == "active" and self.counted[k] == 0)
        self.counted[k] = self.weight[k]
        self.messages[k] = np.eye(len(self.money))[self.owner[k]]

    def Exit(self, k):
        allow(self.status[k] == "active")
        self.status[k], self.weight[k] = "unbonding", 0.0

    def EndRound(self):
        for k, status in enumerate(self.status):
            if status == "unbonding":
                self.money[self.owner[k]] += self.stake[k]
                self.owner[k], self.status[k], self.stake[k] = None, "free", 0.0
        self.counted[:], self.messages[:] = 0, 0

    def abstraction(self):
        total = self.counted.sum()
        influence = np.asarray(mean(self.messages, self.counted)) * total
        names = ("free", "pending", "active", "unbonding")
        return {
            "owner": [0 if owner is None else owner for owner in self.owner],
            "st": [names.index(status) for status in self.status],
            "stake": self.stake,
            "w": self.weight,
            "bud": self.money,
            "infl": np.round(influence, 4),
            "used": self.counted > 0,
        }


class UncappedTopUp(Registry):
    """Broken twin: a new stake counts in full."""

    def TopUp(self, k):
        super().TopUp(k)
        self.weight[k] = self.stake[k]


class LenientRegistry(Registry):
    """Broken twin: whoever is pending may contribute."""

    def Contribute(self, k):
        allow(self.status[k] in ("active", "pending") and self.counted[k] == 0)
        self.counted[k] = max(self.weight[k], 1e-3)
        self.messages[k] = np.eye(len(self.money))[self.owner[k]]


class ArithmeticRound:
    """A robust round in floating point: messages along one direction, clipped and trimmed by the project's own rules.

    A message of level v has norm v c. What the specification calls `val` is the level of the clipped norm plus
    one, `lo` the clipped norms summed (the clipped mean times the weight present), `hi` the level of the trimmed
    mean: with levels 0 and 1 it is positive exactly if the upper survivor is.
    """

    refuses = Forbidden
    radius = 0.75
    direction = np.array([0.6, 0.0, 0.8], np.float32)

    def __init__(self, state, byzantine=1, cap=1):
        self.n, self.honest, self.cap = len(state.val), len(state.val) - byzantine, cap
        self.sum_rule = gj.aggregators.Clipping(gj.aggregators.Mean(), c=self.radius * cap)
        self.trim_rule = gj.aggregators.Clipping(self.trimming(byzantine), c=self.radius * cap)
        self.quorum = 2 * byzantine + 1
        self.clear()

    def trimming(self, byzantine):
        return gj.aggregators.TrimmedMean(f=byzantine)

    def clear(self):
        self.phase, self.total, self.survivor = 0, 0, 0
        self.x = np.zeros((self.n, 3), np.float32)
        self.w = np.zeros(self.n, np.float32)

    def Submit(self, i, v):
        allow(self.phase == 0 and self.w[i] == 0 and (i >= self.honest or v <= self.cap))
        self.x[i], self.w[i] = v * self.radius * self.direction, 1

    def Aggregate(self):
        allow(self.phase == 0 and self.w.sum() >= self.quorum)
        self.total = self.level(np.asarray(apply(self.sum_rule, self.x, self.w)) * self.w.sum())
        self.phase = 1

    def Trim(self):
        allow(self.phase == 1)
        self.survivor = self.level(apply(self.trim_rule, self.x, self.w))
        self.phase = 2

    def NextRound(self):
        allow(self.phase == 2)
        self.clear()

    def level(self, vector):
        """The smallest whole number of radii that holds the vector, but for rounding."""
        return int(np.ceil(np.linalg.norm(vector) / self.radius - 1e-5))

    def abstraction(self):
        each = np.minimum(np.linalg.norm(self.x, axis=1), self.radius * self.cap)
        val = [self.level(each[i : i + 1]) + 1 if self.w[i] else 0 for i in range(self.n)]
        return {"ph": self.phase, "val": val, "cnt": self.w, "lo": self.total, "hi": self.survivor, "n": self.w.sum()}


class UntrimmedRound(ArithmeticRound):
    """Broken twin: the mean where the trimmed mean belongs."""

    def trimming(self, byzantine):
        return gj.aggregators.Mean()


@eqx.filter_jit
def apply(rule, x, w):
    return rule(x, w)


class TwoWorkers:
    """The sweep's own cell store in a folder, under two workers that crash, fall silent and find damaged files."""

    refuses = {"Take": Forbidden, "Finish": Forbidden}

    def __init__(self, state):
        self.folder = Path(tempfile.mkdtemp())
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
        self.stores[w].save(self.names[self.busy[w]], {"loss": np.arange(3.0) + self.busy[w]}, {"cell": self.busy[w]})

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


class Killed(Exception):
    """The process is gone."""


ROUNDS = 4
PROBLEM = gj.Simulation(
    gj.tasks.quadratic(3, 2, seed=0, noise=0.1),
    gj.protocols.Server(gj.aggregators.CenteredClipping(), gj.Optimizer(optax.adam, learning_rate=0.1)),
)


class InterruptedRun:
    """`simulate` with a folder: killed between chunks, its newest checkpoint damaged, and called again."""

    reference: tuple[np.ndarray, ...] | None = None

    def __init__(self, state):
        del state
        self.folder = Path(tempfile.mkdtemp())
        self.damaged, self.result = False, 0

    def _play(self, dies_at):
        def progress(done, total, latest):
            if done == dies_at:
                raise Killed

        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with contextlib.suppress(Killed):
                return gj.simulate(
                    PROBLEM, ROUNDS, 0, chunk=1, directory=self.folder, checkpoint_seconds=0.0, progress=progress
                )
        assert bool(said) == self.damaged
        return None

    def Kill(self, k):
        assert self._play(k + 1) is None
        self.damaged = False

    def Complete(self):
        run = self._play(None)
        assert run.result.name == "completed"
        if type(self).reference is None:
            type(self).reference = bits(gj.simulate(PROBLEM, ROUNDS, 0, progress=None))
        same = all(np.array_equal(a, b) for a, b in zip(bits(run), self.reference, strict=True))
        self.damaged, self.result = False, 1 if same else 2

    def Damage(self):
        path = self._checkpoints()[-1]
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 4
        path.write_bytes(content)
        self.damaged, self.result = True, 0

    def _checkpoints(self):
        return sorted(self.folder.glob("checkpoint-*.npz"))

    def abstraction(self):
        rounds = [int(path.stem.split("-")[1]) for path in self._checkpoints()]
        old, new = [0, 0, *rounds][-2:]
        try:
            bad = bool(rounds) and not unpack(self._checkpoints()[-1])
        except CorruptFile:
            bad = True
        return {"new": new, "old": old, "bad": bad, "out": self.result}

    def close(self):
        shutil.rmtree(self.folder)


class ForgetfulRun(InterruptedRun):
    """Broken twin: the older checkpoint is not kept."""

    def Kill(self, k):
        super().Kill(k)
        for path in self._checkpoints()[:-1]:
            path.unlink()


def bits(run):
    columns = [run.record[name] for name in sorted(run.record)]
    return tuple(np.asarray(a) for a in [*columns, *jax.tree.leaves(run.state)])
