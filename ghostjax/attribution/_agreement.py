"""The agreement of two lists of numbers: Spearman, Pearson, and the linear datamodelling score."""

from typing import Any

import numpy as np


def pearson(a: Any, b: Any) -> float:
    """The correlation of two lists; nan if one of them is constant."""
    a, b = np.ravel(np.asarray(a, float)), np.ravel(np.asarray(b, float))
    a, b = a - a.mean(), b - b.mean()
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size > 0 else float("nan")


def ranks(values: Any) -> np.ndarray:
    """Ranks from 1, ties at their average rank."""
    _, place, counts = np.unique(np.ravel(np.asarray(values, float)), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def spearman(a: Any, b: Any) -> float:
    """The correlation of the ranks of two lists, ties at their average rank; nan if one list is constant.

    ```python
    >>> import ghostjax as gj
    >>> round(gj.attribution.spearman([1, 2, 3, 4], [1, 10, 1000, 100]), 3)
    0.8

    ```
    """
    return pearson(ranks(a), ranks(b))


def lds(scores: Any, masks: Any, values: Any) -> float:
    """The linear datamodelling score: Spearman of the additive prediction with the true outcomes.

        spearman( (sum of scores over what mask k silences)_k , (values_k)_k )

    `scores` `[n]` per identity or `[T, n]` per cell, positive where removal raises the outcome; `masks` of
    shape `[m, *scores.shape]`, 1 where kept and 0 where silenced; `values` `[m]`, the outcomes of `replay`.

    Source: Park et al., TRAK: Attributing Model Behavior at Scale, arXiv:2303.14186.
    """
    scores, masks = np.asarray(scores, float), np.asarray(masks, float)
    return spearman((1 - masks).reshape(len(masks), -1) @ scores.ravel(), values)
