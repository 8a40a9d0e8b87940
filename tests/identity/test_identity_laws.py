"""Every identity layer keeps every law, and every law catches one that breaks it."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax import Round
from ghostjax.identity import AbstractIdentity
from ghostjax.testing import check_identity
from ghostjax.testing._identities import LAWS

from .table import TABLE


@pytest.mark.parametrize("name", TABLE)
def test_laws(name):
    check_identity(TABLE[name]())


def test_every_public_identity_layer_has_a_row():
    public = {v for k, v in vars(gj.identity).items() if isinstance(v, type) and not k.startswith("Abstract")}
    assert public == {type(make()) for make in TABLE.values()}


class Broken(AbstractIdentity):
    """Weighs by `rule(memory, w)` and remembers `learn(memory, seen)`; the tests below make it break one law each."""

    rule: Any = eqx.field(static=True)
    learn: Any = eqx.field(static=True, default=lambda state, seen: state)
    knob: Any = eqx.field(default_factory=lambda: jnp.asarray(1.0))

    def init(self, num_nodes):
        return jnp.zeros(num_nodes)

    def weigh(self, state, w):
        return self.rule(state, w, self.knob)

    def remember(self, state, seen):
        return self.learn(state, seen)


class Static(AbstractIdentity):
    value: float = eqx.field(static=True, default=2.0)

    def init(self, num_nodes):
        return ()

    def weigh(self, state, w):
        return self.value * w

    def remember(self, state, seen):
        return state


CALLS = itertools.count(1)


def of_eager_mode(state, w, knob):
    return w * next(CALLS)


@jax.custom_batching.custom_vmap
def times(k, y):
    return k * y


@times.def_vmap
def _(size, batched, k, y):
    return k[:1, None] * y, True


def leaky(round):
    """A blinded round with a way back to the whole one."""
    return BLIND(round)._replace(evaluate=round.evaluate)


BLIND = Round.blind


def peeks(state, seen):
    return jnp.where(seen.evaluate.__self__.byzantine, 1, state)


def share(state, w, knob):
    return w / w.mean()


BROKEN = {
    "shape: one for all": ("shape", Broken(lambda s, w, k: w.sum())),
    "shape: negative": ("shape", Broken(lambda s, w, k: -w)),
    "absence": ("absence", Broken(lambda s, w, k: w + 1)),
    "linear: of those present": ("linear", Broken(share)),
    "mean: twice": ("mean", Broken(lambda s, w, k: 2 * w)),
    "permutation": ("permutation", Broken(lambda s, w, k: w * jnp.arange(7, dtype=w.dtype) / 3)),
    "blind": ("blind", Broken(lambda s, w, k: w * (1 + s.astype(w.dtype)), peeks)),
    "jit": ("jit", Broken(of_eager_mode)),
    "vmap": ("vmap", Broken(lambda s, w, k: times(k, w))),
    "trace: a float of Python": ("trace", Broken(lambda s, w, k: k * w, knob=1.0)),
    "trace: a static float": ("trace", Static(2.5)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_caught(name, monkeypatch):
    monkeypatch.setattr(Round, "blind", leaky)
    law, broken = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        check_identity(broken, skip=LAWS.keys() - {law})


def test_every_law_catches_something():
    assert {law for law, _ in BROKEN.values()} == LAWS.keys()


def test_unknown_law_is_refused():
    with pytest.raises(gj.ConfigurationError, match=r"check_identity: skip=\['speed'\]: the laws are"):
        check_identity(TABLE["stake"](), skip=["speed"])


def test_who_leaves_does_not_change_the_weight_of_others():
    stake = gj.identity.Stake([1.0, 2.0, 3.0])
    everybody, two = stake.weigh((), jnp.ones(3)), stake.weigh((), jnp.array([1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(everybody[:2], two[:2])


@pytest.mark.parametrize("stake", [[], [0.0, 0.0], [1.0, -1.0], [1.0, np.inf], [[1.0]], 3.0])
def test_stakes_that_cannot_be_meant_are_refused(stake, as_users_run):
    with pytest.raises(gj.ConfigurationError, match=r"^Stake: stake=[^\n]*$"):
        gj.identity.Stake(stake)


def test_a_stake_for_another_number_of_identities_is_refused():
    task = gj.tasks.quadratic(4, 3)
    with pytest.raises(gj.ConfigurationError, match=r"^Stake: stake=3 of them: give 4, one each"):
        gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()), identity=gj.identity.Stake([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("gossip", [False, True])
def test_weights_by_stake_are_the_weights_of_the_round(gossip):
    task, stakes = gj.tasks.quadratic(4, 3), np.array([1.0, 1.0, 2.0, 4.0])
    rule = gj.aggregators.Mean()
    protocol = gj.protocols.Gossip(rule, gj.topologies.complete(4)) if gossip else gj.protocols.Server(rule)
    staked = gj.simulate(gj.Simulation(task, protocol, identity=gj.identity.Stake(stakes)), 3, progress=None)
    plain = gj.simulate(gj.Simulation(task, protocol), 3, participation=gj.stake(stakes), progress=None)
    np.testing.assert_allclose(staked.models, plain.models, rtol=1e-6)
    np.testing.assert_allclose(staked.record["present"], 4)
