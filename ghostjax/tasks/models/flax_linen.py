"""Adapter for flax.linen modules."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ghostjax._types import ConfigurationError, Key, static_field
from ghostjax.tasks.models._base import AbstractModel
from ghostjax.tasks.models._example import example_of, tried


class FlaxLinen(AbstractModel):
    """A `flax.linen` module as a model; made by `flax_linen`. **Static:** everything."""

    module: Any = static_field()
    shape: tuple[int, ...] = static_field()
    dtype: Any = static_field()

    def init(self, key: Key) -> PyTree:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            variables = self.module.init(key, jnp.zeros(self.shape, self.dtype), **self._mode(False))
        return variables["params"]

    def apply(self, params: PyTree, x: Array, key: Key | None) -> Array:
        rngs = None if key is None else {"dropout": key}
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return self.module.apply({"params": params}, x, rngs=rngs, **self._mode(key is not None))

    def _mode(self, training: bool) -> dict[str, bool]:
        names = inspect.signature(type(self.module).__call__).parameters
        modes = {"deterministic": not training, "train": training, "training": training}
        return {name: value for name, value in modes.items() if name in names}


def flax_linen(module: Any, example: Any) -> FlaxLinen:
    """A `flax.linen` module; `example` is a batch `[b, ...]`, or the shape of one, that shapes the parameters.

    If its call takes `deterministic`, `train` or `training`, this argument is set by whether a key is given. The key is
    the module's "dropout" stream. Strict promotion settings are lifted inside the module. Errors: a module with
    variables other than parameters (batch statistics), because messages carry parameters only.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> from flax import linen
    >>> from ghostjax.tasks.models import flax_linen
    >>> model = flax_linen(linen.Dense(3), jnp.zeros((1, 4)))
    >>> model.apply(model.init(jax.random.key(0)), jnp.ones((2, 4)), None).shape
    (2, 3)

    ```
    """
    like = example_of("flax_linen", example)
    model = FlaxLinen(module, like.shape, like.dtype)

    def variables_of(key: Key) -> Any:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return module.init(key, jnp.zeros(like.shape, like.dtype), **model._mode(False))

    made = lambda: jax.eval_shape(variables_of, jax.random.key(0))
    variables = tried("flax_linen", "module", module, made, like)
    if set(variables) != {"params"}:
        raise ConfigurationError(
            f"flax_linen: module={type(module).__name__}: has variables {sorted(variables)}; only parameters can be "
            "sent, so use a module without state (group or layer normalisation instead of batch normalisation)"
        )
    return model
