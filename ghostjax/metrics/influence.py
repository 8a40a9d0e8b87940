"""The share of each identity in the result."""

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._random import stream
from ghostjax._round import Round
from ghostjax.metrics._base import AbstractMetric, Output


class Influence(AbstractMetric):
    """The share of the result that is owed to each identity.

        influence_i = tr(dy / dx_i) / d

    This is the mean over coordinates of the derivative of the result in identity i's message. In gossip it is averaged
    over honest receivers (by their weights). For the mean it is `w_i / W`, for the trimmed mean the kept share, for
    Krum 1 for the selected row. Shares of a translation equivariant rule sum to 1; a rule with an anchor leaves the
    rest to the anchor. `byzantine_share` is the sum over Byzantine identities. If all Byzantine neighbours of a
    receiver sent it one vector, its influence is divided among them by their mixing weights.

    **Estimate:** one vector-Jacobian product of the round with a random sign vector r, `r . (dy/dx_i)' r / d`.
    It is exact where `dy/dx_i` is diagonal: coordinate rules, selections, averages, plain gossip. Otherwise it
    is unbiased with variance `2 ||offdiag((J + J') / 2)||_F^2 / d^2`, J = dy/dx_i: for rules that rescale rows
    by their distance (geometric median, clipping) J is a multiple of the identity plus a few rank-one terms,
    and the standard deviation is of the order of `influence_i / d`.

    Costs one more aggregation and its derivative.

    Source: the trace estimate is that of Hutchinson, A Stochastic Estimator of the Trace of the Influence
    Matrix for Laplacian Smoothing Splines, 1990.
    """

    outputs: ClassVar[Mapping[str, Output]] = {
        "influence": Output(dims=("node",), long_name="share of the result"),
        "byzantine_share": Output(long_name="share of the result that is Byzantine", better="lower"),
    }

    def __call__(self, round: Round) -> dict[str, Array]:
        x = round.messages
        d = x.shape[1]
        probe = jax.random.rademacher(stream(round.key, "influence"), (d,), x.dtype)
        if round.shared:
            cotangent = probe
        else:
            # The same signs for every receiver: the shares of one sender then add up over receivers.
            total = round.honest.sum()
            share = jnp.where(total > 0, round.honest / jnp.where(total > 0, total, 1), 0)
            cotangent = share[:, None] * probe[None, :]
        if round.by_receiver is None or round.mixing is None:
            (by_sender,) = jax.vjp(round.respond, x)[1](cotangent)
            influence = by_sender @ probe / d
        else:
            by_sender, by_receiver = jax.vjp(round.respond, x, round.by_receiver)[1](cotangent)
            influence = by_sender @ probe / d + (by_receiver @ probe / d) @ self._shares_of_senders(round)
        influence = jnp.where(round.weights > 0, influence, 0)
        return {"influence": influence, "byzantine_share": jnp.where(round.byzantine, influence, 0).sum()}

    def _shares_of_senders(self, round: Round) -> Float[Array, "n n"]:
        """Row i divides the influence of the vector sent to receiver i among its Byzantine neighbours, by weight."""
        assert round.mixing is not None
        others = round.byzantine[None, :] & ~jnp.eye(round.mixing.shape[0], dtype=bool)
        mass = jnp.where(others, round.mixing, 0)
        total = mass.sum(1, keepdims=True)
        return jnp.where(total > 0, mass / jnp.where(total > 0, total, 1), 0)
