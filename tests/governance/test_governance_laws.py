"""Every governance keeps every law, and every law catches one that breaks it."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import ghostjax as gj
from ghostjax import _step
from ghostjax.governance import AbstractGovernance, Snapshots
from ghostjax.testing import check_governance
from ghostjax.testing._governance import _case, GovernanceHarness, LAWS

from .table import TABLE


@pytest.mark.parametrize("name", TABLE)
def test_laws(name):
    governance, known = TABLE[name]()
    check_governance(governance, **known)


def test_every_public_governance_has_a_row():
    public = {v for v in vars(gj.governance).values() if isinstance(v, type) and issubclass(v, AbstractGovernance)}
    assert public - {AbstractGovernance} == {type(make()[0]) for make in TABLE.values()}


def test_the_council_of_the_battery_pauses_quarantines_and_restores():
    governance, known = TABLE["council"]()
    (run,) = GovernanceHarness(governance, known["detectors"], known["electorate"]).played([_case()])
    assert run.paused.any() and (run.factor == 0).any() and (run.restored >= 0).any()


class Broken(AbstractGovernance):
    """Decides by `how(session, knob) -> (factor [n], back)`; the tests below make it break one law each."""

    how: Any = eqx.field(static=True)
    knob: Any = eqx.field(default_factory=lambda: jnp.asarray(1.0))
    snapshots: Any = eqx.field(default_factory=lambda: Snapshots(capacity=4, every=2))

    def init(self, num_nodes):
        return ()

    def decide(self, state, session, num_nodes):
        factor, back = self.how(session, self.knob)
        return state, gj.Verdict(jnp.broadcast_to(factor, num_nodes), jnp.asarray(back, jnp.int32)), {}


class Static(AbstractGovernance):
    share: float = eqx.field(static=True, default=0.5)
    snapshots: Any = eqx.field(default_factory=lambda: Snapshots(capacity=4, every=2))

    def init(self, num_nodes):
        return ()

    def decide(self, state, session, num_nodes):
        return state, gj.Verdict(jnp.full(num_nodes, self.share), jnp.asarray(-1, jnp.int32)), {}


CALLS = itertools.count(1)


def eager(session, knob):
    return jnp.asarray(1.0 / next(CALLS)), -1


@jax.custom_batching.custom_vmap
def times(k, y):
    return k * y


@times.def_vmap
def _(size, batched, k, y):
    return k[:1] * (y if batched[1] else jnp.broadcast_to(y, size)), True


BROKEN = {
    "shape": ("shape", Broken(lambda session, k: (jnp.asarray(-1.0), -1))),
    "jit": ("jit", Broken(eager)),
    "vmap": ("vmap", Broken(lambda session, k: (times(k, jnp.asarray(1.0)), -1))),
    "trace: a float of Python": ("trace", Broken(lambda session, k: (jnp.asarray(k), -1), knob=1.0)),
    "trace: a static float": ("trace", Static()),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_caught(name):
    law, twin = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        check_governance(twin, skip=LAWS.keys() - {law})


def forgets_the_learner(ring, back, age, parts):
    ring, age, (_, protocol), acted = TRUE(ring, back, age, parts)
    return ring, age, (parts[0], protocol), acted


def keeps_the_age(sim, before, after, round):
    after, record = REMEMBER(sim, before, after, round)
    return after._replace(age=before.age + 1), record


def leaks(ring, back, age, parts):
    ring, age, kept, acted = TRUE(ring, back, age, parts)
    return ring, age, jax.tree.map(lambda a, b: a + 1e-3 * b.astype(a.dtype), kept, parts), acted


def halves(sim, state, presence):
    w = presence.astype(sim.ravel.dtype)
    return w * jnp.maximum(state.verdict.factor, 0.5)


def learns_on(state, parts):
    return parts


TRUE: Any = None
REMEMBER = _step.remember


@pytest.mark.parametrize(
    ("law", "broken"),
    [
        ("rollback", forgets_the_learner),
        ("clocks", keeps_the_age),
        ("gradient", leaks),
        ("quarantine", halves),
        ("pause", learns_on),
    ],
)
def test_a_broken_round_is_caught(law, broken, monkeypatch):
    """These laws are the round's work: the round is broken, and the governance is as it should be."""
    global TRUE
    lines = {halves: "weigh", keeps_the_age: "remember", learns_on: "held"}
    if broken in lines:
        monkeypatch.setattr(_step, lines[broken], broken)
    else:
        TRUE = jax.tree_util.Partial(Snapshots.restore, Snapshots(capacity=4, every=2))
        monkeypatch.setattr(Snapshots, "restore", lambda self, *args: broken(*args))
    governance, known = TABLE["council" if law == "pause" else "scheduled"]()
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        check_governance(governance, **known, skip=LAWS.keys() - {law})


def test_every_law_catches_something():
    of_the_round = {"rollback", "clocks", "pause", "gradient", "quarantine"}
    assert {law for law, _ in BROKEN.values()} | of_the_round == LAWS.keys()


def test_unknown_law_is_refused():
    with pytest.raises(gj.ConfigurationError, match=r"check_governance: skip=\['speed'\]: the laws are"):
        check_governance(TABLE["scheduled"]()[0], skip=["speed"])
