"""What an adversary is: it sees the round before it ends and rewrites what its identities say or learn from."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ghostjax._types import Key, Respond


Knowledge = Literal["nothing", "own", "honest", "defence"]


class View(NamedTuple):
    """What the adversary may look at in a round.

    `messages` are the rows that every identity would send if it were honest (non-finite rows zeroed),
    `weights` what each counts for, `byzantine` the identities that the adversary holds, `models` where the
    updates were computed (`[d]` shared or `[n, d]`), `respond` the rest of the round as a function of the
    messages: the aggregate `[d]` at a server, the next models `[n, d]` in gossip. An optimised attack
    searches or differentiates through it, whatever the defence.
    """

    messages: Float[Array, "n d"]
    weights: Float[Array, " n"]
    byzantine: Bool[Array, " n"]
    models: Float[Array, "*n d"]
    respond: Respond
    key: Key
    round: Int[Array, ""]

    @property
    def honest(self) -> Float[Array, " n"]:
        """The weights of honest identities, 0 for Byzantine ones."""
        return jnp.where(self.byzantine, 0, self.weights)


class Sent(NamedTuple):
    """What the adversary sends: a row per identity, and in gossip optionally a vector per victim.

    Only rows of Byzantine identities count; honest rows are restored by the round. With `by_receiver`,
    every Byzantine neighbour of receiver i sends it `by_receiver[i]` instead.
    """

    by_sender: Float[Array, "n d"]
    by_receiver: Float[Array, "n d"] | None = None


class AbstractAttack(eqx.Module):
    """An adversary: it can poison what its identities learn from (`poison`) and rewrite what they send (`step`)."""

    knows: ClassVar[Knowledge] = "honest"
    """What it reads: nothing; its own identities' messages; honest messages; also the defence (`respond`)."""
    per_receiver: ClassVar[bool] = False
    """Whether it sends different vectors to different receivers, which only gossip delivers."""

    @abstractmethod
    def init(self, like: Any) -> PyTree:
        """The adversary's memory before the first round; `like` has the shape and dtype of the messages."""

    @abstractmethod
    def poison(self, batch: PyTree, byzantine: Bool[Array, " n"], key: Key) -> PyTree:
        """The batches `[n, b, ...]` of all nodes, with those of Byzantine nodes rewritten."""

    @abstractmethod
    def step(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        """The next memory and what Byzantine identities send."""


class AbstractMessageAttack(AbstractAttack):
    """An adversary that rewrites messages and leaves the data alone."""

    def poison(self, batch: PyTree, byzantine: Bool[Array, " n"], key: Key) -> PyTree:
        """The batches as they are."""
        del byzantine, key
        return batch


class AbstractDataAttack(AbstractAttack):
    """An adversary that rewrites the data of its nodes and otherwise follows the protocol."""

    knows: ClassVar[Knowledge] = "own"

    def init(self, like: Any) -> PyTree:
        """No memory."""
        del like
        return ()

    def step(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        """The messages as they are."""
        return state, Sent(view.messages)


def same_for_all(view: View, vector: Float[Array, " d"]) -> Sent:
    """Every Byzantine identity sends `vector`."""
    return Sent(jnp.where(view.byzantine[:, None], vector[None, :], view.messages))
