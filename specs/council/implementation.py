"""The project's own council, round by round, beside the protocol that it is meant to be."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from spec import Bounds, MOVED

import ghostjax as gj
from ghostjax.formal import Implementation


class Forbidden(Exception):
    """The implementation says no."""


def allow(condition: Any) -> None:
    """Says no unless `condition`."""
    if not condition:
        raise Forbidden


@eqx.filter_jit
def decide(council: gj.governance.Council, state: Any, session: gj.Session, members: int) -> Any:
    return council.decide(state, session, members)


class Deliberation:
    """`Council.decide` in rounds in which the detector alarms, a member moves, or so many say yes."""

    refuses = Forbidden

    def __init__(self, state: Any, bounds: Bounds = Bounds(), **knobs: Any):
        del state
        said = {"quorum": bounds.needed / bounds.members, "voting": bounds.voting, "timelock": bounds.timelock}
        said |= {"pause": bounds.pause, "rest": 0, "rollback": False}
        self.council, self.bounds = gj.governance.Council(**(said | knobs)), bounds
        self.members, self.round = bounds.members, 0
        self.state = self.council.init(self.members)
        self.due, self.pauses, self.paused, self.done = False, False, 0, 0

    def Alarm(self):
        allow(not self.due)
        self.keep(self.round_of(alarm=True), lambda record: record["alarmed"] == self.round and record["motion"] == 1)

    def Move(self):
        allow(not self.due)
        self.keep(self.round_of(moved=True), lambda record: record["alarmed"] == self.round)

    def Wait(self):
        allow(not self.due and int(self.state.docket.phase))
        before = int(self.state.docket.phase), int(self.state.docket.clock) + 1
        found = self.round_of()
        allow((int(found[0].docket.phase), int(found[0].docket.clock)) == before)
        self.keep(found)

    def Vote(self, y, a):
        allow(self.due and (int(self.state.docket.kind) != MOVED or y <= self.bounds.captured))
        self.keep(self.round_of(alarm=a == 1, yes=y))

    def Execute(self):
        allow(not self.due)
        self.keep(self.round_of(), lambda record: record["executed"] == self.round)

    def round_of(self, alarm: bool = False, moved: bool = False, yes: int = 0) -> Any:
        """What the council makes of one round; nothing is kept of it yet."""
        reading = gj.Reading(*map(jnp.asarray, (np.float32(alarm), np.bool_(alarm), np.int32(-1))))
        members = np.arange(self.members)
        ballots = gj.Ballots(members < yes, np.ones(self.members, bool), (members == 0) & moved)
        now = np.int32(self.round)
        session = gj.Session(
            readings={"network": reading},
            round=now,
            age=now + 1,
            key=jax.random.key(0),
            power=np.ones(self.members, np.float32),
            snapshots=np.zeros(self.council.snapshots.capacity, np.int32),
            ballots=ballots,
        )
        return decide(self.council, self.state, jax.tree.map(jnp.asarray, session), self.members)

    def keep(self, found: Any, expected: Any = lambda record: True) -> None:
        """Takes the round for played if it was what was asked for."""
        state, verdict, record = found
        allow(bool(expected(record)))
        raised, executed = int(record["alarmed"]) == self.round, int(record["executed"]) == self.round
        self.paused = 0 if raised else self.paused + self.pauses
        self.done = 0 if raised else int(self.state.docket.kind) if executed else self.done
        self.state, self.due, self.pauses = state, bool(verdict.motion.votes), bool(verdict.pause)
        self.round += 1

    def abstraction(self) -> dict[str, Any]:
        docket = self.state.docket
        going = int(docket.phase) != 0
        return {
            "ph": int(docket.phase),
            "kind": int(docket.kind),
            "clk": int(docket.clock) if going else 0,
            "open": min(int(docket.open), self.bounds.pause) if going else 0,
            "pz": self.paused,
            "done": self.done,
        }


def implementations() -> dict[str, Implementation]:
    """The council, with mutants that are a round too fast, that pause too long, and that ask too few."""
    return {
        "council": Implementation(
            Deliberation,
            {
                "short timelock": partial(Deliberation, timelock=2),
                "short vote": partial(Deliberation, voting=1),
                "long pause": partial(Deliberation, pause=4),
                "one is enough": partial(Deliberation, quorum=0.25),
            },
        )
    }
