"""Influence and cuts by principal: sums over owners, and the theorem about clipped gossip."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj


OWNER = [5, 5, 2, 9, 2, 0]
PRINCIPALS = [[5], [2, 4], [0, 1], [3], [], []]
"""The identities of each, in the order of owners."""


@pytest.mark.parametrize("gossip", [False, True])
def test_influence_is_summed_over_the_identities_of_a_principal(make_round, x, gossip):
    mixing = np.random.default_rng(1).dirichlet(np.ones(6), size=6) if gossip else None
    round = make_round(x, mixing=mixing, byzantine=[4, 5], owner=jnp.asarray(OWNER))
    single = np.asarray(gj.metrics.Influence()(round)["influence"])
    found = gj.metrics.PrincipalInfluence()(round)
    expected = [single[principal].sum() for principal in PRINCIPALS]
    np.testing.assert_allclose(found["principal_influence"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["largest_influence"], max(expected), rtol=1e-5)


def test_a_cut_is_the_weight_that_others_give(make_round, x):
    mixing = np.random.default_rng(1).dirichlet(np.ones(6), size=6).astype(np.float32)
    found = gj.metrics.CutWeight()(make_round(x, mixing=mixing, graph=jnp.asarray(mixing), owner=jnp.asarray(OWNER)))
    others = lambda principal: [i for i in range(6) if i not in principal]
    expected = [mixing[np.ix_(others(principal), principal)].sum() for principal in PRINCIPALS]
    np.testing.assert_allclose(found["cut_weight"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["largest_cut"], max(expected), rtol=1e-5)


def test_a_cut_needs_a_graph():
    server = gj.protocols.Server(gj.aggregators.Mean())
    with pytest.raises(gj.ConfigurationError, match=r"^CutWeight: mixing=None: a cut is made of edges"):
        gj.Simulation(gj.tasks.quadratic(4, 2), server, metrics=[gj.metrics.CutWeight()])


def test_datasets_number_principals():
    sim = gj.Simulation(
        gj.tasks.quadratic(4, 2), gj.protocols.Gossip(None, gj.topologies.ring(4)), owner=[0, 0, 1, 1],
        metrics=[gj.metrics.PrincipalInfluence(), gj.metrics.CutWeight()],
    )  # fmt: skip
    data = gj.simulate(sim, 2, progress=None).dataset
    assert data["principal_influence"].dims == data["cut_weight"].dims == ("round", "principal")
    np.testing.assert_allclose(data["principal_influence"][0], [0.5, 0.5, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(data["cut_weight"][0], [2 / 3, 2 / 3, 0, 0], rtol=1e-5)


# Clipped gossip

HONEST, ROUNDS, TAU = 8, 12, 0.5


def clipped_gossip(sybils, attack, cut=3):
    """Eight honest nodes in a ring, and a principal whose identities reach them by `cut` edges of weight 0.1."""
    ring = [(i, (i + 1) % HONEST) for i in range(HONEST)]
    attacking = [(2 * e, HONEST + e % sybils) for e in range(cut)]
    inside = [(HONEST + i, HONEST + i + 1) for i in range(sybils - 1)]
    edges = [*ring, *attacking, *inside]
    graph = gj.topologies.from_edges(HONEST + sybils, edges, np.full(len(edges), 0.1))
    rule = gj.aggregators.CenteredClipping(tau=TAU, centre="anchor")
    still = gj.Optimizer(optax.sgd, learning_rate=0.0)  # nobody learns, so that all that moves is the exchange
    sim = gj.Simulation(
        gj.tasks.quadratic(HONEST + sybils, 3, noise=0.1),
        gj.protocols.Gossip(rule, graph, still, common_start=False),
        attack=attack,
        byzantine=sybils,
        owner=[*range(HONEST), *[HONEST] * sybils],
        metrics=[gj.metrics.CutWeight()],
    )
    start = gj.simulate(sim, 1, progress=None, participation=np.zeros(HONEST + sybils)).models[:HONEST].mean(0)
    run = gj.simulate(sim, ROUNDS, progress=None)
    weight = np.asarray(run.record["cut_weight"])[:, HONEST]
    return np.linalg.norm(run.models[:HONEST].mean(0) - start), TAU * weight.sum() / HONEST


@pytest.mark.parametrize("sybils", [1, 3, 10])
def test_clipped_gossip_moves_by_the_cut_whatever_the_number_of_identities(sybils):
    drift, bound = clipped_gossip(sybils, gj.attacks.Constant(1e4))
    assert bound == pytest.approx(ROUNDS * TAU * 3 * 0.1 / HONEST, rel=1e-5)
    assert 0.999 * bound <= drift <= (1 + 1e-4) * bound  # attained, and not exceeded


def test_more_edges_move_it_more():
    drift, bound = clipped_gossip(4, gj.attacks.Constant(1e4), cut=4)
    assert bound == pytest.approx(ROUNDS * TAU * 4 * 0.1 / HONEST, rel=1e-5)
    assert 0.999 * bound <= drift <= (1 + 1e-4) * bound


@pytest.mark.parametrize("attack", [gj.attacks.Gaussian(std=1e3), gj.attacks.SignFlip(5.0), gj.attacks.Dissensus()])
def test_no_attack_exceeds_the_cut(attack):
    drift, bound = clipped_gossip(3, attack)
    assert drift <= bound
