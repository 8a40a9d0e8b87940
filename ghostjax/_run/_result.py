"""How a run ended: a code whose text is what the user reads."""

import enum
import math
from typing import Any

import jax
import numpy as np

from ghostjax._simulation import Simulation


class RunResult(enum.Enum):
    """The outcome of a run; the value says what happened and what to change."""

    completed = "completed: every round had a weighted majority for its rule"
    lost_messages = "completed, but some messages were not finite and counted as absent: see `lost`"
    nobody_present = "completed, but in some rounds nobody was present and nothing changed: see `present`"
    void_guarantee = "completed, but in some rounds too little weight was present for the rule: see `slack`"
    diverged = "the model is not finite: lower the learning rate, or use a rule that bounds the attack"
    interrupted = "stopped between two chunks and saved: resume it to continue to the same bits"

    @property
    def ok(self) -> bool:
        """Whether the numbers of the run can be used."""
        return self not in (RunResult.diverged, RunResult.interrupted)


def judge(simulation: Simulation, record: dict[str, np.ndarray], state: Any) -> RunResult:
    """The gravest thing that happened: codes are ordered from none to diverged.

    A network diverged when the model of an honest identity, or the last recorded goal, is not finite.
    """
    models = simulation.protocol.models(state.protocol)
    if models.ndim == 2:
        models = np.asarray(models)[~np.asarray(simulation.byzantine)]
    if not bool(np.isfinite(np.asarray(models)).all()) or not _goal_is_finite(simulation, record):
        return RunResult.diverged
    empty = record["present"] <= 0
    if (~empty & (record["slack"] <= 0)).any():
        return RunResult.void_guarantee
    if empty.any():
        return RunResult.nobody_present
    return RunResult.lost_messages if (record["lost"] > 0).any() else RunResult.completed


def _goal_is_finite(simulation: Simulation, record: dict[str, np.ndarray]) -> bool:
    """Whether the last loss that was recorded is finite; blank rounds between (see `occasionally`) are no loss."""
    loss = record.get("loss")
    if loss is None:
        return True
    every = math.lcm(
        *(
            int(getattr(metric, "every", 1))
            for metric in jax.tree.leaves(simulation.metrics, is_leaf=lambda node: hasattr(node, "every"))
        )
    )
    last = len(loss) // every * every - 1
    return bool(np.isfinite(loss[max(last, 0)]))
