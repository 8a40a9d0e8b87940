"""Who moved the model: identities whose predicted removal stands out, named without a look at the truth."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


LIMIT = 3.5
"""Robust standard deviations below the median that name an identity (Iglewicz and Hoaglin, 1993)."""

Scores = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""`(weights [n]) -> scores [seed, n], cells [seed, round, n]` of the training under these weights."""


class Named(NamedTuple):
    """Who was named, since when, and how far they stand out."""

    identities: tuple[int, ...]
    since: int
    """The round, from 1, with the most harm between it and the end."""
    weakest: float
    suspect: float
    scores: np.ndarray
    """Scores `[seed, n]` with everybody present."""


def deviations(scores: np.ndarray) -> np.ndarray:
    """How many robust standard deviations each score lies from the median: `(s - median) / (1.4826 MAD)`, per seed.

    Zeros where more than half of the scores are equal, which leaves nothing to measure with.
    """
    centred = scores - np.median(scores, -1, keepdims=True)
    scale = 1.4826 * np.median(np.abs(centred), -1, keepdims=True)
    return np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 0)


def name(scores_of: Scores, nodes: int) -> Named:
    """Names whoever stands out in every seed, takes the named out, and looks again until nobody does.

    Few strong ones hide weaker ones: they widen the scale that all are measured with. Less than half can be named.
    """
    named = np.zeros(nodes, bool)
    first, cells = scores_of(np.ones(nodes))
    scores, weakest = first, np.inf
    while True:
        here = np.flatnonzero(~named)
        below = -deviations(np.asarray(scores, float)[:, here])
        certain = below.min(0)
        new = here[certain > LIMIT]
        if not np.isfinite(scores[:, here]).all() or len(new) == 0 or 2 * (named.sum() + len(new)) >= nodes:
            break
        weakest = min(weakest, float(certain[certain > LIMIT].min()))
        named[new] = True
        scores, _ = scores_of(np.where(named, 0.0, 1.0))
    suspect = float(certain.max()) if np.isfinite(certain).all() else float("nan")
    return Named(tuple(np.flatnonzero(named).tolist()), since(cells, named), weakest, suspect, first)


def since(cells: np.ndarray, named: np.ndarray) -> int:
    """The round, from 1, after whose start the named did the most harm: where the sum of harm to the end is largest."""
    if not named.any():
        return 1
    harm = -cells[:, :, named].sum(2).mean(0)
    return int(np.argmax(np.cumsum(harm[::-1])[::-1])) + 1
