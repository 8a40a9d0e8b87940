"""Participation in proportion to stake or to numbers of examples."""

import dataclasses
from typing import Any

import numpy as np

from ghostjax._border import shown
from ghostjax._participation._base import AbstractParticipation
from ghostjax._participation._numbers import check_sign, numbers
from ghostjax._types import Key, require


@dataclasses.dataclass(frozen=True, eq=False)
class Counts(AbstractParticipation):
    """Weights in units of identities, of any size: `[rounds, n]`, or `[n]` for all rounds."""

    weights: np.ndarray

    def rows(self, rounds: int, n: int, key: Key | None) -> np.ndarray:
        return self.weights


def stake(shares: Any) -> Counts:
    """Participation by stake: `w_i = s_i / mean(s)`, so that the average registered identity counts 1.

    `shares` `[n]` or `[rounds, n]` are in any unit. All n identities are registered, also those with stake 0. With a
    row per round, the mean is taken over each identity's largest share, so an identity that is away for a round does
    not change the weights of the others. A rule's `f=4` means four average identities.

    **Errors:** shares that are no numbers, negative, not finite, or all 0.

    ```python
    >>> import ghostjax as gj
    >>> gj.stake([0.5, 0.25, 0.25, 0.0]).weights.tolist()
    [2.0, 1.0, 1.0, 0.0]

    ```
    """
    values = numbers(shares, "stake", "shares").astype(float)
    require(values.ndim in (1, 2), "stake", "shares", f"array of shape {values.shape}", "give [n] or [rounds, n]")
    check_sign(values, "stake", "shares")
    largest = values if values.ndim == 1 else values.max(0, initial=0)
    mean = (largest / max(len(largest), 1)).sum()  # divided first: a sum of large stakes could leave the range
    require(mean > 0, "stake", "shares", shown(values), "somebody needs a stake")
    return Counts(values / mean)
