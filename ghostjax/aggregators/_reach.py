"""Bounds on influence that several rules share: from robustness, and from messages of bounded norm."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import nearest_mixing, unit_distances
from ghostjax.aggregators._base import AbstractAggregator, AbstractCoordinateRule
from ghostjax.aggregators._wrapper import AbstractWrapper
from ghostjax.aggregators.mean import Mean


def robust_reach(
    kappa: Float[Array, ""],
    x: Float[Array, "n d"],
    w: Float[Array, " n"],
    principal: Bool[Array, " n"],
    mass: Float[Array, ""],
) -> Float[Array, ""]:
    """How far a (F, kappa)-robust rule can be moved by a principal of mass at most F, the other rows as in `x`.

    Both results lie within `sqrt(kappa) sigma_S` of the mean of any set S of mass `W - F` among the others, so they
    are at most `2 sqrt(kappa) sigma_S` apart; S is the tightest of the sets nearest to one row.
    """
    others = jnp.where(principal, 0, w)
    own = jnp.where(principal, w, 0).sum()
    dist2, scale = unit_distances(x, others)
    sets = nearest_mixing(dist2, others, w.sum() - mass)
    spread = 0.5 * (sets * jnp.matmul(dist2, sets, precision=jax.lax.Precision.HIGHEST)).sum(0)
    variance = jnp.maximum(jnp.where(others > 0, spread, jnp.inf).min(), 0)
    # Masses equal but for rounding count as equal.
    held = (own <= mass * (1 + 4 * jnp.finfo(w.dtype).eps)) & (own < others.sum()) & jnp.isfinite(kappa)
    bound = 2 * jnp.sqrt(jnp.where(held, kappa * variance, 0)) / scale
    return jnp.where(own <= 0, 0, jnp.where(held, bound, jnp.inf))


def gain(rule: AbstractAggregator, w: Float[Array, " n"]) -> Float[Array, ""] | None:
    """g with `||rule(x, w)|| <= g max_i ||x_i||`, or None where nothing is known.

    A result in the hull of the messages has g = 1. One that trims mass T per coordinate has
    `g^2 = W / (W - T)`: if y_k > 0, the mass W - 2 T of the window averages y_k, and the mass T above is no smaller,
    so `sum_i w_i x_ik^2 >= (W - T) y_k^2`; likewise if y_k < 0; then sum over k.
    """
    if rule.hull:
        return jnp.ones((), w.dtype)
    if isinstance(rule, AbstractCoordinateRule):
        total = w.sum()
        trim = jnp.clip(rule.trim(total), 0, total / 2)
        return jnp.sqrt(jnp.where(total > 0, total / jnp.where(total > 0, total - trim, 1), 1))
    if isinstance(rule, AbstractWrapper) and rule.shortens:
        return gain(rule.rule, rule.weights(w))
    return None


def clipped_reach(
    rule: AbstractAggregator,
    norm: Float[Array, ""],
    low: Float[Array, " n"],
    high: Float[Array, " n"],
    w: Float[Array, " n"],
    principal: Bool[Array, " n"],
) -> Float[Array, ""]:
    """How far `rule` is moved by a principal when no message is longer than `norm`.

    The rows of the others keep their direction and have lengths between `low` and `high`, whatever it sends. Two
    results are at most `2 gain norm` apart; those of the mean `(2 norm m + sum_others w_i (high_i - low_i)) / W`.
    """
    own = jnp.where(principal, w, 0).sum()
    factor = gain(rule, w)
    bound = jnp.asarray(jnp.inf, norm.dtype) if factor is None else 2 * factor * norm
    if isinstance(rule, Mean):
        total = jnp.where(w.sum() > 0, w.sum(), 1)
        moved = jnp.where(principal, 0, w * (high - low)).sum()
        finite = jnp.where(jnp.isfinite(norm), norm, 0)
        bound = jnp.where(jnp.isfinite(norm), jnp.minimum(bound, (2 * finite * own + moved) / total), jnp.inf)
    return jnp.where(own > 0, bound, 0)
