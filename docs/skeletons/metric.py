"""A metric: the norm of every message, and the largest."""

import jax.numpy as jnp
from jaxtyping import Array

import ghostjax as gj
from ghostjax.metrics import AbstractMetric, Output


class Norms(AbstractMetric):
    """The norm of every identity's message, 0 for those that are absent, and the largest of them.

    It reads only what participants see, so that a detector can watch it.
    """

    outputs = {
        "norm": Output(dims=("node",), long_name="norm of the message"),
        "largest_norm": Output(long_name="largest norm of a message", better="lower"),
    }

    def __call__(self, round: gj.Round | gj.Seen) -> dict[str, Array]:
        norms = jnp.where(round.weights > 0, gj.ops.row_norms(round.messages), 0)
        return {"norm": norms, "largest_norm": norms.max()}
