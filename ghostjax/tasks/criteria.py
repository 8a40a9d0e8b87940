"""What is paid per example: outputs and target -> loss."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def cross_entropy(outputs: Float[Array, "b c"], labels: Int[Array, " b"]) -> Float[Array, " b"]:
    """Softmax cross entropy `log sum_c exp(o_c) - o_label` per example.

    The label's output is picked by comparison and not by index: the gradient of an index is a scatter, which is
    slow when mapped over nodes.
    """
    shifted = outputs - jax.lax.stop_gradient(outputs.max(-1, keepdims=True))
    chosen = labels[:, None] == jnp.arange(outputs.shape[-1], dtype=labels.dtype)[None, :]
    return jnp.log(jnp.exp(shifted).sum(-1)) - jnp.where(chosen, shifted, 0).sum(-1)


def squared_error(outputs: Float[Array, "b *c"], targets: Float[Array, "b *c"]) -> Float[Array, " b"]:
    """`1/2 ||output - target||^2` per example."""
    return 0.5 * jnp.square(outputs - targets).reshape(outputs.shape[0], -1).sum(-1)
