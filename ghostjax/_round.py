"""Everything of one round, as the metrics see it; it never leaves the scan."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ghostjax._tree import Ravel
from ghostjax._types import Key


class State(NamedTuple):
    """All that the next round needs: one field per stage, `()` for a stage without memory."""

    round: Int[Array, ""]
    learner: PyTree
    attack: PyTree
    protocol: PyTree


class Round(NamedTuple):
    """What happened in one round.

    `models` is where the updates were computed and `next_models` what came out of the round: `[d]` when one
    model is shared, `[n, d]` when each node has its own. `messages` are the rows that arrived (non-finite ones
    zeroed), `weights` what each counted for, `lost` the weight that non-finite rows lost, `respond` the
    aggregation of this round as a differentiable function of the messages and, where Byzantine identities told
    receiver i the vector `by_receiver[i]` instead, of these. `mixing` `[n, n]` is the mixing matrix among those
    present, None at a server.
    """

    index: Int[Array, ""]
    key: Key
    task: Any
    ravel: Ravel
    byzantine: Bool[Array, " n"]
    losses: Float[Array, " n"]
    updates: Float[Array, "n d"]
    messages: Float[Array, "n d"]
    weights: Float[Array, " n"]
    lost: Float[Array, " n"]
    models: Float[Array, "*n d"]
    result: Float[Array, "*n d"]
    next_models: Float[Array, "*n d"]
    kappa: Float[Array, ""]
    respond: Callable[..., Array]
    by_receiver: Float[Array, "n d"] | None = None
    mixing: Float[Array, "n n"] | None = None

    @property
    def honest(self) -> Float[Array, " n"]:
        """The weights of honest identities, 0 for Byzantine ones."""
        return jnp.where(self.byzantine, 0, self.weights)

    @property
    def shared(self) -> bool:
        """Whether one model is shared by all nodes."""
        return self.next_models.ndim == 1

    def evaluate(self, theta: Float[Array, " d"]) -> dict[str, Float[Array, ""]]:
        """The stated goal at the flat model `theta`."""
        return self.task.evaluate(self.ravel.unravel(theta))
