"""Intervals over seeds: of a mean, of a difference of pairs, of the lowest of several means."""

import numpy as np


FEW_SEEDS = 20
"""Up to this many seeds an interval rests on the normal distribution of single values, and a note says so."""


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Student's interval of the mean over the last axis: nan where there is one value, or one that is not finite.

        mean +- t(n - 1, (1 + level) / 2) * sd / sqrt(n)

    Covers exactly `level` for independent normal values, at every n >= 2. Source: Student, "The probable error of a
    mean", Biometrika 1908.
    """
    middle, error = _mean_and_error(values)
    reach = _quantile(values.shape[-1], (1 - level) / 2) * error
    return np.asarray(middle - reach), np.asarray(middle + reach)


def lowest_interval(values: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """An interval for the lowest of k true means, from values `[k, ..., n]`.

        low = min_a (mean_a - t(n - 1, 1 - q) * error_a),    high = min_a (mean_a + t(n - 1, 1 - q / k) * error_a),
        q = (1 - level) / 2

    Covers at least `level` whatever the means, the spreads and the dependence between options: `low` is too high only
    if the limit of the truly lowest option is (probability q), `high` too low only if the limit of one of the k
    options is (at most k * q / k). With one option it is `t_interval`. Source: O. J. Dunn, "Multiple comparisons among
    means", JASA 1961.
    """
    options, n = values.shape[0], values.shape[-1]
    middle, error = _mean_and_error(values)
    q = (1 - level) / 2
    low, high = middle - _quantile(n, q) * error, middle + _quantile(n, q / options) * error
    return np.asarray(low.min(0)), np.asarray(high.min(0))


def _mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = values.shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):
        middle = np.asarray(values.mean(-1))
        spread = np.asarray(values.std(-1, ddof=1)) if n > 1 else np.full(middle.shape, np.nan)
    return middle, np.asarray(spread / np.sqrt(n))


def _quantile(n: int, tail: float) -> float:
    """The value that Student's variable of n - 1 degrees exceeds with probability `tail`."""
    from scipy.special import stdtrit

    return -float(stdtrit(n - 1, tail)) if n > 1 else float("nan")


def note(seeds: int) -> str:
    """The caveat beside an interval over few seeds, or none."""
    if seeds == 1:
        return "one seed: there is no interval"
    if seeds <= FEW_SEEDS:
        return f"only {seeds} seeds: the interval takes their values to be normal, which so few cannot show"
    return ""
