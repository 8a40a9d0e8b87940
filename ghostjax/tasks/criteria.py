"""Criteria: outputs and targets -> loss per example."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from ghostjax._types import require


def cross_entropy(outputs: Float[Array, "b *l c"], labels: Int[Array, "b *l"]) -> Float[Array, " b"]:
    """Softmax cross entropy `log sum_c exp(o_c) - o_label` per example, the mean over positions of a sequence.

    The label's output is picked by comparison and not by index: the gradient of an index is a scatter, which is
    slow when mapped over nodes.
    """
    shifted = outputs - jax.lax.stop_gradient(outputs.max(-1, keepdims=True))
    classes = jnp.arange(outputs.shape[-1], dtype=labels.dtype)
    chosen = labels[..., None] == classes.reshape(*(1,) * labels.ndim, -1)
    losses = jnp.log(jnp.exp(shifted).sum(-1)) - jnp.where(chosen, shifted, 0).sum(-1)
    return losses if losses.ndim == 1 else losses.reshape(losses.shape[0], -1).mean(1)


def squared_error(outputs: Float[Array, "b *c"], targets: Shaped[Array, "b *t"]) -> Float[Array, " b"]:
    """`1/2 ||output - target||^2` per example. Outputs and targets have equal numbers of entries, paired one to one."""
    require(
        outputs.size == targets.size,
        "squared_error",
        "targets",
        f"shape {targets.shape}",
        f"outputs have shape {outputs.shape}; give one target per output",
    )
    targets = targets.astype(outputs.dtype).reshape(outputs.shape)
    return 0.5 * jnp.square(outputs - targets).reshape(outputs.shape[0], -1).sum(-1)
