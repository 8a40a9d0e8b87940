"""Splitting and whitewashing: what a principal gains, in closed form and in the rounds of a training."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax import identity


K, CAP = 4, 4.0
# Principal 3 has a stake of 8 in one identity until round 2, and of 2 in each of four from then on.
STAKES = [1.0, 2.0, 3.0, 8.0, 2.0, 2.0, 2.0, 2.0]
OWNER = [0, 1, 2, 3, 3, 3, 3, 3]
# The gain of splitting a stake of 8 over four identities, by the closed forms.
GAINS = {
    "stake": (identity.Stake(STAKES), 1),
    "square_root": (identity.SquareRoot(STAKES), np.sqrt(K)),
    "capped": (identity.Capped(STAKES, CAP), K * min(8 / K, CAP) / min(8, CAP)),
    "equal": (identity.Equal(), K),
}


@pytest.mark.parametrize("name", GAINS)
def test_the_gain_of_a_split_is_its_closed_form(name):
    layer, gain = GAINS[name]
    assert identity.split_gain(layer.phi, 8.0, K) == pytest.approx(gain, rel=1e-6)
    assert identity.split_gain(layer.phi, 8.0, 1) == 1


def test_a_cap_binds_a_principal_no_longer_once_its_identities_are_below_it():
    phi = identity.Capped(STAKES, CAP).phi
    gains = [identity.split_gain(phi, 20.0, k) for k in (1, 2, 4, 5, 8, 100)]
    np.testing.assert_allclose(gains, [1, 2, 4, 5, 5, 5], rtol=1e-6)
    # A fee for each identity makes splitting costly.
    assert identity.split_gain(lambda s: jnp.maximum(0, s - 1), 8.0, K) == pytest.approx(4 / 7)


@pytest.mark.parametrize("gossip", [False, True])
@pytest.mark.parametrize("name", GAINS)
def test_a_split_multiplies_the_odds_of_a_principal_by_its_gain(name, gossip):
    layer, gain = GAINS[name]
    rule = gj.aggregators.Mean()
    protocol = gj.protocols.Gossip(rule, gj.topologies.complete(8)) if gossip else gj.protocols.Server(rule)
    metrics = [gj.metrics.PrincipalInfluence()]
    sim = gj.Simulation(gj.tasks.quadratic(8, 3), protocol, identity=layer, owner=OWNER, metrics=metrics)
    schedule = gj.splitting(3, into=[4, 5, 6, 7], start=2)
    run = gj.simulate(sim, 4, participation=schedule, progress=None)
    share = np.asarray(run.record["principal_influence"])[:, 3]
    odds = share / (1 - share)
    assert odds[2] / odds[1] == pytest.approx(gain, rel=0.05)
    assert odds[1] == pytest.approx(odds[0], rel=1e-5) and odds[3] == pytest.approx(odds[2], rel=1e-5)


def test_who_changes_its_name_stays_a_newcomer():
    """By age it counts for no more than the share that its docstring states; by equal votes the new name is free."""
    layer = identity.Age(rounds=12, start=0.1)
    rule, schedule = gj.aggregators.Mean(), gj.whitewashing([2, 3, 4, 5], every=4)
    metrics = [gj.metrics.PrincipalInfluence()]
    share = {}
    for name, one in {"age": layer, "equal": identity.Equal()}.items():
        sim = gj.Simulation(
            gj.tasks.quadratic(6, 3), gj.protocols.Server(rule), identity=one, owner=[0, 1, 2, 2, 2, 2], metrics=metrics
        )
        run = gj.simulate(sim, 16, participation=schedule, progress=None)
        share[name] = np.asarray(run.record["principal_influence"])[:, 2]
    np.testing.assert_allclose(share["equal"], 1 / 3, rtol=1e-5)
    relative = share["age"] / ((1 - share["age"]) / 2)  # to one of the others
    bound = 0.1 + 0.9 * 3 / 12
    assert relative[12:].max() == pytest.approx(bound, rel=1e-4)  # when the others are of full age
    assert relative[12] == pytest.approx(0.1, rel=1e-4)


def test_a_bad_record_is_shed_by_a_new_name():
    """Not guaranteed by reputation, and said so: a newcomer has the prior."""
    layer = identity.Reputation()
    sim = gj.Simulation(
        gj.tasks.quadratic(7, 3), gj.protocols.Server(gj.aggregators.Median()), identity=layer,
        attack=gj.attacks.Constant(9.0), byzantine=2,
    )  # fmt: skip
    state: Any = gj.simulate(sim, 20, participation=gj.whitewashing([5, 6], every=20), progress=None).state
    weights = layer.weigh(state.identity, jnp.ones(7))
    assert weights[5] < 0.5 * weights[6]
