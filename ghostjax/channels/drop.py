"""A channel that loses messages."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._types import Key, real_field
from ghostjax.channels._base import AbstractChannel, Carried


class Drop(AbstractChannel):
    """Every message is lost with probability `rate`, independently: one per sender at a server, one per edge in gossip.

    A lost message counts as absent for its receiver. In gossip a node always has its own model, and a message that one
    neighbour misses may reach another.

    **Traced:** `rate`. **State:** none. **Errors:** a rate outside [0, 1].

    ```python
    >>> import ghostjax as gj
    >>> gj.channels.Drop(0.1)
    Drop(rate=0.1)

    ```
    """

    rate: Float[Array, ""] = real_field(low=0, high=1)

    def init(self, like: Any) -> PyTree:
        del like
        return ()

    def carry(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], nbr: Int[Array, "n k"] | None, key: Key
    ) -> tuple[PyTree, Carried]:
        shape = w.shape if nbr is None else nbr.shape
        arrives = jax.random.uniform(key, shape, w.dtype) >= self.rate.astype(w.dtype)
        if nbr is None:
            return state, Carried(x, jnp.where(arrives, w, 0))
        return state, Carried(x, w, arrives.astype(w.dtype))
