"""Recorded trainings that a council governs: it alarms, votes, quarantines and restores, and its lineage is clean."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from spec import Bounds

import ghostjax as gj
from ghostjax.formal import Event, Recording


NODES, TOP = Bounds().nodes, Bounds().versions
BAD = NODES - 1
EVERY, BEGINS, ROUNDS, SEEDS = 4, 6, 23, 5
"""Rounds of a version, the first round of the attack, rounds of a run, runs."""


class Shouts(gj.attacks.AbstractStatelessAttack):
    """The bad node is honest at first, and from round `BEGINS` on sends fifty times its message."""

    knows = "own"

    def corrupt(self, state, view):
        return state, gj.attacks.Sent(jnp.where(view.round >= BEGINS, 50.0, 1.0) * view.messages)


class Seen(gj.metrics.AbstractMetric):
    """Norms of messages, and who counted."""

    outputs = {
        "norm": gj.metrics.Output(dims=("node",)),
        "largest": gj.metrics.Output(),
        "counted": gj.metrics.Output(dims=("node",)),
    }

    def __call__(self, round):
        norms = jnp.linalg.norm(round.messages, axis=1)
        return {"norm": norms, "largest": norms.max(), "counted": round.weights > 0}


class Mutant(gj.governance.AbstractGovernance):
    """A council of which something is broken, as `how` says."""

    council: gj.governance.Council
    how: Any = eqx.field(static=True)
    outputs = gj.governance.Council.outputs

    @property
    def snapshots(self):
        return self.council.snapshots

    def init(self, num_nodes):
        return self.council.init(num_nodes)

    def decide(self, state, session, num_nodes):
        state, verdict, record = self.council.decide(state, session, num_nodes)
        return state, *self.how(session, verdict, record)


def timer(session, verdict, record):
    """A snapshot is good because it was its time, during an incident too; the newest one is restored."""
    newest = jnp.where(verdict.back >= 0, session.age, -1)
    verdict = verdict._replace(back=newest, freeze=jnp.asarray(False))
    return verdict, {**record, "validated": session.age}


def forgetful(session, verdict, record):
    """Who was quarantined is back in the next round."""
    return verdict._replace(factor=jnp.ones_like(verdict.factor)), record


def council() -> gj.governance.Council:
    """Two rounds of a vote, one of a timelock; a version is validated two rounds after it was written."""
    ring = gj.governance.Snapshots(capacity=TOP + 2, every=EVERY)
    return gj.governance.Council(
        names="identities", voting=1, timelock=1, pause=1, margin=1, probation=2, rest=100, snapshots=ring
    )


def simulation(governance: gj.governance.AbstractGovernance) -> gj.Simulation:
    """Two honest nodes and a bad one, watched together and one by one."""
    past = gj.detectors.OwnPast(rounds=4, floor=0.1)
    watch = lambda entry: gj.detectors.Watch(Seen(), entry, gj.detectors.CUSUM(h=15.0), past)
    return gj.Simulation(
        gj.tasks.quadratic(NODES, 3, seed=1, noise=0.05),
        gj.protocols.Server(gj.aggregators.Mean()),
        attack=Shouts(),
        byzantine=1,
        metrics=[Seen()],
        detectors={"network": watch("largest"), "identities": watch("norm")},
        governance=governance,
        electorate=gj.governance.Electorate(participation=1.0, accuracy=1.0),
    )


def history(record: Mapping[str, Any]) -> list[Event]:
    """A run as the specification sees it: a version is what came of `EVERY` rounds, the bad node's if it attacked.

    A version that the council would have restored at any time before it was discarded was validated.
    """
    columns = {name: np.asarray(record[name]) for name in ("age", "restored", "counted", "quarantine", "validated")}
    age, restored, validated = columns["age"], columns["restored"], columns["validated"]
    found, tainted, before = [], False, 0
    for t in range(len(age)):
        counted = columns["counted"][t]
        tainted |= bool(counted[BAD]) and t >= BEGINS
        grown = before + int(counted.any())
        author = {"n": BAD if tainted else 0}
        if grown > before and grown % EVERY == 0:
            version, tainted = grown // EVERY, False
            found += [Event("Submit", author, {}, t), Event("Apply", author, {"head": version}, t)]
            gone = np.flatnonzero((restored[t:] >= 0) & (restored[t:] < grown))
            stop = t + int(gone[0]) if len(gone) else len(age)
            if (validated[t:stop] >= grown).any():
                found += [Event("Validate", {}, {}, t), Event("Checkpoint", {}, {}, t)]
        if restored[t] >= 0:
            if tainted:
                found.append(Event("Submit", author, {}, t))  # in flight, and dropped
            tainted = False
            quarantined = columns["quarantine"][t].astype(int)
            found.append(Event("DetectQuarantine", {}, {"q": quarantined}, t))
            found.append(Event("Rollback", {"v": int(restored[t]) // EVERY}, {"head": int(restored[t]) // EVERY}, t))
        before = int(age[t])
    return found


def recorded(governance: gj.governance.AbstractGovernance, seeds: int) -> list[list[Event]]:
    """The histories of some seeds."""
    problem = simulation(governance)
    return [history(gj.simulate(problem, ROUNDS, seed, progress=None).record) for seed in range(seeds)]


def traces() -> dict[str, Recording]:
    """Runs with an incident in the second version; timer snapshots and a forgotten quarantine must fail."""
    return {
        "governed": Recording(
            record=lambda: recorded(council(), SEEDS),
            mutants={
                "timer snapshots": lambda: recorded(Mutant(council(), timer), 1)[0],
                "quarantine forgotten": lambda: recorded(Mutant(council(), forgetful), 1)[0],
            },
            end=lambda s: (s.head == TOP) & (s.q[BAD] == 1) & (s.inc == 0),
        )
    }
