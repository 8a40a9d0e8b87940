"""Decisions that are given beforehand."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PyTree

from ghostjax._border import shown, whole
from ghostjax._output import Output
from ghostjax._round import Session, Verdict
from ghostjax._types import concrete, require
from ghostjax.governance._base import AbstractGovernance
from ghostjax.governance._snapshots import Snapshots


class Scheduled(AbstractGovernance):
    """Quarantines, releases and rolls back in rounds that are given.

    `quarantine` lists `(start, end, who)`: the identities of the mask `who [n]` count 0 in rounds start to end - 1, and
    as before from round `end` on. `rollback` lists `(round, age)`: at the end of that round the newest snapshot that is
    not older than `age` takes the place of the model. It knows nothing of the run: what a decision would have changed
    is answered by a run in which it was taken.

    **Traced:** rounds, ages and masks; their numbers are static. **State:** none. **Errors:** a quarantine that starts
    before round 1 (no round comes before it that could decide), an empty stretch, something else than a mask.

    ```python
    >>> import numpy as np, ghostjax as gj
    >>> who = np.isin(np.arange(8), [6, 7])
    >>> decided = gj.governance.Scheduled(quarantine=[(30, 60, who)], rollback=[(30, 20)])

    ```
    """

    start: Int[Array, " q"]
    end: Int[Array, " q"]
    who: Bool[Array, "q n"]
    round: Int[Array, " r"]
    age: Int[Array, " r"]
    snapshots: Snapshots
    outputs: ClassVar[Mapping[str, Output]] = {
        "quarantined": Output(long_name="identities under quarantine in the next round", units="identities"),
    }

    def __init__(self, *, quarantine: Any = (), rollback: Any = (), snapshots: Snapshots | None = None):
        self.snapshots = Snapshots() if snapshots is None else snapshots
        for start, end, who in quarantine:
            if concrete((start, end)):
                first = whole(start, "Scheduled", "quarantine", low=1)
                whole(end, "Scheduled", "quarantine", low=first + 1)
            mask = np.ndim(who) == 1 and getattr(who, "dtype", np.asarray(who).dtype) == bool
            require(mask, "Scheduled", "quarantine", shown(who), "give a mask of booleans, one entry per identity")
        for round, age in rollback:
            if concrete((round, age)):
                whole(round, "Scheduled", "rollback", low=0)
                whole(age, "Scheduled", "rollback", low=0)
        self.start, self.end = (_whole([one[i] for one in quarantine]) for i in (0, 1))
        masks = [jnp.asarray(one[2], bool) for one in quarantine]
        require(
            len({mask.shape for mask in masks}) < 2, "Scheduled", "quarantine", "masks of several lengths", "one each"
        )
        self.who = jnp.stack(masks) if masks else jnp.zeros((0, 0), bool)
        self.round, self.age = (_whole([one[i] for one in rollback]) for i in (0, 1))

    def init(self, num_nodes: int) -> PyTree:
        fits = not self.who.size or self.who.shape[1] == num_nodes
        require(fits, "Scheduled", "quarantine", f"masks of {self.who.shape[1]}", f"there are {num_nodes} identities")
        return ()

    def decide(self, state: PyTree, session: Session, num_nodes: int) -> tuple[PyTree, Verdict, dict[str, Array]]:
        coming = session.round + 1
        active = (self.start <= coming) & (coming < self.end)
        held = (active[:, None] & self.who).any(0) if self.who.size else jnp.zeros(num_nodes, bool)
        due = self.round == session.round
        back = jnp.where(due, self.age, -1).max(initial=-1)
        verdict = Verdict(jnp.where(held, 0, 1).astype(jnp.result_type(float)), back)
        return state, verdict, {"quarantined": held.sum()}


def _whole(values: list[Any]) -> Int[Array, " m"]:
    return jnp.asarray(values, jnp.int32) if values else jnp.zeros(0, jnp.int32)
