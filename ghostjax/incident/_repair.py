"""Repairs finished runs of an incident, and plays the runs that a repair is compared with."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ghostjax._border import member, members, shown
from ghostjax._types import require
from ghostjax.correction import AbstractCorrection, Case
from ghostjax.incident._incident import Incident
from ghostjax.incident._outcome import Outcome, Repaired
from ghostjax.incident._play import played, stacked, weights_for
from ghostjax.incident._program import first_states, Keys, rounds


class Runs:
    """The runs of some outcomes of one incident, played again by its own program."""

    def __init__(self, outcomes: Sequence[Outcome]):
        self.incident = outcomes[0].incident
        self.keys = Keys.of([one.key for one in outcomes])
        self.held = np.stack([one.byzantine for one in outcomes])

    def __call__(
        self, weights: np.ndarray, start: np.ndarray, stop: np.ndarray, states: Any
    ) -> tuple[Any, dict[str, np.ndarray]]:
        """Rounds `start` to `stop - 1` of every run; a record has the rows of these rounds filled."""
        simulation, total = self.incident.attacked, weights.shape[1]
        states = first_states(simulation, self.keys) if states is None else states
        rows = start[:, None] + np.arange(total)
        # The program begins at row 0, whatever the round of the state.
        shifted = np.take_along_axis(weights, np.minimum(rows, total - 1)[:, :, None], 1)
        counts = (stop - start).astype(np.int32)
        states, record = rounds(simulation, self.keys, states, self.held, shifted, counts)
        back = np.clip(np.arange(total) - start[:, None], 0, total - 1)
        filled = (np.arange(total) >= start[:, None]) & (np.arange(total) < stop[:, None])

        def placed(column: np.ndarray) -> np.ndarray:
            extra = (1,) * (column.ndim - 2)
            moved = np.take_along_axis(column, back.reshape(*back.shape, *extra), 1)
            return np.where(filled.reshape(*filled.shape, *extra), moved, 0)

        return states, {name: placed(column) for name, column in record.items()}


def repair(outcome: Outcome | Sequence[Outcome], how: AbstractCorrection, *, label: str | None = None) -> Any:
    """The outcome with one more of its `repairs`: the run corrected by `how`, under the name `label`, or that of `how`.

    Those who are named by `gj.incident.name` are taken out, from `outcome.start` on, by a verdict executed in round
    `outcome.executed`. Outcomes that name nobody, or where nothing was executed within the horizon, stay as they are:
    they are counted, not corrected. Several outcomes of one incident are played in one program.
    """
    several = isinstance(outcome, list | tuple)
    found = list(members(outcome if several else [outcome], Outcome, "repair", "outcome"))
    how = member(how, AbstractCorrection, "repair", "how")
    name = type(how).__name__ if label is None else label
    for one in found:
        require(
            one.finding is not None, "repair", "outcome", shown(one), "name somebody first: gj.incident.name(outcome)"
        )
    acting = [i for i, one in enumerate(found) if one.executed >= 0 and one.finding.named.any()]
    if acting:
        chosen = [found[i] for i in acting]
        case = Case(
            np.stack([one.weights for one in chosen]),
            np.stack([one.finding.named for one in chosen]),
            np.array([one.start for one in chosen]),
            np.array([one.executed for one in chosen]),
        )
        corrected = how.correct(case, Runs(chosen))
        for i, one in enumerate(chosen):
            record = {entry: column[i] for entry, column in corrected.record.items()}
            younger = int(np.broadcast_to(corrected.younger, len(chosen))[i])
            done = Repaired(name, record, float(record["charter_loss"][-1]), int(corrected.gradients[i]), younger)
            found[acting[i]] = dataclasses.replace(one, repairs={**one.repairs, name: done})
    return found if several else found[0]


def never(incident: Incident, keys: Any, *, named: Any = None, since: int | None = None) -> dict[str, np.ndarray]:
    """Records of the runs that never had the identities `named [n]` or `[m, n]` from round `since` on.

    The owned ones from `t0` on, unless given: what a repair is compared with. It differs from the run in which they
    were honest, which learned from their data.
    """
    named = np.broadcast_to(incident.owned if named is None else np.asarray(named), (len(keys), incident.num_nodes))
    roots = stacked(list(keys), "never")
    first = np.full(len(keys), incident.t0 if since is None else since)
    case = Case(weights_for(incident, roots), named, first, first)
    held = np.broadcast_to(incident.owned, named.shape)
    return played(incident, roots, held, case.without(first))
