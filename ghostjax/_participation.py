"""Participation: how much every identity counts in every round, from whatever a user gives to the counts of rules.

Rules and attacks count identities (a weight of 1 is one present identity). What is in another unit, stake or numbers
of examples, is rescaled here, once.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from ghostjax._border import choice, shown, whole
from ghostjax._types import ConfigurationError, require


WAY_OUT = "weights count identities, 1 for one that is present; for shares write participation=gj.stake(shares)"


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """Weights in units of identities, whatever their size: `[rounds, n]`, or `[n]` for all rounds."""

    weights: np.ndarray


def stake(shares: Any) -> Counts:
    """Participation by stake: `w_i = s_i / mean(s)`, so that the average registered identity counts 1.

    `shares` `[n]` or `[rounds, n]` are in any unit; all n identities are registered, those with stake 0 too. With a
    row per round the mean is that of each identity's largest share, so that one who stays away for a round does not
    change the others. A rule's `f=4` stays four average identities.

    **Errors:** shares that are no numbers, negative, not finite, or all 0.

    ```python
    >>> import ghostjax as gj
    >>> gj.stake([0.5, 0.25, 0.25, 0.0]).weights.tolist()
    [2.0, 1.0, 1.0, 0.0]

    ```
    """
    values = _numbers(shares, "stake", "shares").astype(float)
    require(values.ndim in (1, 2), "stake", "shares", f"array of shape {values.shape}", "give [n] or [rounds, n]")
    _check_sign(values, "stake", "shares")
    largest = values if values.ndim == 1 else values.max(0, initial=0)
    mean = (largest / max(len(largest), 1)).sum()  # divided first: a sum of large stakes could leave the range
    require(mean > 0, "stake", "shares", shown(values), "somebody needs a stake")
    return Counts(values / mean)


def weights_of(participation: Any, rounds: int, n: int, call: str, counts: Any = None) -> np.ndarray:
    """Participation as an array `[rounds, n]` of finite weights in units of identities.

    `participation` is None (everybody, always), `[rounds, n]`, `[n]` for all rounds, what `stake` returns, or
    "by_examples": in proportion to `counts` `[n]`, the examples of each node, with mean 1.
    """
    rounds, dtype = whole(rounds, call, "rounds", low=1), jnp.result_type(float)
    if participation is None:
        return np.broadcast_to(np.ones((), dtype), (rounds, n))
    raw = not isinstance(participation, Counts)
    if isinstance(participation, str):
        given, raw = _by_examples(participation, counts, call), False
    else:
        given = _numbers(participation if raw else participation.weights, call, "participation")
    shape = given.shape
    weights = np.broadcast_to(given, (rounds, *shape)) if given.ndim == 1 else given
    require(
        weights.shape == (rounds, n),
        call,
        "participation",
        f"array of shape {shape}",
        f"give one row per round and one column per node, ({rounds}, {n}), or one row for all rounds, ({n},)",
    )
    _check_sign(weights, call, "participation")
    # A receiver in gossip counts a neighbour up to n times.
    most = float(jnp.finfo(dtype).max) / n
    heaviest = float((weights.astype(float) / most).sum(1).max())
    require(
        heaviest <= 1, call, "participation", f"largest weight {weights.max():g}", f"too large to add up; {WAY_OUT}"
    )
    weights = weights.astype(dtype)
    if raw:
        require_counts(weights, call)
    return weights


def require_counts(weights: np.ndarray, call: str) -> None:
    """Refuses weights that can hardly be counts: in every round all who are present count less than one half."""
    largest = float(weights.max(initial=0))
    require(not 0 < largest < 0.5, call, "participation", f"largest weight {largest:g}", WAY_OUT)


def as_given(participation: Any, call: str) -> Any:
    """Participation as a cell of a sweep is named by it: raw weights as an array, anything else as it is."""
    declared = participation is None or isinstance(participation, str | Counts)
    return participation if declared else _numbers(participation, call, "participation")


def _numbers(values: Any, call: str, parameter: str) -> np.ndarray:
    """`values` as an array of numbers; text, ragged lists and the like are refused."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError):  # ragged, or not to be read
        array = np.asarray(None)
    if array.dtype.kind == "V" and jnp.issubdtype(array.dtype, jnp.floating):
        array = array.astype(np.float32)
    remedy = "give numbers, one row per round and one column per node, or one row for all rounds"
    require(array.dtype.kind in "biuf", call, parameter, shown(values), remedy)
    return array.astype(np.int8) if array.dtype.kind == "b" else array


def _check_sign(values: np.ndarray, call: str, parameter: str) -> None:
    wrong = values[~np.isfinite(values) | (values < 0)]
    require(not wrong.size, call, parameter, wrong.flat[0] if wrong.size else "", "weights are finite and not negative")


def _by_examples(name: str, counts: Any, call: str) -> np.ndarray:
    choice(name, ("by_examples",), call, "participation")
    if counts is None:
        raise ConfigurationError(
            f"{call}: participation={name!r}: this task does not count its examples per node; give weights, "
            "gj.stake(numbers of examples)"
        )
    return stake(counts).weights
