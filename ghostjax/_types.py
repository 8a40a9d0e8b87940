"""Shapes, knob converters and configuration errors that every stage shares.

Shape letters used throughout: `n` identities (nodes), `d` flat parameters, `k` neighbour slots of a
receiver (itself included), `T` rounds, `b` examples of a batch.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, PRNGKeyArray


Key = PRNGKeyArray
"""A typed key (`jax.random.key`) or an old-style `uint32` key."""


class ConfigurationError(ValueError):
    """A configuration that cannot work, found before anything compiles."""


def require(condition: Any, call: str, parameter: str, value: Any, remedy: str) -> None:
    """Raises `ConfigurationError` in one line unless `condition` holds.

    The line names the call, the parameter, the value seen and the way out. A traced `condition` is not
    decidable before the run and passes: the run reports it by its result code instead.
    """
    if isinstance(condition, Tracer):
        return
    if not bool(condition):
        raise ConfigurationError(f"{call}: {parameter}={value!s}: {remedy}")


def concrete(value: Any) -> bool:
    """Whether `value` can be inspected now, that is, holds no tracer."""
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value))


def as_real(value: Any) -> Array:
    """A real knob as a leaf of the default float dtype (never weakly typed, so one trace serves all values)."""
    return jnp.asarray(value, jnp.result_type(float))


def as_count(value: Any) -> Array:
    """An integer knob as an int32 leaf."""
    return jnp.asarray(value, jnp.int32)


def real_field(**kwargs: Any) -> Any:
    """A traced real knob of a module: mass, radius, step size, probability."""
    return eqx.field(converter=as_real, **kwargs)


def count_field(**kwargs: Any) -> Any:
    """A traced integer knob of a module: a number of steps, an identity's index."""
    return eqx.field(converter=as_count, **kwargs)


def static_field(**kwargs: Any) -> Any:
    """A knob that sets a shape or a loop bound: changing it compiles again."""
    return eqx.field(static=True, **kwargs)


Respond = Callable[[Array], Array]
"""The rest of the round as a function of the messages `[n, d]`."""
