"""Arrays of weights as a user passes them in."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ghostjax._border import shown
from ghostjax._types import require


def numbers(values: Any, call: str, parameter: str) -> np.ndarray:
    """`values` as an array of numbers. Text and ragged lists are refused."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError):  # ragged, or no numbers
        array = np.asarray(None)
    if array.dtype.kind == "V" and jnp.issubdtype(array.dtype, jnp.floating):
        array = array.astype(np.float32)
    remedy = "give numbers, one row per round and one column per node, or one row for all rounds"
    require(array.dtype.kind in "biuf", call, parameter, shown(values), remedy)
    return array.astype(np.int8) if array.dtype.kind == "b" else array


def check_sign(values: np.ndarray, call: str, parameter: str) -> None:
    """Refuses negative and non-finite weights."""
    wrong = values[~np.isfinite(values) | (values < 0)]
    require(not wrong.size, call, parameter, wrong.flat[0] if wrong.size else "", "weights are finite and not negative")
