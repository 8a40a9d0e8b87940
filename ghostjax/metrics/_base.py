"""What a metric is: a pure function of the round that says what to record."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._border import Checked
from ghostjax._kernels import squares_from, weighted_mean
from ghostjax._round import Round
from ghostjax._types import require


class AbstractMetric(Checked):
    """Named arrays per round; each has the dimensions that `dims` gives it (none means a scalar)."""

    dims: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Dimensions of the arrays that are not scalars, e.g. `{"influence": ("node",)}`."""

    @abstractmethod
    def __call__(self, round: Round) -> dict[str, Array]:
        """The values of this round, the same names and shapes every round."""


def occasionally(every: int, round: Round, values: Callable[[], dict[str, Array]]) -> dict[str, Array]:
    """`values()` in the first round and in each `every`-th one, nan between.

    The `every`-th round ends a stretch (rounds `every - 1`, `2 every - 1`, ...), so that a run whose length is
    a multiple of `every` records its last round.
    """
    require(every >= 1, "metric", "every", every, "is a number of rounds, at least 1")
    if every == 1:
        return values()
    blank = jax.tree.map(lambda s: jnp.full(s.shape, jnp.nan, s.dtype), jax.eval_shape(values))
    due = (round.index == 0) | ((round.index + 1) % every == 0)
    return jax.lax.cond(due, values, lambda: blank)


def only(x: Float[Array, "n *rest"], w: Float[Array, " n"]) -> Float[Array, "n *rest"]:
    """The rows that have weight, zeros elsewhere: a model that nobody counts may hold anything."""
    return jnp.where((w > 0).reshape(-1, *(1 for _ in x.shape[1:])), x, 0)


def spread(x: Float[Array, "n d"], w: Float[Array, " n"]) -> tuple[Float[Array, " d"], Float[Array, ""]]:
    """The mean of the rows under `w`, and their mean squared distance to it; zeros where all weights are 0."""
    x = only(x, w)
    mean = weighted_mean(x, w)
    return mean, weighted_mean(squares_from(x, mean)[:, None], w)[0]


def shared_model(round: Round) -> Float[Array, " d"]:
    """The model that the round ends with: the shared one, or the mean of honest models in gossip."""
    return round.next_models if round.shared else weighted_mean(only(round.next_models, round.honest), round.honest)
