"""What became of every matter that was on the table, read off the record of a run."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ghostjax.governance._procedure import Kind, Outcome


@dataclasses.dataclass(frozen=True)
class Matter:
    """One matter: what raised it, how it ended, and its rounds, None where it did not come to that.

    `failed` are votes that failed, `restored` the age that was returned to.
    """

    kind: Kind
    outcome: Outcome
    alarmed: int
    proposed: int
    passed: int | None
    executed: int | None
    failed: int
    restored: int | None


def matters(record: Mapping[str, Any]) -> list[Matter]:
    """All matters that a council had on the table, in order; the last one is `never_decided` if the run ended on it.

    `record` is `run.record`, or one cell of a sweep's dataset.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> from ghostjax.governance import Council, deliberate, Electorate, matters
    >>> alarm = gj.Reading(jnp.ones(40), jnp.arange(40) >= 12, jnp.full(40, 12))
    >>> (one,) = matters(deliberate(Council(), Electorate(), {"network": alarm}, 64, 16))
    >>> one.outcome.name, one.alarmed, one.executed, one.restored
    ('executed', 12, 28, 0)

    ```
    """
    columns = {name: np.asarray(record[name]) for name in ("motion", "outcome", "failed", "restored")}
    dates = {name: np.asarray(record[name]) for name in ("alarmed", "proposed", "passed", "executed")}
    raised = dates["alarmed"]
    first = np.flatnonzero((raised >= 0) & (raised != np.concatenate([[-1], raised[:-1]])))
    found = []
    for start, stop in zip(first, [*first[1:], len(raised)], strict=True):
        rounds = {name: int(column[stop - 1]) for name, column in dates.items()}
        went = columns["restored"][start:stop]
        found.append(
            Matter(
                kind=Kind(int(columns["motion"][start])),
                outcome=Outcome(int(columns["outcome"][stop - 1])),
                alarmed=rounds["alarmed"],
                proposed=rounds["proposed"],
                passed=rounds["passed"] if rounds["passed"] >= 0 else None,
                executed=rounds["executed"] if rounds["executed"] >= 0 else None,
                failed=int(columns["failed"][stop - 1]),
                restored=int(went.max()) if (went >= 0).any() else None,
            )
        )
    return found
