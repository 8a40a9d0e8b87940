"""Directions away from the honest mean."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax.attacks._base import View
from ghostjax.attacks._statistics import honest_std, normalise


Direction = Literal["std", "unit", "sign"]


def perturbation(view: View, mean: Float[Array, " d"], direction: Direction, ddof: int) -> Float[Array, " d"]:
    """The coordinate standard deviation of honest messages, their mean over its norm, or the signs of their mean."""
    if direction == "std":
        return honest_std(view, mean, ddof)
    return normalise(mean) if direction == "unit" else jnp.sign(mean)
