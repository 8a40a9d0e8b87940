"""Honest statistics for adversaries, with finite derivatives."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels import mass_unit, ORDINARY, power_near, weighted_mean, weighted_variance, within
from ghostjax.attacks._base import View


def honest_mean(view: View) -> Float[Array, " d"]:
    """The weighted mean of honest messages; zero where no honest identity is present."""
    return weighted_mean(view.messages, view.honest)


def honest_unit(view: View) -> Float[Array, ""]:
    """The power of two that brings honest messages near 1 if their squares would leave the float range; otherwise 1."""
    x = view.messages
    return power_near(jnp.where(view.honest > 0, jnp.abs(x).max(1, initial=0), 0).max(), ORDINARY)


def honest_std(view: View, mean: Float[Array, " d"], ddof: int) -> Float[Array, " d"]:
    """The weighted standard deviation per coordinate; zero where the honest weight is at most `ddof`."""
    scale, mass = honest_unit(view), mass_unit(view.honest)
    variance = weighted_variance(view.messages, mass * view.honest, mean, mass * ddof, scale)
    return within(safe_sqrt(variance) / scale)


def safe_sqrt(square: Float[Array, "..."]) -> Float[Array, "..."]:
    """`sqrt`, with derivative 0 instead of inf at 0, since coordinates that are equal in all nodes are common."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def normalise(vector: Float[Array, " d"]) -> Float[Array, " d"]:
    """The unit vector; zero for zero. Scaled by a power of two first, so that squares do not overflow."""
    scaled = vector * power_near(jnp.abs(vector).max(initial=0))
    norm = safe_sqrt(jnp.square(scaled).sum())
    return scaled / jnp.where(norm > 0, norm, 1)
