"""Whom an adversary aims at: an honest identity, or the neighbours of each receiver."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ghostjax._kernels import within
from ghostjax._types import ConfigurationError
from ghostjax.attacks._base import View


def honest_from(view: View, index: Int[Array, ""]) -> Float[Array, " d"]:
    """The message of identity `index`, or of the next one, cyclically, that is honest and present; 0 if none is."""
    n, _ = view.messages.shape
    steps = (jnp.arange(n, dtype=jnp.int32) - index) % n
    chosen = jnp.argmin(jnp.where(view.honest > 0, steps, n))
    return jnp.where(view.honest.sum() > 0, view.messages[chosen], 0)


def neighbourhoods(view: View, call: str) -> tuple[Float[Array, "n d"], Float[Array, " n"], Float[Array, " n"]]:
    """Per receiver i: `sum_{j in H} a_ij x_j`, `sum_{j in H} a_ij` and `b_i = sum_{j in B} a_ij`.

    a is the mixing matrix among those present, the receiver's own weight included. `call` names the attack in
    errors.
    """
    if view.mixing is None:
        raise ConfigurationError(f"{call}: mixing=None: it aims at the neighbours of each receiver; run it in Gossip")
    a = view.mixing.astype(view.messages.dtype)
    honest = jnp.where(view.byzantine[None, :], 0, a)
    return within(honest @ view.messages), honest.sum(1), (a - honest).sum(1)
