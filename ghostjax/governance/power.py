"""Who can decide what: power indices, concentration, and how probably and how soon a vote passes."""

import math
from typing import Any

import jax
import numpy as np

from ghostjax._border import number, shown, whole
from ghostjax._random import root_key
from ghostjax._types import Key, require


def banzhaf(power: Any, quota: float, *, samples: int | None = None, key: Key | int = 0) -> np.ndarray:
    """How often each member decides the vote when all others toss a coin, normalised to the sum 1.

        beta_i proportional to #{S without i : quota - power_i <= power(S) < quota}

    Exact for whole powers, by counting coalitions by their sum: n times the sum of powers additions of whole numbers.
    With `samples`, for any powers, from so many drawn coalitions.

    ```python
    >>> from ghostjax.governance import banzhaf
    >>> [round(float(x), 3) for x in banzhaf([4, 4, 4, 2, 2, 1], 12)]
    [0.238, 0.238, 0.238, 0.143, 0.143, 0.0]

    ```

    Source: Banzhaf, Weighted Voting Doesn't Work, Rutgers Law Review 19, 1965.
    """
    weights, quota = _members(power, quota, "banzhaf")
    if samples is not None:
        drawn = _uniform(samples, len(weights), key, "banzhaf") < 0.5
        others = (drawn * weights).sum(1, keepdims=True) - drawn * weights
        swings = ((others < quota) & (others + weights >= quota)).mean(0)
    else:
        units, needed = _units(weights, quota, "banzhaf")
        counts = _product(units, sum(units))
        swings = np.array([float(_between(_without(counts, unit), needed - unit, needed)) for unit in units])
    return swings / swings.sum() if swings.sum() > 0 else swings


def shapley_shubik(power: Any, quota: float, *, samples: int | None = None, key: Key | int = 0) -> np.ndarray:
    """How often each member is the one with whom the quota is reached, when members join in random order.

    Exact for whole powers, by counting coalitions by size and sum; with `samples`, for any powers, from so many drawn
    orders.

    ```python
    >>> from ghostjax.governance import shapley_shubik
    >>> [round(float(x), 3) for x in shapley_shubik([4, 4, 4, 2, 2, 1], 12)]
    [0.233, 0.233, 0.233, 0.15, 0.15, 0.0]

    ```

    Source: Shapley and Shubik, A Method for Evaluating the Distribution of Power in a Committee System, American
    Political Science Review 48, 1954.
    """
    weights, quota = _members(power, quota, "shapley_shubik")
    n = len(weights)
    if samples is not None:
        order = np.argsort(_uniform(samples, n, key, "shapley_shubik"), axis=1)
        reached = np.cumsum(weights[order], axis=1) >= quota
        pivots = order[reached.any(1), reached.argmax(1)[reached.any(1)]]
        return np.bincount(pivots, minlength=n) / samples
    units, needed = _units(weights, quota, "shapley_shubik")
    # A coalition of s members is a power of y^s: sums and sizes as one number, size * stride + sum.
    stride = sum(units) + 1
    counts = _product([stride + unit for unit in units], n * stride + stride)
    orders = [math.factorial(size) * math.factorial(n - 1 - size) for size in range(n)]
    index = []
    for unit in units:
        others = _without(counts, stride + unit)
        swings = [_between(others[size * stride : (size + 1) * stride], needed - unit, needed) for size in range(n)]
        index.append(sum(a * b for a, b in zip(orders, swings, strict=True)) / math.factorial(n))
    return np.array(index)


def nakamoto(power: Any, threshold: float = 0.5) -> int:
    """The smallest number of members who together have a share strictly above `threshold`; ties are no majority.

    ```python
    >>> from ghostjax.governance import nakamoto
    >>> [nakamoto([1] * 100, share) for share in (1 / 3, 1 / 2, 2 / 3)]
    [34, 51, 67]

    ```
    """
    weights, _ = _members(power, 1, "nakamoto")
    number(threshold, "nakamoto", "threshold", 0, 1)
    above = np.cumsum(np.sort(weights)[::-1]) > threshold * weights.sum() * (1 + 1e-12)
    require(above.any(), "nakamoto", "threshold", threshold, "nobody has more than everything; give a share below 1")
    return int(above.argmax()) + 1


def gini(power: Any) -> float:
    """The Gini coefficient of the powers: 0 where all are equal, towards 1 where one has everything.

    ```python
    >>> from ghostjax.governance import gini
    >>> round(gini([0, 0, 0, 1]), 2)
    0.75

    ```
    """
    weights, _ = _members(power, 1, "gini")
    n = len(weights)
    return float((2 * np.arange(1, n + 1) - n - 1) @ np.sort(weights) / (n * weights.sum()))


def passing_probability(yes: Any, quorum: float = 0.5, power: Any = None) -> float:
    """The probability that a motion passes when member i says yes with probability `yes[i]`, independently.

        P[sum_i power_i Bernoulli(yes_i) >= ceil(quorum n)]

    The exact tail of a Poisson binomial distribution, of a binomial one where all are alike. An electorate votes yes on
    a true alarm with probability `participation accuracy`, its captured members with 0. `power` are whole numbers (1
    unless given).

    ```python
    >>> from ghostjax.governance import passing_probability
    >>> round(passing_probability([0.9 * 0.95] * 34 + [0] * 30), 3)
    0.111

    ```
    """
    chances = np.asarray(yes, np.float64)
    fits = chances.ndim == 1 and chances.size > 0 and bool(((chances >= 0) & (chances <= 1)).all())
    require(fits, "passing_probability", "yes", shown(yes), "give a probability for each member")
    number(quorum, "passing_probability", "quorum", 0, 1)
    n = len(chances)
    needed = math.ceil(quorum * n * (1 - 1e-9))
    weights, _ = _members([1] * n if power is None else power, 1, "passing_probability")
    require(len(weights) == n, "passing_probability", "power", shown(power), f"give a number for each of {n} members")
    units, _ = _units(weights, 1, "passing_probability")
    reached = np.zeros(sum(units) + 1)
    reached[0] = 1
    for chance, unit in zip(chances, units, strict=True):
        joined = np.concatenate([np.zeros(unit), reached[: len(reached) - unit]])
        reached = (1 - chance) * reached + chance * joined
    return float(reached[needed:].sum())


def expected_rounds(probability: float, voting: int = 5, timelock: int = 10) -> float:
    """The mean number of rounds from an alarm that stays to the execution: `(voting + 1) / P + timelock`.

    A vote takes `voting` rounds and one to count, one that fails is held again at once, and only the one that passes
    waits for the timelock. With P = 0 it is infinite.

    ```python
    >>> from ghostjax.governance import expected_rounds
    >>> round(expected_rounds(0.804), 1)
    17.5

    ```
    """
    chance = float(number(probability, "expected_rounds", "probability", 0, 1))
    rounds = whole(voting, "expected_rounds", "voting", low=0) + 1
    return (rounds / chance if chance > 0 else math.inf) + whole(timelock, "expected_rounds", "timelock", low=0)


def _members(power: Any, quota: float, call: str) -> tuple[np.ndarray, float]:
    weights = np.asarray(power, np.float64) if _numeric(power) else np.zeros(0)
    fits = weights.ndim == 1 and weights.size > 0 and bool((np.isfinite(weights) & (weights >= 0)).all())
    require(fits and weights.sum() > 0, call, "power", shown(power), "give a number of at least 0 for each member")
    return weights, float(number(quota, call, "quota", 0))


def _numeric(values: Any) -> bool:
    try:
        return np.asarray(values).dtype.kind in "iufb"
    except ValueError:  # ragged
        return False


def _units(weights: np.ndarray, quota: float, call: str) -> tuple[list[int], int]:
    """Powers and quota as whole numbers."""
    whole_ones = bool((weights == np.round(weights)).all())
    require(whole_ones, call, "power", shown(weights), "exact counts need whole numbers; scale them, or give samples=")
    return [int(weight) for weight in weights], math.ceil(quota)


def _uniform(samples: Any, n: int, key: Any, call: str) -> np.ndarray:
    count = whole(samples, call, "samples", low=1)
    return np.asarray(jax.random.uniform(root_key(key, call), (count, n)), np.float64)


def _product(powers: list[int], size: int) -> np.ndarray:
    """The coefficients of the product of all `1 + x^power`: whole numbers of any size, nothing is rounded."""
    counts = np.zeros(size + 1, object)
    counts[0] = 1
    for power in powers:
        joined = np.zeros_like(counts)
        joined[power:] = counts[: len(counts) - power]
        counts = counts + joined
    return counts


def _without(counts: np.ndarray, power: int) -> np.ndarray:
    """The product without one factor `1 + x^power`: each coefficient less the one a power below it."""
    if power == 0:
        return counts // 2
    rest = counts.copy()
    for start in range(power, len(rest), power):
        stop = min(start + power, len(rest))
        rest[start:stop] = rest[start:stop] - rest[start - power : stop - power]
    return rest


def _between(counts: np.ndarray, low: int, high: int) -> int:
    """Coalitions with a sum of at least `low` and below `high`."""
    return sum(counts[max(low, 0) : max(high, 0)].tolist())
