"""Gradient dissimilarity: the heterogeneity of the honest objectives at the present models."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax._round import Round
from ghostjax._types import require
from ghostjax.metrics._base import AbstractMetric, mean_and_variance, Output


class Dissimilarity(AbstractMetric):
    """The spread of honest updates beside the size of their mean, from which (G, B) is fitted.

        dissimilarity = mean_H ||u_i - u_H||^2,    update_norm2 = ||u_H||^2,    u_H = mean_H u_i

    Updates are those that learners propose: stochastic gradients for `Momentum(beta=0)`, otherwise averages of them. So
    the values contain the sampling noise of the batches. `fit_dissimilarity` computes (G, B) from the record of a run.
    """

    outputs: ClassVar[Mapping[str, Output]] = {
        "dissimilarity": Output(long_name="mean squared distance of honest updates to their mean"),
        "update_norm2": Output(long_name="squared norm of the mean honest update"),
    }

    def __call__(self, round: Round) -> dict[str, Array]:
        mean, squares = mean_and_variance(round.updates, round.honest)
        return {"dissimilarity": squares, "update_norm2": jnp.square(mean).sum()}


class DissimilarityFit(NamedTuple):
    """The constants of `zeta2 <= G^2 + B^2 norm2`, and the share of rounds in which it holds."""

    G: float
    B: float
    covered: float


def fit_dissimilarity(zeta2: Any, norm2: Any, *, envelope: bool = False) -> DissimilarityFit:
    """The (G, B) of a run: `mean_i ||g_i - g||^2 ~ G^2 + B^2 ||g||^2` by non-negative least squares.

    With `envelope` both constants are enlarged by one factor until the right side covers every round, as theorems
    assume. Rounds with a nan are left out. Errors: no round left.

    ```python
    >>> import numpy as np, ghostjax as gj
    >>> norm2 = np.array([4.0, 1.0, 0.25])
    >>> fit = gj.metrics.fit_dissimilarity(9.0 + 0.25 * norm2, norm2)
    >>> round(fit.G, 3), round(fit.B, 3), fit.covered
    (3.0, 0.5, 1.0)

    ```

    Source: the inequality is that of Allouah et al., Robust Distributed Learning: Tight Error Bounds and
    Breakdown Point under Data Heterogeneity, arXiv:2309.13591.
    """
    from scipy.optimize import nnls

    zeta2, norm2 = np.ravel(np.asarray(zeta2, float)), np.ravel(np.asarray(norm2, float))
    finite = np.isfinite(zeta2) & np.isfinite(norm2)
    zeta2, norm2 = zeta2[finite], norm2[finite]
    require(len(zeta2) > 0, "fit_dissimilarity", "zeta2", "no finite round", "record Dissimilarity() during the run")
    # The column is scaled to the size of the constant one, so that the solver's tolerance means the same for both.
    unit = max(float(norm2.max()), np.finfo(float).tiny)
    (g2, b2), _ = nnls(np.stack([np.ones_like(norm2), norm2 / unit], 1), zeta2)
    right = g2 + b2 * norm2 / unit
    if envelope:
        positive = zeta2 > 0
        factor = float((zeta2[positive] / right[positive]).max()) if positive.any() else 1.0
        g2, b2, right = g2 * max(factor, 1.0), b2 * max(factor, 1.0), right * max(factor, 1.0)
    covered = float((zeta2 <= right * (1 + 1e-9)).mean())
    return DissimilarityFit(float(np.sqrt(g2)), float(np.sqrt(b2 / unit)), covered)
