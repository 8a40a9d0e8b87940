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
from ghostjax.testing._governance import LAWS

from .table import TABLE


@pytest.mark.parametrize("name", TABLE)
def test_laws(name):
    check_governance(TABLE[name]())


def test_every_public_governance_has_a_row():
    public = {v for v in vars(gj.governance).values() if isinstance(v, type) and issubclass(v, AbstractGovernance)}
    assert public - {AbstractGovernance} == {type(make()) for make in TABLE.values()}


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


TRUE: Any = None
REMEMBER = _step.remember


@pytest.mark.parametrize(
    ("law", "broken"),
    [("rollback", forgets_the_learner), ("clocks", keeps_the_age), ("gradient", leaks), ("quarantine", halves)],
)
def test_a_broken_round_is_caught(law, broken, monkeypatch):
    """These laws are the round's work: the round is broken, and the governance is as it should be."""
    global TRUE
    if broken in (halves, keeps_the_age):
        monkeypatch.setattr(_step, "weigh" if broken is halves else "remember", broken)
    else:
        TRUE = jax.tree_util.Partial(Snapshots.restore, Snapshots(capacity=4, every=2))
        monkeypatch.setattr(Snapshots, "restore", lambda self, *args: broken(*args))
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        check_governance(TABLE["scheduled"](), skip=LAWS.keys() - {law})


def test_every_law_catches_something():
    assert {law for law, _ in BROKEN.values()} | {"rollback", "clocks", "gradient", "quarantine"} == LAWS.keys()


def test_unknown_law_is_refused():
    with pytest.raises(gj.ConfigurationError, match=r"check_governance: skip=\['speed'\]: the laws are"):
        check_governance(TABLE["scheduled"](), skip=["speed"])
