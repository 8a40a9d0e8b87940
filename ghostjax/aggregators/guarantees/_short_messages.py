"""Influence among messages of bounded norm."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax.aggregators.guarantees._base import AbstractGuarantee


def short_message_bound(
    guarantee: AbstractGuarantee,
    norm: Float[Array, ""],
    low: Float[Array, " n"],
    high: Float[Array, " n"],
    w: Float[Array, " n"],
    principal: Bool[Array, " n"],
) -> Float[Array, ""]:
    """A bound on how far a principal moves the result if no message is longer than `norm`.

    For all messages of the principal, the rows of the others keep their direction and have lengths between `low` and
    `high`. Two results are at most `2 gain norm` apart. Another bound is the sum of two steps. The principal's messages
    move the result by at most `sum_i s_i 2 norm`, s the Lipschitz numbers, and by at most the rule's unconditional
    bound. Then the others' messages move it by at most `sum_i s_i (high_i - low_i)`.
    """
    # With norm 0 all messages are zero, and there is one result.
    gain = jnp.where(norm > 0, 2 * guarantee.norm_gain(w) * jnp.where(norm > 0, norm, 1), 0)
    lipschitz = guarantee.lipschitz(w)
    principal_step = jnp.minimum(
        _moved(lipschitz, jnp.where(principal, 2 * norm, 0), w), guarantee.unconditional_bound(w, principal)
    )
    others_step = _moved(lipschitz, jnp.where(principal, 0, high - low), w)
    return jnp.where(jnp.where(principal, w, 0).sum() > 0, jnp.minimum(gain, principal_step + others_step), 0)


def _moved(lipschitz: Float[Array, " n"], by: Float[Array, " n"], w: Float[Array, " n"]) -> Float[Array, ""]:
    counts = (w > 0) & (by > 0)
    return (jnp.where(counts, lipschitz, 0) * jnp.where(counts, by, 0)).sum()
