"""The base class of identity layers: they turn presence into weights, and may learn from the public part of rounds."""

from abc import abstractmethod
from typing import Any

import jax
from jaxtyping import Array, Float, PyTree

from ghostjax._border import Checked, shown
from ghostjax._round import Seen
from ghostjax._types import concrete, require


class AbstractIdentity(Checked):
    """The weight of each identity.

    Laws: weights are linear in presence, an absent identity stays absent, renaming identities renames weights, all
    registered identities count 1 on average when everybody is present, and nothing depends on who is Byzantine or who
    owns whom.
    """

    @abstractmethod
    def init(self, num_nodes: int) -> PyTree:
        """The memory before the first round."""

    @abstractmethod
    def weigh(self, state: PyTree, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """The weights of this round, from the presence `w` in it."""

    @abstractmethod
    def remember(self, state: PyTree, seen: Seen) -> PyTree:
        """The memory after a round as participants see it."""


class AbstractStatelessIdentity(AbstractIdentity):
    """An identity layer that learns nothing from the rounds."""

    def init(self, num_nodes: int) -> PyTree:
        """No memory."""
        del num_nodes
        return ()

    def remember(self, state: PyTree, seen: Seen) -> PyTree:
        """Nothing."""
        del seen
        return state


def above_zero(layer: AbstractIdentity, *names: str) -> None:
    """Refuses a knob of 0, where nobody would count; other kinds of values are refused by the border."""
    for name in names:
        value: Any = getattr(layer, name)
        known = isinstance(value, jax.Array) and concrete(value)
        require(not known or (value > 0).all(), type(layer).__name__, name, shown(value), "give a number above 0")
