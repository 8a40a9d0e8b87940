"""Adapter for flax.nnx modules."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ghostjax._types import ConfigurationError, Key, static_field
from ghostjax.tasks.models._base import AbstractModel
from ghostjax.tasks.models._example import example_of, tried


class FlaxNNX(AbstractModel):
    """A `flax.nnx` module as a model; made by `flax_nnx`. **Static:** everything."""

    make: Callable[[Any], Any] = static_field()
    graph: Any = static_field()
    streams: Any = static_field()
    """The tree structure of the module's random state, and the dtype of each of its leaves."""

    def init(self, key: Key) -> PyTree:
        from flax import nnx

        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return nnx.state(self.make(nnx.Rngs(key)), nnx.Param)

    def apply(self, params: PyTree, x: Array, key: Key | None) -> Array:
        from flax import nnx

        structure, dtypes = self.streams
        # Without a key nothing random runs, but the module's streams must be filled.
        keys = jax.random.split(jax.random.key(0) if key is None else key, max(1, len(dtypes)))
        leaves = [keys[i] if jnp.issubdtype(t, jax.dtypes.prng_key) else jnp.zeros((), t) for i, t in enumerate(dtypes)]
        module = nnx.merge(self.graph, params, jax.tree.unflatten(structure, leaves))
        (module.eval if key is None else module.train)()
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return module(x)


def flax_nnx(make: Callable[[Any], Any], example: Any = None) -> FlaxNNX:
    """The `flax.nnx` module `make(rngs)`, which acts on a batch; with an `example` as in `flax_linen` it is tried.

    With a key the module runs in `train()` mode and its random streams start from it, without in `eval()` mode.
    Parameters are its `nnx.Param`s. Strict promotion settings are lifted inside the module. Errors: a module with
    other variables (batch statistics), because messages carry parameters only.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> from flax import nnx
    >>> from ghostjax.tasks.models import flax_nnx
    >>> def make(rngs):
    ...     return nnx.Linear(4, 3, rngs=rngs)
    >>> model = flax_nnx(make)
    >>> model.apply(model.init(jax.random.key(0)), jnp.ones((2, 4)), None).shape
    (2, 3)

    ```
    """
    from flax import nnx

    seen = {}

    def shapes(key: Key) -> Any:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            seen["graph"], _, streams, rest = nnx.split(make(nnx.Rngs(key)), nnx.Param, nnx.RngState, ...)
        return streams, rest

    streams, rest = tried("flax_nnx", "make", make, lambda: jax.eval_shape(shapes, jax.random.key(0)))
    others = sorted({"/".join(map(str, path)) for path, _ in nnx.to_flat_state(rest)})
    if others:
        raise ConfigurationError(
            f"flax_nnx: make={getattr(make, '__name__', make)}: the module has variables {others} that are no "
            "parameters; only parameters can be sent, so use a module without state (group or layer normalisation "
            "instead of batch normalisation)"
        )
    leaves, structure = jax.tree.flatten(streams)
    model = FlaxNNX(make, seen["graph"], (structure, tuple(leaf.dtype for leaf in leaves)))
    if example is not None:
        like = example_of("flax_nnx", example)
        run = lambda key, x: model.apply(model.init(key), x, None)
        tried("flax_nnx", "make", make, lambda: jax.eval_shape(run, jax.random.key(0), like), like)
    return model
