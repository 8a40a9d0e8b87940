"""Shapes, knob converters and configuration errors that every stage shares.

Shape letters used throughout: `n` identities (nodes), `d` flat parameters, `k` neighbour slots of a
receiver (itself included), `T` rounds, `b` examples of a batch.
"""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
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
    dtype = jnp.result_type(float)
    if isinstance(value, jax.Array | Tracer):
        return jnp.asarray(value, dtype)
    # Placed on the device and not computed there: `jax_debug_nans` looks for computed nan, and a knob may mean nan.
    with np.errstate(over="ignore"):  # beyond the dtype a number becomes inf
        return jax.device_put(np.asarray(value, dtype))


def as_count(value: Any) -> Array:
    """An integer knob as an int32 leaf."""
    return jnp.asarray(value, jnp.int32)


def real_field(
    *,
    low: float | None = None,
    high: float | None = None,
    nan: bool = False,
    inf: bool = False,
    unit: Literal["mass", "length"] | None = None,
    **kwargs: Any,
) -> Any:
    """A traced real knob of a module: mass, radius, step size, probability.

    A module that is `Checked` refuses numbers outside `[low, high]`, and nan and inf unless the field allows them.
    A knob in the unit of weights or of messages declares it (`unit`). It is scaled with them where they are scaled to
    stay in the range of floats.
    """
    knob = {"static": False, "whole": False, "low": low, "high": high, "nan": nan, "inf": inf, "unit": unit}
    return eqx.field(converter=_number_or_as_it_came(as_real), metadata={"knob": knob}, **kwargs)


def count_field(*, low: int | None = None, high: int | None = None, **kwargs: Any) -> Any:
    """A traced integer knob of a module: a number of steps, an identity's index; checked as a real one is."""
    knob = {"static": False, "whole": True, "low": low, "high": high, "nan": False, "inf": False}
    return eqx.field(converter=_number_or_as_it_came(as_count), metadata={"knob": knob}, **kwargs)


def static_field(
    *, whole: bool = False, low: int | None = None, high: int | None = None, choices: tuple = (), **kwargs: Any
) -> Any:
    """A knob that sets a shape or a loop bound: changing it compiles again.

    A module that is `Checked` wants a whole number in `[low, high]` where `whole`, or one of `choices` where some are
    given.
    """
    knob = {"static": True, "whole": whole, "low": low, "high": high, "choices": choices}
    return eqx.field(static=True, metadata={"knob": knob}, **kwargs)


def _whole(values: np.ndarray) -> bool:
    """Whether every number is an int32."""
    return bool((np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 2**31)).all())


def _number_or_as_it_came(convert: Callable[[Any], Array]) -> Callable[[Any], Any]:
    """`convert` for numbers; other values are left for `Checked` to refuse by the knob's name.

    Numbers are those of Python and numpy, and arrays of them. numpy itself would parse a text and turn None into nan.
    A whole knob takes no number that it would have to round.
    """

    def converter(value: Any) -> Any:
        if isinstance(value, Tracer):
            return convert(value)
        try:
            plain = value if isinstance(value, jax.Array) else np.asarray(value)
        except ValueError:  # ragged
            return value
        if plain.dtype.kind not in "iufV" or (convert is as_count and not _whole(np.asarray(plain))):
            return value
        with np.errstate(over="ignore"):  # beyond the dtype a number becomes inf, which is then refused by name
            return convert(value)

    return converter


Respond = Callable[[Array], Array]
"""The rest of the round as a function of the messages `[n, d]`."""
