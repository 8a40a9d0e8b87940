"""Workers that share the cells of a sweep through a folder: claims, crashes, slow workers, damaged files."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Cells, workers, and how many accidents of each kind happen."""

    cells: int = 2
    workers: int = 2
    accidents: int = 1


class State(NamedTuple):
    """Per cell: who finished it (0 nobody, worker plus one), who claims it, whether that claim shows no sign of life;
    per worker the cell it computes plus one (0 none), whether it has put its file there; workers crashed, claims
    expired, files damaged so far."""

    done: Any
    hold: Any
    stale: Any
    busy: Any
    saved: Any
    crashed: Any
    expired: Any
    damaged: Any


TAKES_HELD, RELEASES_ANY, KEEPS_CLAIM, OVERWRITES = 1, 2, 3, 4


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    cells, workers, most = bounds.cells, bounds.workers, bounds.accidents

    def cell_of(s: State, w: Any) -> Any:
        return jnp.maximum(s.busy[w] - 1, 0)

    def take(s: State, w: Any, c: Any, bug: Any) -> tuple[Any, State]:
        free = (s.hold[c] == 0) | (s.stale[c] == 1) | (bug == TAKES_HELD)
        return (s.busy[w] == 0) & (s.done[c] == 0) & free, s._replace(
            hold=s.hold.at[c].set(w + 1), stale=s.stale.at[c].set(0), busy=s.busy.at[w].set(c + 1)
        )

    def save(s: State, w: Any, bug: Any) -> tuple[Any, State]:
        c = cell_of(s, w)
        mine = (s.done[c] == 0) | (bug == OVERWRITES)
        return (s.busy[w] > 0) & (s.saved[w] == 0), s._replace(
            done=s.done.at[c].set(jnp.where(mine, w + 1, s.done[c])), saved=s.saved.at[w].set(1)
        )

    def release(s: State, w: Any, bug: Any) -> tuple[Any, State]:
        c = cell_of(s, w)
        mine = ((s.hold[c] == w + 1) | (bug == RELEASES_ANY)) & (bug != KEEPS_CLAIM)
        return (s.busy[w] > 0) & (s.saved[w] == 1), s._replace(
            hold=s.hold.at[c].set(jnp.where(mine, 0, s.hold[c])),
            stale=s.stale.at[c].set(jnp.where(mine, 0, s.stale[c])),
            busy=s.busy.at[w].set(0),
            saved=s.saved.at[w].set(0),
        )

    def drop(s: State, w: Any, bug: Any) -> tuple[Any, State]:
        c = cell_of(s, w)
        needless = (s.hold[c] != w + 1) & (s.done[c] > 0)
        return (s.busy[w] > 0) & (s.saved[w] == 0) & needless, s._replace(busy=s.busy.at[w].set(0))

    def clear(s: State, c: Any, bug: Any) -> tuple[Any, State]:
        return (s.done[c] > 0) & (s.stale[c] == 1), s._replace(hold=s.hold.at[c].set(0), stale=s.stale.at[c].set(0))

    def crash(s: State, w: Any, bug: Any) -> tuple[Any, State]:
        c = cell_of(s, w)
        mine = s.hold[c] == w + 1
        return (s.busy[w] > 0) & (s.crashed < most), s._replace(
            stale=s.stale.at[c].set(jnp.where(mine, 1, s.stale[c])),
            busy=s.busy.at[w].set(0),
            saved=s.saved.at[w].set(0),
            crashed=s.crashed + 1,
        )

    def expire(s: State, w: Any, bug: Any) -> tuple[Any, State]:
        c = cell_of(s, w)
        alive = (s.busy[w] > 0) & (s.hold[c] == w + 1) & (s.stale[c] == 0)
        return alive & (s.expired < most), s._replace(stale=s.stale.at[c].set(1), expired=s.expired + 1)

    def damage(s: State, c: Any, bug: Any) -> tuple[Any, State]:
        return (s.done[c] > 0) & (s.damaged < most), s._replace(done=s.done.at[c].set(0), damaged=s.damaged + 1)

    def one_worker(s: State) -> Any:
        working = (s.busy[:, None] == jnp.arange(1, cells + 1, dtype=jnp.int32)[None, :]).sum(0)
        return (s.expired > 0) | (working <= 1).all()

    def claims_live(s: State) -> Any:
        holder = jnp.maximum(s.hold - 1, 0)
        works = s.busy[holder] == jnp.arange(1, cells + 1, dtype=jnp.int32)
        return ((s.hold == 0) | (s.stale == 1) | works).all()

    def released_by_owner(s: State, t: State) -> Any:
        holder = jnp.maximum(s.hold - 1, 0)
        lets_go = (s.busy[holder] > 0) & (t.busy[holder] == 0)
        needless = (s.stale == 1) & (s.done > 0)
        return ((s.hold == 0) | (t.hold > 0) | lets_go | needless).all()

    def finished_stays(s: State, t: State) -> Any:
        return ((s.done == 0) | (t.done == s.done) | ((t.done == 0) & (t.damaged > s.damaged))).all()

    zero_c, zero_w = np.zeros(cells, np.int32), np.zeros(workers, np.int32)
    each = {"w": workers}
    fair = (Fair("Take", True), Fair("Save", True), Fair("Release", True))
    return Spec(
        name="cell_store",
        statement="Every cell is computed in the end, by one worker at a time while workers show signs of life; a "
        "finished cell never changes, and no claim stays.",
        state=State,
        variables={
            "done": Var((cells,), workers), "hold": Var((cells,), workers), "stale": Var((cells,), 1),
            "busy": Var((workers,), cells), "saved": Var((workers,), 1), "crashed": Var((), most),
            "expired": Var((), most), "damaged": Var((), most),
        },
        init=[State(zero_c, zero_c, zero_c, zero_w, zero_w, 0, 0, 0)],
        actions=(
            Action("Take", take, {"w": workers, "c": cells}),
            Action("Save", save, each),
            Action("Release", release, each),
            Action("Drop", drop, each),
            Action("Clear", clear, {"c": cells}),
            Action("Crash", crash, each),
            Action("Expire", expire, each),
            Action("Damage", damage, {"c": cells}),
        ),
        invariants={"OneWorker": one_worker, "LiveClaimsAreWorkedOn": claims_live},
        steps={
            "TakenOverOnlyIfStale": lambda s, t: (
                (s.hold == 0) | (t.hold == s.hold) | (t.hold == 0) | (s.stale == 1)
            ).all(),
            "ReleasedByOwner": released_by_owner,
            "FinishedNeverChanges": finished_stays,
        },
        witnesses={
            "all is done after every accident": lambda s: (
                (s.done > 0).all() & (s.crashed == most) & (s.expired == most) & (s.damaged == most)
            ),
            "two workers compute one cell": lambda s: (s.busy[0] > 0) & (s.busy[0] == s.busy[1]),
        },
        leads_to=(
            LeadsTo("AllIsDone", lambda s: jnp.asarray(True), lambda s: (s.done > 0).all(), fair),
            LeadsTo("NoClaimStays", lambda s: jnp.asarray(True), lambda s: ((s.done > 0) & (s.hold == 0)).all(),
                    (*fair, Fair("Clear", True))),
        ),
        mutants=(
            Mutant("takes_held", TAKES_HELD, "TakenOverOnlyIfStale", 3),
            Mutant("takes_held_unnoticed", TAKES_HELD, "OneWorker", 3, ("OneWorker",)),
            Mutant("releases_any", RELEASES_ANY, "ReleasedByOwner", 6),
            Mutant("keeps_claim", KEEPS_CLAIM, "LiveClaimsAreWorkedOn", 4),
            Mutant("overwrites", OVERWRITES, "FinishedNeverChanges", 6),
        ),
    )  # fmt: skip
