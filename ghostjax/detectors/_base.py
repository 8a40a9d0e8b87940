"""What a detector is made of: a signal, a reference that makes it comparable, a sequential test."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._border import Checked
from ghostjax._round import Reading, Seen


class AbstractDetector(Checked):
    """Turns rounds, as participants see them, into readings.

    Law: a reading does not depend on who is Byzantine, on who owns whom, nor on private losses, data and updates: a
    detector never gets them.
    """

    @property
    def dims(self) -> tuple[str, ...] | None:
        """The names of a reading's dimensions; None where nobody says: one of an entry per node, or numbered ones."""
        return None

    @abstractmethod
    def init(self, seen: Seen) -> PyTree:
        """The memory before the first round; `seen` has the shapes of a round."""

    @abstractmethod
    def watch(self, state: PyTree, seen: Seen) -> tuple[PyTree, Reading]:
        """The next memory and the reading of this round."""


class AbstractReference(Checked):
    """What a signal is compared with.

    Elementwise on any shape: every element is compared on its own.
    """

    @abstractmethod
    def init(self, like: Any) -> PyTree:
        """The memory before the first observation; `like` has shape and dtype of the signal."""

    @abstractmethod
    def step(self, state: PyTree, x: Float[Array, "*s"], age: Int[Array, ""]) -> tuple[PyTree, Float[Array, "*s"]]:
        """The next memory and the signal in standard units; nan where there is nothing to compare with yet.

        `age` counts the rounds behind the present model, this one not included.
        """


class AbstractTest(Checked):
    """A sequential test of "nothing has changed" on a signal in standard units, large where something has.

    Elementwise on any shape. Law: nan is no observation and changes nothing. It alarms where the evidence reaches `h`.
    """

    h: eqx.AbstractVar[Float[Array, ""]]
    """The threshold of the evidence."""

    @abstractmethod
    def init(self, like: Any) -> PyTree:
        """The memory before the first observation; `like` has shape and dtype of the signal."""

    @abstractmethod
    def step(self, state: PyTree, x: Float[Array, "*s"], round: Int[Array, ""]) -> tuple[PyTree, Reading]:
        """The next memory and the reading at `round`."""
