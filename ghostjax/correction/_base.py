"""What a correction is: finished runs are played again, or on, without those who are named."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ghostjax._border import Checked


class Case(NamedTuple):
    """m runs to correct: weights `[m, T, n]`, who is `named [m, n]`, from which round on `start [m]`, by a verdict
    executed at the end of round `executed [m]`."""

    weights: np.ndarray
    named: np.ndarray
    start: np.ndarray
    executed: np.ndarray

    @property
    def rounds(self) -> np.ndarray:
        """The horizon of every run, `[m]`."""
        return np.full(len(self.weights), self.weights.shape[1])

    def without(self, first: np.ndarray) -> np.ndarray:
        """The weights with those who are named absent from round `first [m]` on."""
        late = np.arange(self.weights.shape[1]) >= first[:, None]
        return np.where(late[:, :, None] & self.named[:, None, :], 0, self.weights).astype(self.weights.dtype)


Plays = Callable[[np.ndarray, np.ndarray, np.ndarray, Any], tuple[Any, dict[str, np.ndarray]]]
"""`plays(weights, start, stop, states)` plays rounds `start[i]` to `stop[i] - 1` of run i under its rows of `weights`
from `states` (None: the beginning). It returns the states after them, and records `[m, T, ...]` by entry in which only
these rounds are filled."""


class Corrected(NamedTuple):
    """The records `[m, T]` of the corrected histories, client gradients `[m]` beyond those of the runs, and by how many
    rounds `[m]` the model at the end is younger than the run (0 unless given)."""

    record: dict[str, np.ndarray]
    gradients: np.ndarray
    younger: np.ndarray | int = 0


class AbstractCorrection(Checked):
    """A way to undo what named identities did.

    It changes weights and states of finished runs; what the adversary and detectors know is not undone.
    """

    @abstractmethod
    def correct(self, case: Case, plays: Plays) -> Corrected:
        """The histories after the correction, up to the horizon."""


def spliced(before: dict[str, np.ndarray], after: dict[str, np.ndarray], first: np.ndarray) -> dict[str, np.ndarray]:
    """Records that change from one to the other at round `first [m]`."""

    def one(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        late = np.arange(a.shape[1]) >= first[:, None]
        return np.where(late.reshape(*late.shape, *(1,) * (a.ndim - 2)), b, a)

    return {name: one(before[name], after[name]) for name in before}
