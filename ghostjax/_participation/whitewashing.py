"""A principal that leaves and comes back as a new identity."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ghostjax._border import whole
from ghostjax._participation._base import AbstractParticipation
from ghostjax._participation.splitting import check_there, identities as checked
from ghostjax._types import Key


@dataclasses.dataclass(frozen=True, eq=False)
class Whitewashing(AbstractParticipation):
    """One of a principal's identities at a time; see `whitewashing`."""

    identities: Sequence[int]
    every: int
    start: int

    def rows(self, rounds: int, n: int, key: Key | None) -> np.ndarray:
        check_there(self.identities, n, "whitewashing")
        weights = np.ones((rounds, n), np.int8)
        t = np.arange(rounds)
        which = np.clip((t - self.start) // self.every + 1, 0, len(self.identities) - 1)
        for place, identity in enumerate(self.identities):
            weights[:, identity] = which == place
        return weights


def whitewashing(identities: Any, every: int, start: int | None = None) -> Whitewashing:
    """Participation where a principal has one identity at a time, and sheds it for a new one every `every` rounds.

        identities[0] until round `start`, identities[1] from then on, identities[2] from `start + every` on, ...

    `start` is `every` unless given. The last identity stays. All others are always present. All identities are rows of
    the run from the beginning; those of the principal have one `owner`.

    **Errors:** identities that do not exist or are named twice, no identity, a period of 0.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.quadratic(4, 2)
    >>> sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()), owner=[0, 1, 1, 1],
    ...                     identity=gj.identity.Age(rounds=4))
    >>> run = gj.simulate(sim, 6, participation=gj.whitewashing([1, 2, 3], every=2), progress=None)
    >>> run.state.identity.tolist()
    [6, 2, 2, 2]

    ```

    Source: Friedman and Resnick, The Social Cost of Cheap Pseudonyms, Journal of Economics and Management Strategy 10,
    2001.
    """
    found = checked(identities, "whitewashing", "identities")
    every = whole(every, "whitewashing", "every", low=1)
    return Whitewashing(found, every, every if start is None else whole(start, "whitewashing", "start", low=0))
