"""Decisions that are given beforehand."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ghostjax._border import shown, whole
from ghostjax._byzantine import declared_who, mask_of
from ghostjax._output import Output
from ghostjax._round import Session, Verdict
from ghostjax._types import concrete, require
from ghostjax.governance._base import AbstractGovernance
from ghostjax.governance._snapshots import Snapshots


class Scheduled(AbstractGovernance):
    """Quarantines, releases and rolls back in rounds that are given.

    `quarantine` lists `(start, end, who)`: the identities `who` (a mask `[n]`, or a count or a `gj.Share` of the last
    ones) count 0 in rounds start to end - 1, and as before from round `end` on. `rollback` lists `(round, age)`: at the
    end of that round the newest earlier snapshot of age `age` or less takes the place of the model. It knows nothing of
    the run: a run in which a decision was taken answers what it would have changed.

    **Traced:** rounds, ages and masks; their numbers are static. **State:** none. **Errors:** a quarantine that starts
    before round 1 (no round comes before it that could decide), an empty stretch, something else than a mask.

    ```python
    >>> import ghostjax as gj
    >>> decided = gj.governance.Scheduled(quarantine=[(30, 60, 2)], rollback=[(30, 20)])

    ```
    """

    start: Int[Array, " q"]
    end: Int[Array, " q"]
    who: tuple[Any, ...]
    round: Int[Array, " r"]
    age: Int[Array, " r"]
    snapshots: Snapshots
    outputs: ClassVar[Mapping[str, Output]] = {
        "quarantined": Output(long_name="identities under quarantine in the next round", units="identities"),
    }

    def __init__(self, *, quarantine: Any = (), rollback: Any = (), snapshots: Snapshots | None = None):
        self.snapshots = Snapshots() if snapshots is None else snapshots
        starts, ends, who = _columns(quarantine, 3, "quarantine", "(start, end, who)")
        rounds, ages = _columns(rollback, 2, "rollback", "(round, age)")
        for start, end in zip(starts, ends, strict=True):
            if concrete((start, end)):
                whole(end, "Scheduled", "quarantine", low=1 + whole(start, "Scheduled", "quarantine", low=1))
        for value in (*rounds, *ages):
            if concrete(value):
                whole(value, "Scheduled", "rollback", low=0)
        self.start, self.end, self.round, self.age = map(_whole, (starts, ends, rounds, ages))
        self.who = tuple(declared_who(one, "Scheduled", "quarantine") for one in who)

    def init(self, num_nodes: int) -> PyTree:
        self._masks(num_nodes)
        return ()

    def decide(self, state: PyTree, session: Session, num_nodes: int) -> tuple[PyTree, Verdict, dict[str, Array]]:
        coming = session.round + 1
        active = (self.start <= coming) & (coming < self.end)
        held = (active[:, None] & self._masks(num_nodes)).any(0)
        due = self.round == session.round
        back = jnp.where(due, self.age, -1).max(initial=-1)
        verdict = Verdict(jnp.where(held, 0, 1).astype(jnp.result_type(float)), back)
        return state, verdict, {"quarantined": held.sum()}

    def _masks(self, num_nodes: int) -> Bool[Array, "q n"]:
        masks = [mask_of(who, num_nodes, "Scheduled") for who in self.who]
        return jnp.stack(masks) if masks else jnp.zeros((0, num_nodes), bool)


def _columns(rows: Any, width: int, parameter: str, form: str) -> list[tuple[Any, ...]]:
    fits = isinstance(rows, list | tuple) and all(isinstance(row, list | tuple) and len(row) == width for row in rows)
    require(fits, "Scheduled", parameter, shown(rows), f"give a list of {form}")
    return list(zip(*rows, strict=True)) or [()] * width


def _whole(values: tuple[Any, ...]) -> Int[Array, " m"]:
    return jnp.asarray(values, jnp.int32) if values else jnp.zeros(0, jnp.int32)
