"""Termination detection on a ring by a token that changes colour."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes on the ring."""

    nodes: int = 3


class State(NamedTuple):
    """Per node: active, black; where the token is and whether it is black."""

    active: Any
    black: Any
    position: Any
    token: Any


SENDER_STAYS_WHITE = 1


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n = bounds.nodes

    def initiate(s: State, bug: Any) -> tuple[Any, State]:
        stale = (s.token == 1) | (s.black[0] == 1)
        return (s.position == 0) & stale, s._replace(
            position=jnp.int32(n - 1), token=jnp.int32(0), black=s.black.at[0].set(0)
        )

    def pass_token(s: State, k: Any, bug: Any) -> tuple[Any, State]:
        i = k + 1
        done = (s.active[i] == 0) | (s.black[i] == 1) | (s.token == 1)
        return (s.position == i) & done, s._replace(
            position=k.astype(jnp.int32), token=jnp.where(s.black[i] == 1, 1, s.token), black=s.black.at[i].set(0)
        )

    def send(s: State, i: Any, j: Any, bug: Any) -> tuple[Any, State]:
        blackens = (j > i) & (bug != SENDER_STAYS_WHITE)
        return (i != j) & (s.active[i] == 1), s._replace(
            active=s.active.at[j].set(1), black=s.black.at[i].set(jnp.where(blackens, 1, s.black[i]))
        )

    def deactivate(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        return s.active[i] == 1, s._replace(active=s.active.at[i].set(0))

    def detected(s: State) -> Any:
        return (s.position == 0) & (s.token == 0) & (s.black[0] == 0) & (s.active[0] == 0)

    grid = np.indices((2,) * (2 * n) + (n,)).reshape(2 * n + 1, -1).T.astype(np.int32)
    init = State(grid[:, :n], grid[:, n : 2 * n], grid[:, 2 * n], np.ones(len(grid), np.int32))
    quiet = lambda s: (s.active == 0).all()
    fair = (Fair("InitiateProbe"), Fair("PassToken"))
    return Spec(
        name="ewd840",
        statement="Termination is detected only when it has happened, and whenever it has.",
        state=State,
        variables={"active": Var((n,), 1), "black": Var((n,), 1), "position": Var((), n - 1), "token": Var((), 1)},
        init=init,
        actions=(
            Action("InitiateProbe", initiate),
            Action("PassToken", pass_token, {"k": n - 1}),
            Action("SendMsg", send, {"i": n, "j": n}),
            Action("Deactivate", deactivate, {"i": n}),
        ),
        invariants={"DetectedMeansTerminated": lambda s: ~detected(s) | quiet(s)},
        witnesses={"termination is detected": detected},
        leads_to=(
            LeadsTo("TerminationIsDetected", quiet, detected, fair),
            LeadsTo("TerminationIsDetectedUnfairly", quiet, detected, (), holds=False),
            LeadsTo("DetectionHappens", lambda s: jnp.asarray(True), detected, fair, holds=False),
        ),
        mutants=(Mutant("sender_stays_white", SENDER_STAYS_WHITE, "DetectedMeansTerminated", 6),),
    )
