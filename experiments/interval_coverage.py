"""How often intervals over seeds hold the true value: Student's, the worst of three options, beside a bootstrap.

python experiments/interval_coverage.py
"""

import numpy as np

from ghostjax._intervals import lowest_interval, t_interval


TRIALS = 20_000
SEEDS = (2, 3, 5, 10, 20)
EXAMPLES = 250
"""An accuracy is a share of so many test examples."""


def drawn(kind: str, options: int, seeds: int) -> tuple[np.ndarray, float]:
    """Values `[options, trials, seeds]` with equal true means, and that mean."""
    draw = np.random.default_rng([options, seeds, len(kind)])
    shape = (options, TRIALS, seeds)
    if kind == "normal":
        return draw.normal(size=shape), 0.0
    if kind == "accuracy of .95":
        return draw.binomial(EXAMPLES, 0.95, size=shape) / EXAMPLES, 0.95
    return draw.exponential(size=shape), 1.0  # very skewed


def bootstrap(values: np.ndarray, level: float = 0.95, resamples: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of the lowest mean of resampled seeds: what most papers draw, for comparison."""
    n = values.shape[-1]
    draws = np.random.default_rng(0).integers(0, n, (resamples, n))
    counts = np.apply_along_axis(np.bincount, 1, draws, minlength=n) / n
    lowest = (values @ counts.T).min(0)
    low, high = np.quantile(lowest, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return low, high


def share(limits: tuple[np.ndarray, np.ndarray], true: float) -> float:
    """How often the true value lies within the limits."""
    return float(((limits[0] <= true) & (true <= limits[1])).mean())


def main() -> None:
    """Prints one row per distribution and method."""
    print("| values | interval | " + " | ".join(f"{n} seeds" for n in SEEDS) + " |")
    print("|---" * (2 + len(SEEDS)) + "|")
    for kind in ("normal", "accuracy of .95", "exponential"):
        rows: dict[str, list[float]] = {"one mean": [], "worst of three": [], "bootstrap": [], "bootstrap, worst": []}
        for n in SEEDS:
            values, true = drawn(kind, 3, n)
            rows["one mean"].append(share(t_interval(values[0]), true))
            rows["worst of three"].append(share(lowest_interval(values), true))
            few = values[:, :4000]
            rows["bootstrap"].append(share(bootstrap(few[:1]), true))
            rows["bootstrap, worst"].append(share(bootstrap(few), true))
        for name, found in rows.items():
            print(f"| {kind} | {name} | " + " | ".join(f"{one:.3f}" for one in found) + " |")


if __name__ == "__main__":
    main()
