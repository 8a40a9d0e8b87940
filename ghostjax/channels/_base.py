"""The base class of channels: a channel carries all rows, the adversary's too, and may lose, delay or change them."""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Array, Float, Int, PyTree

from ghostjax._border import Checked
from ghostjax._types import Key


class Carried(NamedTuple):
    """The output of a channel: rows, weights of senders, and in gossip optionally a factor `edges [n, k]` per slot."""

    x: Float[Array, "n d"]
    w: Float[Array, " n"]
    edges: Float[Array, "n k"] | None = None


class AbstractChannel(Checked):
    """The way from senders to receivers.

    Laws: at its neutral setting it does not change a bit of the round; an absent sender has no influence and keeps its
    memory; renaming identities renames the rows that arrive, up to draws that belong to an index.
    """

    alters: ClassVar[bool] = False
    """Whether it changes rows; if not, it changes weights only."""

    @abstractmethod
    def init(self, like: Any) -> PyTree:
        """The memory before the first round; `like` has the shape `[n, d]` and dtype of the messages."""

    @abstractmethod
    def carry(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], nbr: Int[Array, "n k"] | None, key: Key
    ) -> tuple[PyTree, Carried]:
        """The next memory, and the rows that arrive of `x` under weights `w`.

        In gossip receiver i gets node `nbr[i, j]` in slot j (slot 0 is itself); at a server `nbr` is None. Rows may
        hold anything, nan included.
        """
