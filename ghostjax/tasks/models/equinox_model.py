"""Adapter for equinox modules."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ghostjax._types import ConfigurationError, Key, static_field
from ghostjax.tasks.models._base import AbstractModel
from ghostjax.tasks.models._example import example_of, tried


class EquinoxModel(AbstractModel):
    """An equinox module as a model; made by `equinox_model`. **Static:** `make` and all other parts than parameters."""

    make: Callable[[Key], Any] = static_field()
    skeleton: Any = static_field()
    takes_key: bool = static_field()

    def init(self, key: Key) -> PyTree:
        return eqx.filter(self.make(key), eqx.is_inexact_array)

    def apply(self, params: PyTree, x: Array, key: Key | None) -> Array:
        module = eqx.combine(params, self.skeleton)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            if key is None:
                return jax.vmap(eqx.nn.inference_mode(module))(x)
            if not self.takes_key:
                return jax.vmap(module)(x)
            return jax.vmap(lambda one, k: module(one, key=k))(x, jax.random.split(key, x.shape[0]))


def equinox_model(make: Callable[[Key], Any], example: Any = None) -> EquinoxModel:
    """The equinox module `make(key)`, which acts on one example and is mapped over the batch.

    With an `example`, a batch or its shape as in `flax_linen`, it is tried.

    If its call takes `key` it gets one per example; without a key it runs in inference mode. Parameters are its
    floating arrays. Strict promotion settings are lifted inside the module. Errors: a module with other arrays
    (counters, batch statistics), because messages carry parameters only.

    ```python
    >>> import equinox as eqx, jax, jax.numpy as jnp
    >>> from ghostjax.tasks.models import equinox_model
    >>> def make(key):
    ...     return eqx.nn.MLP(4, 3, width_size=8, depth=1, key=key)
    >>> model = equinox_model(make)
    >>> model.apply(model.init(jax.random.key(0)), jnp.ones((2, 4)), None).shape
    (2, 3)

    ```
    """
    shapes = tried("equinox_model", "make", make, lambda: eqx.filter_eval_shape(make, jax.random.key(0)))
    _, skeleton = eqx.partition(shapes, lambda leaf: _shaped(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact))
    others = [leaf for leaf in jax.tree.leaves(skeleton) if _shaped(leaf)]
    if others:
        raise ConfigurationError(
            f"equinox_model: make={getattr(make, '__name__', make)}: the module has {len(others)} arrays that are no "
            "floating parameters; only parameters can be sent, so use a module without state"
        )
    model = EquinoxModel(make, skeleton, "key" in inspect.signature(shapes.__call__).parameters)
    if example is not None:
        like = example_of("equinox_model", example)
        run = lambda key, x: model.apply(model.init(key), x, None)
        tried("equinox_model", "make", make, lambda: jax.eval_shape(run, jax.random.key(0), like), like)
    return model


def _shaped(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct | jax.Array)
