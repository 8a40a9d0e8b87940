"""One aggregation per receiver, driven by what the rule says about itself (see `aggregators/_base.py`).

The place for rules that exist only in gossip, those that compare every message with the receiver's own
(ClippedGossip and its family): a fourth kind, that is, a base class beside the other three whose coefficients
depend on the distances `[k]` to the own row (slot 0) and the weights `[k]`, and its branch in `aggregate_each`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ghostjax._kernels import slot_squares, slot_sum, unit_distances, window_mean_slots
from ghostjax._random import per_node
from ghostjax._types import Key
from ghostjax.aggregators import (
    AbstractAggregator,
    AbstractCoordinateRule,
    AbstractGeometricRule,
    Context,
    geometric_form,
    in_units,
)


class Heard(NamedTuple):
    """What every receiver hears: in slot j, receiver i the row `nbr[i, j]` of `rows` with weight `w[i, j]`.

    `level` weighs rows where distances are centred.
    """

    rows: Float[Array, "m d"]
    nbr: Int[Array, "n k"]
    w: Float[Array, "n k"]
    level: Float[Array, " m"]


def hear(
    x: Float[Array, "n d"],
    by_receiver: Float[Array, "n d"] | None,
    byzantine: Bool[Array, " n"],
    w: Float[Array, " n"],
    nbr: Int[Array, "n k"],
    weights: Float[Array, "n k"],
) -> Heard:
    """What receivers hear of rows `x` when slot j of i counts `weights[i, j] * w[nbr[i, j]]`.

    With `by_receiver`, slots of other Byzantine nodes point to row n + i of `[x; by_receiver]`, and are absent
    where that row is not finite.
    """
    slots = weights * w[nbr]
    if by_receiver is None:
        return Heard(x, nbr, slots, w)
    receiver = jnp.arange(x.shape[0], dtype=nbr.dtype)[:, None]
    told = byzantine[nbr] & (nbr != receiver)
    finite = jnp.isfinite(by_receiver).all(1)
    rows = jnp.concatenate([x, jnp.where(finite[:, None], by_receiver, 0)])
    return Heard(
        rows=rows,
        nbr=jnp.where(told, receiver + x.shape[0], nbr),
        w=jnp.where(told & ~finite[:, None], 0, slots),
        level=jnp.concatenate([w, jnp.zeros_like(w)]),
    )


def aggregate_each(
    rule: AbstractAggregator, state: PyTree, heard: Heard, own: Float[Array, "n d"], key: Key
) -> tuple[PyTree, Float[Array, "n d"]]:
    """The next states (per receiver) and the aggregates `[n, d]` of what each receiver hears."""
    rows, nbr, w, level = heard
    if isinstance(rule, AbstractCoordinateRule):
        return state, window_mean_slots(rows, nbr, w, rule.trim(w.sum(1)))
    coefficients = geometric_form(rule)
    if coefficients is not None:
        if isinstance(rule, AbstractGeometricRule) and not rule.uses_distances:
            a = jax.vmap(lambda row: coefficients(None, row))(w)
        else:
            dist2, scale = unit_distances(rows, level)
            coefficients = geometric_form(in_units(rule, length=scale))
            assert coefficients is not None
            a = jax.vmap(coefficients)(slot_squares(dist2, nbr), w)
        return state, slot_sum(rows, nbr, a)

    def one(state: PyTree, nbr: Array, w: Array, anchor: Array, key: Key) -> tuple[PyTree, Array]:
        return rule.step(state, rows[nbr], w, Context(key=key, anchor=anchor))

    return jax.vmap(one)(state, nbr, w, own, per_node(key, nbr.shape[0]))
