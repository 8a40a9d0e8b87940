"""Any optax optimizer as a module, so that its hyperparameters are traced knobs."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import optax
from jaxtyping import Array, PyTree

from ghostjax._types import as_real, static_field


class Optimizer(eqx.Module):
    """An optax factory with traced hyperparameters: `Optimizer(optax.adam, learning_rate=1e-3)`.

    The transformation is rebuilt inside the trace from `factory(**knobs)`; one compiled program therefore
    serves every learning rate and a sweep can map over it.

    **Traced:** every real in `knobs`. **Static:** `factory` and everything in `knobs` that is not a real
    number (booleans, schedules, strings). A ready `optax.GradientTransformation` is accepted too; its
    numbers are then baked into the program.
    """

    knobs: dict[str, Array]
    factory: Any = static_field()
    options: tuple[tuple[str, Any], ...] = static_field()

    def __init__(self, factory: Callable[..., Any] | optax.GradientTransformation, **knobs: Any):
        self.factory = factory
        static = {k: v for k, v in knobs.items() if isinstance(v, bool | str) or callable(v) or v is None}
        self.options = tuple(sorted(static.items()))
        self.knobs = {k: as_real(v) for k, v in knobs.items() if k not in static}

    def _transform(self, params: PyTree) -> optax.GradientTransformation:
        if isinstance(self.factory, optax.GradientTransformation):
            return self.factory
        dtype = jax.tree.leaves(params)[0].dtype
        return self.factory(**{k: v.astype(dtype) for k, v in self.knobs.items()}, **dict(self.options))

    def init(self, params: PyTree) -> PyTree:
        """The optimizer's state for `params`."""
        return self._transform(params).init(params)

    def step(self, state: PyTree, gradient: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        """The next state and the next parameters after one step along `gradient`."""
        updates, state = self._transform(params).update(gradient, state, params)
        return state, optax.apply_updates(params, updates)
