"""The loop over chunks: what is done between two of them, and how it stops."""

import hashlib
import time
from typing import Any, NamedTuple

import numpy as np

from ghostjax._output import with_blanks
from ghostjax._run._checkpoint import Keeper
from ghostjax._run._chunk import advance, fetched, Pace, rows_of
from ghostjax._run._progress import Reporter
from ghostjax._run._signals import Interruption
from ghostjax._simulation import Simulation
from ghostjax._types import Key


class Start(NamedTuple):
    """Rounds that are played, the state after them and their record in pieces."""

    done: int
    state: Any
    pieces: list[dict[str, np.ndarray]]


def play(
    simulation: Simulation,
    key: Key,
    weights: np.ndarray,
    pace: Pace,
    start: Start,
    report: Reporter,
    interruption: Interruption,
    keeper: Keeper | None,
) -> Start:
    """Plays the rest of the rows of `weights`, chunk by chunk, until it is done or asked to stop."""
    done, state, pieces = start.done, start.state, list(start.pieces)
    rounds, kept, present = len(weights), len(pieces), Present(weights)
    pending, clock, outputs = None, None, simulation.outputs

    def collect() -> None:
        # One chunk behind: the device plays the next one while its predecessor is fetched.
        nonlocal pending, clock
        if pending is not None:
            record, count, upto = pending
            pieces.append(with_blanks(fetched(record, count), outputs, upto - count))
            report.update(upto, pieces[-1])
            now = time.monotonic()
            if clock is not None:
                pace.took(count, now - clock)
            clock, pending = now, None

    def save() -> None:
        nonlocal kept
        collect()
        if keeper is not None and kept < len(pieces):
            keeper.save(state, pieces[kept:], done, present.upto(done))
            kept = len(pieces)

    while done < rounds and not interruption.asked:
        count = pace.take(rounds - done)
        constants = (simulation, key, *rows_of(weights, done, count, pace.capacity))
        state, record = advance(constants, state)
        done += count
        collect()
        pending = (record, count, done)
        if keeper is not None and done < rounds and keeper.due():
            save()
    save()
    return Start(done, state, pieces)


class Present:
    """Who took part in the first rounds, as a sha256 that grows with them."""

    def __init__(self, weights: np.ndarray):
        self._weights, self._done, self._digest = weights, 0, hashlib.sha256()

    def upto(self, done: int) -> str:
        """The digest of the first `done` rows; never fewer than in the call before."""
        step = max(1, 2**22 // max(self._weights.shape[1], 1))
        while self._done < done:
            stop = min(done, self._done + step)
            self._digest.update(np.ascontiguousarray(self._weights[self._done : stop]).data)
            self._done = stop
        return self._digest.hexdigest()
