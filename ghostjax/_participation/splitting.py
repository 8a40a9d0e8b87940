"""A principal that replaces one identity by several."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ghostjax._border import shown, whole
from ghostjax._participation._base import AbstractParticipation
from ghostjax._types import Key, require


@dataclasses.dataclass(frozen=True, eq=False)
class Splitting(AbstractParticipation):
    """One identity until a round, others from then on; see `splitting`."""

    identity: int
    into: Sequence[int]
    start: int

    def rows(self, rounds: int, n: int, key: Key | None) -> np.ndarray:
        check_there([self.identity, *self.into], n, "splitting")
        weights = np.ones((rounds, n), np.int8)
        weights[: self.start, list(self.into)] = 0
        weights[self.start :, self.identity] = 0
        return weights


def splitting(identity: int, into: Any, start: int) -> Splitting:
    """Participation where one identity leaves in round `start` and its principal comes back as the identities `into`.

        w_i(t) = [t < start] for i = identity,    [t >= start] for i in `into`,    1 for all others

    It is a Sybil attack as a schedule. All identities are rows of the run from the beginning, and those of one
    principal have one `owner`. A present one counts 1; with an identity layer, it counts as that says. So a split of
    stake s is `identity.Stake` with s for `identity` and s / k for each of the k others.

    **Errors:** identities that do not exist, that are named twice, no identity to split into.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.quadratic(5, 2)
    >>> sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()), owner=[0, 1, 2, 2, 2])
    >>> run = gj.simulate(sim, 4, participation=gj.splitting(2, into=[3, 4], start=2), progress=None)
    >>> run.record["present"].tolist()
    [3.0, 3.0, 4.0, 4.0]

    ```

    Source: Douceur, The Sybil Attack, IPTPS 2002.
    """
    identity, start = whole(identity, "splitting", "identity", low=0), whole(start, "splitting", "start", low=0)
    others = identities(into, "splitting", "into")
    require(identity not in others, "splitting", "into", shown(into), f"identity {identity} leaves; name others")
    return Splitting(identity, others, start)


def identities(values: Any, call: str, parameter: str) -> tuple[int, ...]:
    """`values` as different indices of identities, at least one."""
    listed = isinstance(values, list | tuple | range | np.ndarray) and len(values) > 0
    require(listed, call, parameter, shown(values), "give a list of identities, by index")
    found = tuple(whole(value, call, parameter, low=0) for value in values)
    require(len(set(found)) == len(found), call, parameter, shown(values), "name each identity once")
    return found


def check_there(found: Sequence[int], n: int, call: str) -> None:
    """Refuses identities beyond the last one."""
    require(max(found) < n, call, "identity", max(found), f"there are {n} identities, 0 to {n - 1}")
