"""Artificial rounds for the checks of stages that read rounds."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax._round import Round
from ghostjax._tree import Ravel
from ghostjax.testing._harness import Harness


N, D = 7, 5
"""Identities and parameters; no other axis of a battery has seven entries."""


class Bowl:
    """A stated goal in any precision: the squared distance to 0."""

    def evaluate(self, params: Array) -> dict[str, Array]:
        """Loss and distance at `params`."""
        square = jnp.square(params).sum()
        return {"loss": square, "distance": jnp.sqrt(square)}


def made_up(x: Array, w: Array, byzantine: Array, owner: Array, key: Any, t: Array, gossip: bool = False) -> Round:
    """Round `t` in which the identities sent `x [7, 5]`, at a server or with a model per node.

    The hidden fields (Byzantine mask, owners, private losses and updates) depend on `byzantine` and `owner` alone.
    """
    total = w.sum()
    result = (w @ jnp.where((w > 0)[:, None], x, 0)) / jnp.where(total > 0, total, 1)
    start = jnp.full(D, 2, x.dtype) / (1 + t.astype(x.dtype))
    models = start[None, :] + x * jnp.asarray(0.5, x.dtype) if gossip else start
    after = models - result * jnp.asarray(0.1, x.dtype) if not gossip else models - (models - result[None, :]) / 2
    private = jnp.where(byzantine, 3, 1).astype(x.dtype) * (1 + owner).astype(x.dtype)
    return Round(
        index=t.astype(jnp.int32),
        key=key,
        task=Bowl(),
        ravel=Ravel(jax.ShapeDtypeStruct((D,), x.dtype)),
        byzantine=byzantine,
        owner=owner,
        losses=private,
        updates=x * private[:, None],
        messages=x,
        weights=w,
        lost=jnp.zeros_like(w),
        models=models,
        result=after if gossip else result,
        next_models=after,
        kappa=jnp.zeros((), x.dtype),
        outnumbered=byzantine.sum().astype(x.dtype),
        respond=lambda messages, by_receiver=None: after + messages.sum(),
        mixing=jnp.full((N, N), 1 / N, x.dtype) if gossip else None,
    )


def messages(seed: int, rounds: int, dtype: Any = np.float32) -> np.ndarray:
    """Messages `[rounds, 7, 5]` about (1, .., 1)."""
    return np.random.default_rng(seed).normal(1.0, 2.0, (rounds, N, D)).astype(dtype)


def renamed(member: Any, order: np.ndarray) -> Any:
    """The member with renamed identities: every array whose first axis has seven entries is per identity."""

    def move(leaf: Any) -> Any:
        return leaf[order] if getattr(leaf, "ndim", 0) and leaf.shape[0] == N else leaf

    return jax.tree.map(move, member)


def equal_bits(harness: Harness, law: str, why: str, seen: np.ndarray, expected: np.ndarray) -> None:
    """Fails unless two outputs are the same to the last bit; nan equals nan."""
    if seen.shape != expected.shape or not np.array_equal(seen, expected, equal_nan=True):
        differs = np.argwhere(~((seen == expected) | (np.isnan(seen) & np.isnan(expected))))
        harness.fail(law, f"{why}; first in round {differs[0][0] if len(differs) else '?'}")
