"""The base class of participation: weights of any number of rounds, made on the host before the first round."""

import abc
from typing import ClassVar

import numpy as np

from ghostjax._types import Key


class AbstractParticipation(abc.ABC):
    """How much every identity counts in every round, in units of identities."""

    counts: ClassVar[bool] = True
    """Whether the unit is declared. Weights without a unit are checked for looking like shares."""

    @property
    def drawn(self) -> bool:
        """Whether the weights depend on the key of the run, so that they differ between the cells of a sweep."""
        return False

    @abc.abstractmethod
    def rows(self, rounds: int, n: int, key: Key | None) -> np.ndarray:
        """Weights `[rounds, n]`, or `[n]` for all rounds; round t is the same whatever `rounds` is."""
