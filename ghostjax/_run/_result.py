"""How a run ended: a code whose text is what the user reads."""

import enum


class RunResult(enum.Enum):
    """The outcome of a run; the value says what happened and what to change."""

    completed = "completed: every round had a weighted majority for its rule"
    lost_messages = "completed, but some messages were not finite and counted as absent: see `lost`"
    void_guarantee = "completed, but in some rounds too little weight was present for the rule: see `slack`"
    nobody_present = "completed, but in some rounds nobody was present and nothing changed: see `present`"
    diverged = "the model is not finite: lower the learning rate, or use a rule that bounds the attack"
    interrupted = "stopped between two chunks and saved: resume it to continue to the same bits"

    @property
    def ok(self) -> bool:
        """Whether the numbers of the run can be used."""
        return self not in (RunResult.diverged, RunResult.interrupted)
