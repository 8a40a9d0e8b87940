"""One aggregation per receiver: all at once by the rule's `by_slots` if it has one, otherwise under `vmap`.

Some rules exist only in gossip, since they compare every message with the receiver's own (ClippedGossip and its
family). They would be a fourth kind of rule: a base class beside the other three. Its coefficients depend on the
distances `[k]` to the own row (slot 0) and the weights `[k]`, and its `by_slots` serves all receivers.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._random import per_node
from ghostjax._round import Received
from ghostjax._types import Key
from ghostjax.aggregators import AbstractAggregator, Context


class Slots(NamedTuple):
    """The messages of every receiver: receiver i has, in slot j, the row `nbr[i, j]` of `rows` with weight `w[i, j]`.

    `level` are the weights of rows where distances between all rows are centred.
    """

    rows: Float[Array, "m d"]
    nbr: Int[Array, "n k"]
    w: Float[Array, "n k"]
    level: Float[Array, " m"]


def in_slots(
    received: Received,
    w: Float[Array, " n"],
    nbr: Int[Array, "n k"],
    counts: Float[Array, "n k"],
    own: Float[Array, "n d"],
) -> Slots:
    """The slots of all receivers. Slot j of i counts `counts[i, j] * w[nbr[i, j]]`, times its factor in `edges`.

    `w` are `received.weights` in the unit of the rule. With `received.by_receiver`, slots of other identities that are
    senders point to row n + i of `[x; by_receiver]`, and are absent where that row is not finite. Slot 0 points to the
    receiver's own model where a channel altered what it sent.
    """
    n, receiver = nbr.shape[0], jnp.arange(nbr.shape[0], dtype=nbr.dtype)
    rows, level, slots = [received.x], [w], counts * w[nbr]
    if received.edges is not None:
        slots = slots * own_kept(received.edges)
    if received.altered:
        nbr = nbr.at[:, 0].set(receiver + n)
        rows, level = [*rows, own], [*level, jnp.zeros_like(w)]
    if received.by_receiver is not None:
        assert received.senders is not None
        of_sender = received.senders[nbr % n] & (nbr % n != receiver[:, None])
        finite = jnp.isfinite(received.by_receiver).all(1)
        nbr = jnp.where(of_sender, receiver[:, None] + n * len(rows), nbr)
        slots = jnp.where(of_sender & ~finite[:, None], 0, slots)
        rows, level = [*rows, jnp.where(finite[:, None], received.by_receiver, 0)], [*level, jnp.zeros_like(w)]
    if len(rows) == 1:
        return Slots(received.x, nbr, slots, w)
    return Slots(jnp.concatenate(rows), nbr, slots, jnp.concatenate(level))


def own_kept(edges: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Factors on slots, with 1 in slot 0: a node's own message cannot be lost."""
    return edges.at[:, 0].set(1)


def aggregate_each(
    rule: AbstractAggregator, state: PyTree, received: Slots, own: Float[Array, "n d"], key: Key
) -> tuple[PyTree, Float[Array, "n d"]]:
    """The next states and the aggregates `[n, d]` of all receivers."""
    rows, nbr, w, level = received
    if rule.by_slots is not None:
        return state, rule.by_slots(rows, nbr, w, level)

    def one(state: PyTree, nbr: Array, w: Array, anchor: Array, key: Key) -> tuple[PyTree, Array]:
        return rule.step(state, rows[nbr], w, Context(key=key, anchor=anchor))

    return jax.vmap(one)(state, nbr, w, own, per_node(key, nbr.shape[0]))
