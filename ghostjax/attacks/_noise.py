"""Rows of random numbers for Byzantine identities alone."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float

from ghostjax._random import per_node
from ghostjax._types import Key
from ghostjax.attacks._base import Sent, View


def random_rows(view: View, key: Key, draw: Callable[[Key], Float[Array, " d"]]) -> Sent:
    """Every Byzantine identity sends `draw(its own key)`.

    Rows are drawn one at a time, and only for Byzantine identities. Numbers for all n identities would cost several
    times as much as the round.
    """

    # Keys are passed as raw data: under vmap over `byzantine`, `cond` becomes `select`, and the key-reuse checker of
    # jax would report a key that is only selected.
    keys = per_node(key, view.messages.shape[0])
    numbers, kind = jax.random.key_data(keys), jax.random.key_impl(keys)

    def one(row):
        byzantine, numbers, message = row
        return jax.lax.cond(byzantine, lambda: draw(jax.random.wrap_key_data(numbers, impl=kind)), lambda: message)

    return Sent(jax.lax.map(one, (view.byzantine, numbers, view.messages)))
