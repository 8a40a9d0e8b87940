"""Who is Byzantine: counts, shares and masks as one mask. An ambiguous value is refused."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool

from ghostjax._border import number, shown, whole
from ghostjax._types import ConfigurationError, require


class IdleAttack(UserWarning):
    """Nobody carries out the attack. `sweep` drops this warning where a cell without attackers is a baseline."""


@dataclasses.dataclass(frozen=True)
class Share:
    """A share of the nodes, rounded to the nearest whole number of them (halves up).

    `gj.Share(0.25)` of 10 nodes are 3. A share above 0 that rounds to nobody is refused.
    """

    share: float

    def __post_init__(self):
        object.__setattr__(self, "share", float(number(self.share, "Share", "share", 0, 1)))

    def of(self, n: int, call: str, parameter: str) -> int:
        """The number of nodes that this share of `n` nodes makes."""
        count = math.floor(self.share * n + 0.5)
        require(
            count > 0 or self.share == 0, call, parameter, self.share, f"of {n} nodes that is nobody; give 0 or a count"
        )
        return count


def byzantine_mask(byzantine: Any, n: int, call: str = "Simulation") -> Bool[Array, " n"]:
    """The mask `[n]` that `byzantine` means; a number marks the last nodes.

    A whole number is a count, a fraction between 0 and 1 or a `Share` a share of the nodes; an array is a mask, of
    booleans or of zeros and ones, one entry per node. A list of indices is refused, and so is 1.0, which could be one
    node or all of them.
    """
    parameter = "byzantine"
    if isinstance(byzantine, Tracer):
        return byzantine.astype(bool) if byzantine.ndim else jnp.arange(n) >= n - byzantine
    if isinstance(byzantine, Share):
        return _last(byzantine.of(n, call, parameter), n)
    if isinstance(byzantine, jax.Array | np.ndarray | list | tuple) and np.shape(_array(byzantine)) != ():
        return _mask(_array(byzantine), byzantine, n, call)
    if _array(byzantine).dtype.kind == "f":
        share = float(number(byzantine, call, parameter))
        remedy = "a fraction below 1 is a share of the nodes; give a count as a whole number, or gj.Share(1)"
        require(0 <= share < 1, call, parameter, shown(byzantine), remedy)
        return _last(Share(share).of(n, call, parameter), n)
    count = whole(byzantine, call, parameter)
    require(0 <= count <= n, call, parameter, count, f"must lie between 0 and the {n} nodes")
    return _last(count, n)


class OfNodes(eqx.Module):
    """A share of the nodes as a part of a module: it sets a count once their number is known."""

    share: Share = eqx.field(static=True)


def declared_who(who: Any, call: str, parameter: str) -> Any:
    """Identities as a part of a module, before their number is known: a mask, a count, or a share of the nodes."""
    if isinstance(who, Share | float):
        return OfNodes(who if isinstance(who, Share) else Share(who))
    if np.ndim(who):
        return jnp.asarray(who)
    if not isinstance(who, Tracer):
        whole(who, call, parameter, low=0)
    return jnp.asarray(who, jnp.int32)


def mask_of(who: Any, n: int, call: str) -> Bool[Array, " n"]:
    """The mask `[n]` of what `declared_who` returned; counts and shares mark the last nodes."""
    return byzantine_mask(who.share if isinstance(who, OfNodes) else who, n, call)


def _last(count: int, n: int) -> Array:
    return jnp.arange(n) >= n - count


def _array(values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:  # ragged
        return np.asarray([None])


def _mask(values: np.ndarray, given: Any, n: int, call: str) -> Array:
    numbers = values.dtype.kind in "biuf" and bool((np.isfinite(values) & (values == np.floor(values))).all())
    require(numbers, call, "byzantine", shown(given), "give a count, a share or a mask")
    zeros_and_ones = bool(np.isin(values, (0, 1)).all())
    if values.shape == (n,) and zeros_and_ones:
        return jnp.asarray(values.astype(bool))
    if values.dtype.kind != "b" and not zeros_and_ones:
        raise ConfigurationError(
            f"{call}: byzantine={shown(given)}: a list of indices could be a mask; for identities 3 and 7 write "
            f"np.isin(np.arange({n}), [3, 7])"
        )
    raise ConfigurationError(
        f"{call}: byzantine=mask of shape {values.shape}: give one entry per node, ({n},), or a count"
    )
