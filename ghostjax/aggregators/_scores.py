"""The scores of Krum: squared distances to the nearest other rows."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels import nearest_score, power_near
from ghostjax._types import require


Neighbours = Literal["n-f-1", "n-f-2"]
NEIGHBOURS = ("n-f-1", "n-f-2")
SLACK = 64
"""Scores closer than this many units of rounding count as equal."""


def exempt_laws_of(neighbours: Neighbours) -> frozenset[Literal["permutation", "weight_scale"]]:
    """Permutation, since ties go to the lowest index; weight scale, if one neighbour is left out."""
    return frozenset({"permutation"}) if neighbours == "n-f-1" else frozenset({"permutation", "weight_scale"})


def check_neighbours(call: str, w: Float[Array, " n"], mass: Float[Array, ""], neighbours: Neighbours) -> None:
    """Errors: no other identity to compare a message with."""
    left = neighbourhood(w, mass, neighbours)
    remedy = "a message is compared with its neighbours, and none is left; add nodes or lower f"
    require(((w > 0).sum() > 1) & (left > 0), call, "f", mass, remedy)


def neighbourhood(w: Float[Array, " n"], mass: Float[Array, ""], neighbours: Neighbours) -> Float[Array, ""]:
    """The mass nearest to a row that its score counts; `mass` is F.

    The row itself is part of it at distance 0: for unit weights `W - F` leaves n - f - 1 other rows, and the paper's
    n - f - 2 is `W - F - 1`.
    """
    return w.sum() - mass - (0 if neighbours == "n-f-1" else 1)


def krum_scores(
    dist2: Float[Array, "n n"], w: Float[Array, " n"], mass: Float[Array, ""], neighbours: Neighbours
) -> Float[Array, " n"]:
    """Sum of squared distances to the nearest neighbours; inf where the weight is 0. `mass` is F.

    Masses are in units of a power of two near the largest weight, so that no sum overflows.
    """
    unit = power_near(w.max())
    keep = neighbourhood(w, mass, neighbours)
    return jnp.where(w > 0, nearest_score(dist2, w * unit, keep * unit), jnp.inf)
