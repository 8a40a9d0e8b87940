"""Optimistic spot checks: results are accepted unless a sampled check is challenged in time."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Tasks and the length of the challenge window."""

    tasks: int = 2
    window: int = 2


class State(NamedTuple):
    """Per task: result (0 none, 1 good, 2 bad), status, window left, sampled, worker's bond, challenger's loss."""

    res: Any
    st: Any
    win: Any
    seen: Any
    wb: Any
    cb: Any


OPEN, PENDING, CHALLENGED, ACCEPTED, REJECTED = range(5)
GOOD, BAD = 1, 2
WINDOW_RUNS_IN_DISPUTE, TIMEOUT_FAVOURS_WORKER, TIMEOUT_SLASHES_ALL, CHALLENGE_ALL = 1, 2, 3, 4


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    tasks, window = bounds.tasks, bounds.window

    def waiting(s: State, t: Any, bug: Any) -> Any:
        return (s.st[t] == PENDING) | ((bug == WINDOW_RUNS_IN_DISPUTE) & (s.st[t] == CHALLENGED))

    def claim(s: State, t: Any, g: Any, bug: Any) -> tuple[Any, State]:
        return s.st[t] == OPEN, s._replace(
            res=s.res.at[t].set(g + 1),
            st=s.st.at[t].set(PENDING),
            win=s.win.at[t].set(window),
            wb=s.wb.at[t].set(1),
        )

    def tick(s: State, t: Any, bug: Any) -> tuple[Any, State]:
        return waiting(s, t, bug) & (s.win[t] > 0), s._replace(win=s.win.at[t].add(-1))

    def sample(s: State, t: Any, bug: Any) -> tuple[Any, State]:
        after = jnp.where((s.res[t] == BAD) | (bug == CHALLENGE_ALL), CHALLENGED, PENDING)
        return (s.st[t] == PENDING) & (s.seen[t] == 0) & (s.win[t] > 0), s._replace(
            seen=s.seen.at[t].set(1), st=s.st.at[t].set(after)
        )

    def grief(s: State, t: Any, bug: Any) -> tuple[Any, State]:
        return (s.st[t] == PENDING) & (s.win[t] > 0) & (s.seen[t] == 0), s._replace(st=s.st.at[t].set(CHALLENGED))

    def judge(s: State, t: Any, bug: Any) -> tuple[Any, State]:
        bad = s.res[t] == BAD
        return s.st[t] == CHALLENGED, s._replace(
            st=s.st.at[t].set(jnp.where(bad, REJECTED, ACCEPTED)),
            wb=s.wb.at[t].set(jnp.where(bad, 0, s.wb[t])),
            cb=s.cb.at[t].set(jnp.where(~bad & (s.seen[t] == 1), 1, s.cb[t])),
        )

    def timeout(s: State, t: Any, bug: Any) -> tuple[Any, State]:
        favours = bug == TIMEOUT_FAVOURS_WORKER
        silent = (s.res[t] == BAD) | favours | (bug == TIMEOUT_SLASHES_ALL)
        return (s.st[t] == CHALLENGED) & silent, s._replace(
            st=s.st.at[t].set(jnp.where(favours, ACCEPTED, REJECTED)),
            wb=s.wb.at[t].set(jnp.where(favours, s.wb[t], 0)),
        )

    def finalize(s: State, t: Any, bug: Any) -> tuple[Any, State]:
        return waiting(s, t, bug) & (s.win[t] == 0), s._replace(st=s.st.at[t].set(ACCEPTED))

    zero = np.zeros(tasks, np.int32)
    each = {"t": tasks}
    settled = lambda s: s.st[0] >= ACCEPTED
    return Spec(
        name="spot_check",
        statement="A bad result that was sampled is never accepted, and no honest party loses its bond.",
        state=State,
        variables={
            "res": Var((tasks,), 2), "st": Var((tasks,), 4), "win": Var((tasks,), window), "seen": Var((tasks,), 1),
            "wb": Var((tasks,), 1), "cb": Var((tasks,), 1),
        },
        init=[State(zero, zero, zero, zero, zero, zero)],
        actions=(
            Action("Claim", claim, {"t": tasks, "g": 2}),
            Action("Tick", tick, each),
            Action("Sample", sample, each),
            Action("Grief", grief, each),
            Action("Judge", judge, each),
            Action("Timeout", timeout, each),
            Action("Finalize", finalize, each),
        ),
        invariants={
            "SampledBadNeverAccepted": lambda s: ~((s.seen == 1) & (s.res == BAD) & (s.st == ACCEPTED)).any(),
            "HonestWorkerKeepsBond": lambda s: ((s.res != GOOD) | (s.wb == 1)).all(),
            "HonestChallengerSafe": lambda s: (s.cb == 0).all(),
        },
        witnesses={
            "a bad result is rejected": lambda s: ((s.res == BAD) & (s.st == REJECTED)).any(),
            "an unsampled bad result slips through": lambda s: ((s.res == BAD) & (s.st == ACCEPTED)).any(),
            "a good result survives a challenge": lambda s: ((s.res == GOOD) & (s.st == CHALLENGED)).any(),
        },
        leads_to=(
            LeadsTo("PendingIsSettled", lambda s: s.st[0] == PENDING, settled,
                    (Fair("Tick"), Fair("Judge"), Fair("Finalize"))),
            LeadsTo("PendingIsSettledWithoutJudge", lambda s: s.st[0] == PENDING, settled,
                    (Fair("Tick"), Fair("Finalize")), holds=False),
        ),
        mutants=(
            Mutant("window_runs_in_dispute", WINDOW_RUNS_IN_DISPUTE, "SampledBadNeverAccepted", 6),
            Mutant("timeout_favours_worker", TIMEOUT_FAVOURS_WORKER, "SampledBadNeverAccepted", 4),
            Mutant("timeout_slashes_all", TIMEOUT_SLASHES_ALL, "HonestWorkerKeepsBond", 4),
            Mutant("challenge_all", CHALLENGE_ALL, "HonestChallengerSafe", 4),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Tasks are interchangeable."""
    return (Symmetry(dict.fromkeys(State._fields, 0), 0, bounds.tasks),)
