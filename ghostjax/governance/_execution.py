"""When verdicts can be executed."""

from typing import Any

import numpy as np

from ghostjax._border import shown, whole
from ghostjax._types import require


def execution_rounds(alarm: Any, voting: int = 5, timelock: int = 10) -> np.ndarray:
    """The rounds in which the first verdict on an alarm can be executed, in order: one for each vote that may pass.

        tallies    s_1 = voting + 1 + first alarm,    s_{k+1} = voting + 1 + first alarm at or after s_k
        executed in round s_k + timelock with probability P (1 - P)^(k - 1)

    `alarm [T]` says in which rounds there is one; rounds beyond T are left out. P is the probability that a vote passes
    (`passing_probability`). **Guarantee:** this is the exact distribution of a `Council`, whose votes are independent,
    without pause and expiry. Under an alarm that stays its mean is `expected_rounds`.

    ```python
    >>> from ghostjax.governance import execution_rounds
    >>> execution_rounds([False] * 3 + [True] * 37).tolist()
    [19, 25, 31, 37]

    ```
    """
    call = "execution_rounds"
    rounds = np.asarray(alarm)
    fits = rounds.ndim == 1 and (rounds.dtype.kind == "b" or not rounds.size)
    require(fits, call, "alarm", shown(alarm), "give a boolean for each round")
    vote, lock = whole(voting, call, "voting", low=0) + 1, whole(timelock, call, "timelock", low=0)
    tallies: list[int] = []
    for round in np.flatnonzero(rounds).tolist():
        if not tallies or round >= tallies[-1]:  # no vote is being held
            tallies.append(round + vote)
    found = np.array(tallies, int) + lock
    return found[found < len(rounds)]
