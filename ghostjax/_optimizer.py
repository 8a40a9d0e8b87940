"""Any optax optimizer as a module, so that its hyperparameters are traced knobs."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import PyTree

from ghostjax._border import Checked
from ghostjax._repr import value_text
from ghostjax._types import as_real, ConfigurationError, static_field


def _parameters(factory: Any) -> dict[str, inspect.Parameter] | None:
    """The factory's parameters by name; None where it takes any or does not say."""
    try:
        parameters = dict(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return None
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) else parameters


def _sort(factory: Any, given: dict[str, Any]) -> tuple[dict[str, Any], tuple[tuple[str, Any], ...]]:
    """What is traced (numbers, schedules, other optimizers) and what is static (all else).

    optax declares `int` or `float`, and not an array, where its Python code branches on the value: those are static.
    """
    known = _parameters(factory)
    if known is not None and (unknown := sorted(given.keys() - known.keys())):
        raise ConfigurationError(
            f"{getattr(factory, '__name__', factory)}: {unknown[0]}={given[unknown[0]]!s}: no such knob; "
            f"it has {', '.join(known)}"
        )
    traced, static = {}, {}
    for name, value in given.items():
        parameter = (known or {}).get(name)
        plain = parameter is not None and (
            parameter.annotation in (int, float, "int", "float") or type(parameter.default) is int
        )
        number = isinstance(value, int | float | np.number | np.ndarray | jax.Array) and not isinstance(value, bool)
        if isinstance(value, Schedule | Optimizer):
            traced[name] = value
        elif number and not (plain and isinstance(value, int | float | np.number)):
            traced[name] = as_real(value)
        else:
            static[name] = value
    return traced, tuple(sorted(static.items()))


def _ready(knobs: dict[str, Any], dtype: Any) -> dict[str, Any]:
    return {
        name: value.build(dtype) if isinstance(value, Schedule | Optimizer) else value.astype(dtype)
        for name, value in knobs.items()
    }


def _call(name: str, factory: Any, parts: tuple[Any, ...], knobs: dict[str, Any], options: Any) -> str:
    """As it was written: `Optimizer(sgd, learning_rate=0.1)`."""
    ready = isinstance(factory, optax.GradientTransformation)
    named = [f"{key}={value_text(value)}" for key, value in (*knobs.items(), *options)]
    first = "a ready transformation" if ready else value_text(factory)
    return f"{name}({', '.join([first, *map(repr, parts), *named])})"


class Schedule(Checked):
    """An optax schedule with traced knobs: `Schedule(optax.cosine_decay_schedule, init_value=0.1, decay_steps=100)`.

    To be given to an `Optimizer` in place of a number. **Traced:** every number. **Static:** `factory`, and the
    parameters that it declares as plain `int` or `float`, such as numbers of steps.
    """

    knobs: dict[str, Any]
    factory: Any = static_field()
    options: tuple[tuple[str, Any], ...] = static_field()

    def __init__(self, factory: Callable[..., Any], **knobs: Any):
        self.factory = factory
        self.knobs, self.options = _sort(factory, knobs)

    def __repr__(self) -> str:
        return _call("Schedule", self.factory, (), self.knobs, self.options)

    def build(self, dtype: Any) -> Callable[[Any], Any]:
        """The schedule, its knobs in `dtype`."""
        return self.factory(**_ready(self.knobs, dtype), **dict(self.options))


class Optimizer(Checked):
    """An optax factory with traced hyperparameters: `Optimizer(optax.adam, learning_rate=1e-3)`.

    The transformation is rebuilt inside the trace from `factory(**knobs)`; one compiled program therefore
    serves every learning rate and a sweep can map over it. Optimizers given by position go to the factory as they
    are: `Optimizer(optax.chain, Optimizer(optax.clip, max_delta=1.0), Optimizer(optax.sgd, learning_rate=0.1))`. A
    ready `optax.GradientTransformation` is accepted too; its numbers are then baked into the program.

    optax computes under standard dtype and rank promotion whatever the global setting, and parameters keep their
    dtype.

    **Traced:** every number in `knobs`, and those of a `Schedule`. **Static:** `factory`, what it declares as
    plain `int` or `float`, and everything that is not a number (booleans, functions, strings). A function made anew
    compiles again: give a `Schedule` rather than a schedule function, and a named factory rather than a lambda.
    Errors: a knob that the factory does not have.

    ```python
    >>> import jax.numpy as jnp, optax, ghostjax as gj
    >>> optimizer = gj.Optimizer(optax.sgd, learning_rate=0.5)
    >>> theta = jnp.ones(2)
    >>> state, theta = optimizer.step(optimizer.init(theta), jnp.array([1.0, 2.0]), theta)
    >>> theta
    Array([0.5, 0. ], dtype=float32)

    ```

    Source: DeepMind, The DeepMind JAX Ecosystem (optax).
    """

    knobs: dict[str, Any]
    parts: "tuple[Optimizer, ...]"
    factory: Any = static_field()
    options: tuple[tuple[str, Any], ...] = static_field()

    def __init__(self, factory: Callable[..., Any] | optax.GradientTransformation, *parts: "Optimizer", **knobs: Any):
        if isinstance(factory, optax.GradientTransformation) and (parts or knobs):
            raise ConfigurationError(
                f"Optimizer(a ready transformation): {', '.join(knobs) or 'parts'} given, but its numbers are fixed; "
                "give the factory that made it instead"
            )
        self.factory = factory
        self.parts = parts
        self.knobs, self.options = _sort(factory, knobs)

    def __repr__(self) -> str:
        return _call("Optimizer", self.factory, self.parts, self.knobs, self.options)

    def build(self, dtype: Any) -> optax.GradientTransformation:
        """The optax transformation, its knobs in `dtype`."""
        if isinstance(self.factory, optax.GradientTransformation):
            return self.factory
        parts = [part.build(dtype) for part in self.parts]
        return self.factory(*parts, **_ready(self.knobs, dtype), **dict(self.options))

    def init(self, params: PyTree) -> PyTree:
        """The optimizer's state for `params`."""
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return self.build(jax.tree.leaves(params)[0].dtype).init(params)

    def step(self, state: PyTree, gradient: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        """The next state and the next parameters after one step along `gradient`."""
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            transform = self.build(jax.tree.leaves(params)[0].dtype)
            updates, after = transform.update(gradient, state, params)
            return after, optax.apply_updates(params, updates)
