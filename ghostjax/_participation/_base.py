"""What a declaration of participation is: weights of any number of rounds, made on the host before the first one."""

import abc
from typing import ClassVar

import numpy as np

from ghostjax._types import Key


class AbstractParticipation(abc.ABC):
    """How much every identity counts in every round, in units of identities."""

    counts: ClassVar[bool] = True
    """Whether the unit is declared; weights of which it is not are looked at for shares."""

    @property
    def drawn(self) -> bool:
        """Whether the weights depend on the key of the run, so that every cell of a sweep has its own."""
        return False

    @abc.abstractmethod
    def rows(self, rounds: int, n: int, key: Key | None) -> np.ndarray:
        """Weights `[rounds, n]`, or `[n]` for all rounds; round t is the same whatever `rounds` is."""
