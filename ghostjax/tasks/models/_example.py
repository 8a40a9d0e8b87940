"""An example input of a model, and a trial of modules of other libraries on it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import shown
from ghostjax._types import ConfigurationError


def example_of(call: str, example: Any) -> jax.ShapeDtypeStruct:
    """The batch that `example` describes: an array `[b, ...]`, or its shape, `(1, 28, 28, 1)`, then of floats."""
    if isinstance(example, tuple | list) and all(isinstance(size, int | np.integer) for size in example):
        shape, dtype = tuple(int(size) for size in example), jnp.result_type(float)
    else:
        try:
            array = jnp.asarray(example)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"{call}: example={shown(example)}: give a batch [b, ...] or its shape") from error
        shape, dtype = array.shape, array.dtype
    if not shape or min(shape) < 1:
        raise ConfigurationError(f"{call}: example=shape {shape}: give a batch [b, ...] of at least one, or its shape")
    return jax.ShapeDtypeStruct(shape, dtype)


def tried(call: str, parameter: str, value: Any, run: Callable[[], Any], example: Any = None) -> Any:
    """The shapes of the result of `run`. An error of another library is reported in one line."""
    try:
        return run()
    except ConfigurationError:
        raise
    except Exception as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        what = "cannot be made" if example is None else f"cannot take an example of shape {example.shape}"
        name = getattr(value, "__name__", type(value).__name__)
        raise ConfigurationError(
            f"{call}: {parameter}={name}: {what} ({why}); give the module and inputs that fit"
        ) from error
