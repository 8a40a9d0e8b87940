"""Names the identities that moved the model: their predicted removal stands out. The truth is not used."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


LIMIT = 3.5
"""An identity is named beyond this many robust standard deviations below the median (Iglewicz and Hoaglin, 1993)."""

Scores = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""`(weights [n]) -> scores [seed, n], cells [seed, round, n]` of the training under these weights."""


class Named(NamedTuple):
    """The named identities, the round since when they did harm, and their deviations."""

    identities: tuple[int, ...]
    since: int
    """The round, counted from 1, for which the harm from it to the end is largest."""
    weakest: float
    suspect: float
    scores: np.ndarray
    """Scores `[seed, n]` with everybody present."""


def deviations(scores: np.ndarray) -> np.ndarray:
    """The deviations of scores in robust standard deviations: `(s - median) / (1.4826 MAD)`, per seed.

    Zeros if more than half of the scores are equal, since the MAD is then 0.
    """
    centred = scores - np.median(scores, -1, keepdims=True)
    scale = 1.4826 * np.median(np.abs(centred), -1, keepdims=True)
    return np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 0)


def name(scores_of: Scores, nodes: int) -> Named:
    """Names identities that stand out in every seed, removes them, and repeats until nobody stands out.

    A few strong identities hide weaker ones, because they enlarge the MAD. Less than half can be named.
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
    """The round, counted from 1, for which the named identities' harm from it to the end is largest."""
    if not named.any():
        return 1
    harm = -cells[:, :, named].sum(2).mean(0)
    return int(np.argmax(np.cumsum(harm[::-1])[::-1])) + 1
