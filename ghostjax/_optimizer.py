"""Any optax optimizer as a module, so that its hyperparameters are traced knobs."""

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import PyTree

from ghostjax._border import Checked
from ghostjax._elementwise import is_elementwise
from ghostjax._repr import value_text
from ghostjax._tree import Ravel
from ghostjax._types import as_real, ConfigurationError, static_field


def _parameters(factory: Any) -> dict[str, inspect.Parameter] | None:
    """The factory's parameters by name; None if it takes any name or has no signature."""
    try:
        parameters = dict(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return None
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) else parameters


def _sort(factory: Any, given: dict[str, Any]) -> tuple[dict[str, Any], tuple[tuple[str, Any], ...]]:
    """Splits knobs into traced ones (numbers, schedules, other optimizers) and static ones (all others).

    A parameter that optax declares as plain `int` or `float`, not as an array, is static: its Python code branches on
    the value.
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

    A simulation gives flat vectors `[d]`. A transformation that treats every number alike (sgd, adam, clipping by
    value) acts on them as they are. Any other (lamb, lars, adafactor, `masked`, `multi_transform`, clipping by a norm)
    gets the parameter tree of the model; labels and masks are those of that tree. The traced formulas decide between
    the two (`for_model`).

    optax computes under standard dtype and rank promotion whatever the global setting, and parameters keep their
    dtype.

    **Traced:** every number in `knobs`, and those of a `Schedule`. **Static:** `factory`, what it declares as
    plain `int` or `float`, and everything that is not a number (booleans, functions, strings). A function made anew
    compiles again: give a `Schedule` rather than a schedule function, and a named factory rather than a lambda.
    Errors: a knob that the factory does not have, a transformation that cannot take the model's parameters.

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
    ravel: Ravel | None = static_field(default=None)
    """How flat vectors become the trees that the transformation gets; None where it acts on the vectors."""

    def __init__(self, factory: Callable[..., Any] | optax.GradientTransformation, *parts: "Optimizer", **knobs: Any):
        if isinstance(factory, optax.GradientTransformation) and (parts or knobs):
            raise ConfigurationError(
                f"Optimizer(a ready transformation): {', '.join(knobs) or 'parts'} given, but its numbers are fixed; "
                "give the factory that made it instead"
            )
        self.factory = factory
        self.parts = parts
        self.knobs, self.options = _sort(factory, knobs)
        self.ravel = None

    def __repr__(self) -> str:
        return _call("Optimizer", self.factory, self.parts, self.knobs, self.options)

    def for_model(self, ravel: Ravel) -> "Optimizer":
        """This optimizer for the flat vectors of `ravel`: it gets their trees unless it treats every number alike."""
        shape = _Shape(self)
        try:
            flat = _acts_on_vectors(shape, ravel)
        except TypeError:  # an option that cannot be hashed
            flat = _acts_on_vectors.__wrapped__(shape, ravel)
        bound = copy.copy(self)
        object.__setattr__(bound, "ravel", None if flat else ravel)
        return bound

    def build(self, dtype: Any) -> optax.GradientTransformation:
        """The optax transformation, its knobs in `dtype`."""
        if isinstance(self.factory, optax.GradientTransformation):
            return self.factory
        parts = [part.build(dtype) for part in self.parts]
        return self.factory(*parts, **_ready(self.knobs, dtype), **dict(self.options))

    def init(self, params: PyTree) -> PyTree:
        """The optimizer's state for `params`."""
        if self.ravel is not None:
            params = self.ravel.unravel(params)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return self.build(jax.tree.leaves(params)[0].dtype).init(params)

    def step(self, state: PyTree, gradient: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        """The next state and the next parameters after one step along `gradient`."""
        ravel = self.ravel
        if ravel is not None:
            gradient, params = ravel.unravel(gradient), ravel.unravel(params)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            transform = self.build(jax.tree.leaves(params)[0].dtype)
            updates, after = transform.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
        return after, params if ravel is None else ravel.ravel(params)


class _Shape:
    """An optimizer without its numbers, as a key of a cache: the numbers do not decide how it acts."""

    def __init__(self, optimizer: Optimizer):
        leaves, self.structure = jax.tree.flatten(optimizer)
        self.knobs = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)

    def __hash__(self) -> int:
        return hash((self.structure, self.knobs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shape) and (self.structure, self.knobs) == (other.structure, other.knobs)


@functools.lru_cache(maxsize=256)
def _acts_on_vectors(shape: _Shape, ravel: Ravel) -> bool:
    """Whether the transformation may act on flat vectors. Errors: one that cannot take the tree either."""
    vector = jax.ShapeDtypeStruct((ravel.size,), ravel.dtype)
    tree = jax.eval_shape(ravel.unravel, vector)

    def made(knobs: Any) -> optax.GradientTransformation:
        return jax.tree.unflatten(shape.structure, knobs).build(ravel.dtype)

    def init(knobs: Any, params: PyTree) -> PyTree:
        return made(knobs).init(params)

    def update(knobs: Any, gradient: PyTree, state: PyTree, params: PyTree) -> Any:
        return made(knobs).update(gradient, state, params)

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        try:
            return is_elementwise(init, update, shape.knobs, vector, tree)
        except Exception as error:
            factory = jax.tree.unflatten(shape.structure, shape.knobs).factory
            why = (str(error).strip().splitlines() or [type(error).__name__])[0][:100]
            raise ConfigurationError(
                f"Optimizer: factory={getattr(factory, '__name__', 'a ready transformation')}: cannot take the "
                f"parameters of this model ({why}); labels and masks have the structure of task.init(key), and an "
                "update gets the gradient, its state and the parameters only"
            ) from error


def for_model(stages: PyTree, ravel: Ravel) -> PyTree:
    """`stages` with every optimizer in them bound to the flat vectors of `ravel`."""

    def bind(node: Any) -> Any:
        return node.for_model(ravel) if isinstance(node, Optimizer) else node

    return jax.tree.map(bind, stages, is_leaf=lambda node: isinstance(node, Optimizer))
