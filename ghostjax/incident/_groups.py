"""Two groups in a list of scores."""

import numpy as np


def above_gap(scores: np.ndarray) -> tuple[np.ndarray, float]:
    """Those above the largest gap between sorted scores, `[n]` booleans, and the gap.

    At most half of all: the accused are the fewer. Equal gaps: the fewest. The gap is in standard deviations of the
    scores below it, so that longer and shorter stretches of a run compare.
    """
    order = np.argsort(-scores, kind="stable")
    gaps = -np.diff(scores[order])[: max(1, len(scores) // 2)]
    largest = int(gaps.argmax())
    chosen = np.zeros(len(scores), bool)
    chosen[order[: largest + 1]] = True
    spread = scores[~chosen].std()
    return chosen, float(gaps[largest] / spread) if spread > 0 else 0.0


def upper_group(scores: np.ndarray) -> np.ndarray:
    """The upper of the two groups with the least sum of squares within them (exact two-means on a line)."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(float)
    sizes = np.arange(1, len(scores))
    upper, lower = np.cumsum(ordered)[:-1], ordered.sum() - np.cumsum(ordered)[:-1]
    between = upper**2 / sizes + lower**2 / (len(scores) - sizes)
    chosen = np.zeros(len(scores), bool)
    chosen[order[: int(between.argmax()) + 1]] = True
    return chosen


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """The share of those in both among those in either; 1 for two empty sets."""
    either = (a | b).sum()
    return float((a & b).sum() / either) if either else 1.0
