"""The base class of metrics: a pure function of the round that returns entries of the record."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._border import Checked
from ghostjax._kernels import squared_distances_to, weighted_mean
from ghostjax._output import Output as Output
from ghostjax._round import Round, Seen


class AbstractMetric(Checked):
    """Named arrays per round, each of them declared: `outputs = {"norm": Output(dims=("node",), better="lower")}`.

    An entry that is not declared is a scalar without attributes, or an array with dimensions `name_0`, `name_1`, ...
    """

    outputs: ClassVar[Mapping[str, Output]] = {}
    """The entries that it records: dimensions, long name, units, the direction that is better."""
    dims: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Dimensions alone, for outputs without other attributes."""
    of_gradients: ClassVar[bool] = False
    """Whether it reads messages as gradients of one batch, which the learner has to send."""
    of_goal: ClassVar[tuple[str, ...]] = ()
    """Prefixes under which it records the entries of the stated goal, which the task declares."""

    @abstractmethod
    def __call__(self, round: Round) -> dict[str, Array]:
        """The values of this round, the same names and shapes every round."""


def present_rows(x: Float[Array, "n *rest"], w: Float[Array, " n"]) -> Float[Array, "n *rest"]:
    """Rows of positive weight, zeros elsewhere: absent rows may hold inf or nan."""
    return jnp.where((w > 0).reshape(-1, *(1 for _ in x.shape[1:])), x, 0)


def mean_and_variance(x: Float[Array, "n d"], w: Float[Array, " n"]) -> tuple[Float[Array, " d"], Float[Array, ""]]:
    """The mean of the rows under `w`, and their mean squared distance to it. Zeros if all weights are 0."""
    x = present_rows(x, w)
    mean = weighted_mean(x, w)
    return mean, weighted_mean(squared_distances_to(x, mean)[:, None], w)[0]


def shared_model(round: Round | Seen) -> Float[Array, " d"]:
    """The model at the end of the round: the shared one, or in gossip the mean of the models that are judged."""
    return (
        round.next_models
        if round.shared
        else weighted_mean(present_rows(round.next_models, round.judged), round.judged)
    )
