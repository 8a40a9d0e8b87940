"""The outcome of a run: a code with a text for the user."""

import enum
from typing import Any

import numpy as np

from ghostjax._simulation import Simulation


class RunResult(enum.Enum):
    """The outcome of a run. The value is a text: the checks that were made, and the parameter to change."""

    completed = (
        "completed: the model is finite, every message counted, and no receiver got more Byzantine weight than its "
        "rule assumes"
    )
    stopped = "stopped early, as a sink asked, and otherwise completed: see the number of rounds"
    lost_messages = "completed, but some messages were not finite and counted as absent: see `lost`"
    nobody_present = "completed, but in some rounds nobody was present and nothing changed: see `present`"
    void_guarantee = (
        "completed, but in some rounds too little weight was present for the guarantee of the rule: see `margin`"
    )
    outnumbered = (
        "completed, but in some rounds more Byzantine weight was present than the rule assumes, or at least half: "
        "see `outnumbered`; raise its f, or use a rule that tolerates more (the mean tolerates none)"
    )
    diverged = (
        "the model or the last stated loss is not finite: lower the learning rate, or use a rule that bounds the attack"
    )
    interrupted = "stopped between two chunks and saved: resume it to continue to the same bits"

    @property
    def ok(self) -> bool:
        """Whether the numbers of the run can be used."""
        return self not in (RunResult.diverged, RunResult.interrupted)


def judge(simulation: Simulation, record: dict[str, np.ndarray], state: Any) -> RunResult:
    """The most severe outcome of a run, from `completed` to `diverged`.

    A run diverged if the final model of an honest identity is not finite, or the last due value of an output that is
    declared `finite` (the stated loss).
    """
    models = np.asarray(simulation.protocol.models(state.protocol))
    honest = judged(simulation.byzantine)
    if models.ndim == 2:
        models = models[honest]
    if not np.isfinite(models).all() or not _last_due_are_finite(simulation, record):
        return RunResult.diverged
    empty, paused = record["present"] <= 0, _paused(simulation, record)
    if (record["outnumbered"] > 0).any():
        return RunResult.outnumbered
    if (~empty & ~(record["margin"] > 0)).any():  # nan is no guarantee either
        return RunResult.void_guarantee
    if (empty & ~paused).any():
        return RunResult.nobody_present
    return RunResult.lost_messages if (record["lost"] > 0).any() else RunResult.completed


def _paused(simulation: Simulation, record: dict[str, np.ndarray]) -> np.ndarray:
    """The rounds that governance paused, as it said in the round before."""
    told = simulation.governance is not None and "paused" in simulation.governance.outputs
    said = record["paused"] if told else np.zeros(len(record["present"]), bool)
    return np.concatenate([[False], said[:-1]]).astype(bool)


def judged(byzantine: Any) -> np.ndarray:
    """The nodes by which a run is judged: honest ones, or all if none is certain to be honest."""
    honest = ~np.asarray(byzantine)
    return honest if honest.any() else np.ones_like(honest)


def _last_due_are_finite(simulation: Simulation, record: dict[str, np.ndarray]) -> bool:
    for name, output in simulation.outputs.items():
        if output.finite and name in record:
            column = np.asarray(record[name], np.float64)
            due = np.flatnonzero(output.due(np.arange(len(column))))
            if not np.isfinite(column[due[-1:]]).all():
                return False
    return True
