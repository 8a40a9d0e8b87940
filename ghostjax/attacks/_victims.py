"""What each receiver hears from honest senders, and how much weight it gives to Byzantine ones."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._types import ConfigurationError
from ghostjax.attacks._base import View


def neighbourhoods(view: View, call: str) -> tuple[Float[Array, "n d"], Float[Array, " n"], Float[Array, " n"]]:
    """Per receiver i: `sum_{j in H} a_ij x_j`, `sum_{j in H} a_ij` and `b_i = sum_{j in B} a_ij`.

    `a_ij = W_ij w_j / sum_j W_ij w_j` is the mixing weight among those present, its own included. All zero
    for a receiver that hears nobody. `call` names the attack in errors.
    """
    if view.mixing is None:
        raise ConfigurationError(f"{call}: mixing=None: it aims at the neighbours of each receiver; run it in Gossip")
    a = jnp.where(view.weights[None, :] > 0, view.mixing.astype(view.messages.dtype) * view.weights[None, :], 0)
    total = a.sum(1)
    a = a / jnp.where(total > 0, total, 1)[:, None]
    honest = jnp.where(view.byzantine[None, :], 0, a)
    return honest @ view.messages, honest.sum(1), jnp.where(view.byzantine[None, :], a, 0).sum(1)
