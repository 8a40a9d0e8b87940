"""A model from two functions."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, PyTree

from ghostjax._types import Key, static_field
from ghostjax.tasks.models._base import AbstractModel


class Plain(AbstractModel):
    """`init(key) -> params` and `apply(params, x, key) -> outputs` as given.

    `x` is a batch `[b, ...]`; `key` is None when the model is evaluated. **Static:** both functions, so give
    named ones: a new lambda compiles again.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> from ghostjax.tasks.models import Plain
    >>> def init(key):
    ...     return {"w": jnp.full((3, 2), 0.5)}
    >>> def apply(params, x, key):
    ...     return x @ params["w"]
    >>> model = Plain(init, apply)
    >>> model.apply(model.init(jax.random.key(0)), jnp.ones((1, 3)), None)
    Array([[1.5, 1.5]], dtype=float32)

    ```
    """

    initialise: Callable[[Key], Any] = static_field()
    evaluate: Callable[[Any, Array, Key | None], Array] = static_field()

    def init(self, key: Key) -> PyTree:
        return self.initialise(key)

    def apply(self, params: PyTree, x: Array, key: Key | None) -> Array:
        return self.evaluate(params, x, key)
