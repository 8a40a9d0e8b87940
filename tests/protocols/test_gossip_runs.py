"""Gossip in a simulation: refused combinations, published runs, learning under attack, and attribution."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax.aggregators import AbstractAggregator, GeometricMedian, Mean, Median, NNM, TrimmedMean
from ghostjax.protocols import Gossip, Server
from ghostjax.topologies import from_edges, from_matrix, ring, star

from .gossip_cases import aggregate, Everything, Nearest, Told


NEGATIVE = eqx.tree_at(lambda rule: rule.f, TrimmedMean(), jnp.asarray(-1.0))  # as a rule that checks no knob


class Prober(AbstractAggregator):
    needs: ClassVar[frozenset] = frozenset({"probe"})
    init = Nearest.init
    step = Everything.step


@pytest.mark.parametrize(
    "rule,graph,message",
    [
        (
            TrimmedMean(f=5),
            ring(20, 8),
            r"^Gossip\(TrimmedMean\): f=5.0: receiver 0 receives weight 9 and needs more than 10",
        ),
        (TrimmedMean(f=1), star(20), r"receiver 1 receives weight 2 and needs more than 2; lower f or use a topology"),
        (None, ring(10), r"^Gossip\(Mean\): topology=graph of 10 nodes: the task has 20 nodes"),
        (None, from_edges(20, [(0, 1)]), r"^Gossip\(Mean\): topology=not connected: add edges"),
        (Prober(), ring(20), r"^Gossip\(Prober\): needs=probe: "),
        (
            NNM(eqx.tree_at(lambda rule: rule.f, TrimmedMean(), jnp.asarray(-1.0))),
            ring(20),
            r"^TrimmedMean: f=-1.0: give a number of at least 0",
        ),
    ],
)
def test_impossible_combinations_are_refused(rule, graph, message):
    protocol = Gossip(rule, graph)
    with pytest.raises(gj.ConfigurationError, match=message):
        protocol.validate(20)


@pytest.mark.parametrize("protocol", [Server, lambda rule: Gossip(rule, ring(5))], ids=["server", "gossip"])
def test_knobs_may_be_traced_where_a_simulation_is_built(protocol):
    task = gj.tasks.quadratic(5, 4)

    def mass(f):
        made = gj.Simulation(task, protocol(TrimmedMean(f=f))).protocol
        assert isinstance(made, Server | Gossip) and isinstance(made.aggregator, TrimmedMean)
        return made.aggregator.f

    assert jax.jit(mass)(1.0) == 1


def test_a_server_refuses_a_negative_mass_and_what_only_gossip_delivers():
    with pytest.raises(gj.ConfigurationError, match="which only Gossip delivers"):
        gj.Simulation(gj.tasks.quadratic(5, 2), Server(Mean()), attack=Told(), byzantine=1)
    with pytest.raises(gj.ConfigurationError, match=r"^TrimmedMean: f=-1.0: give a number of at least 0"):
        Server(NEGATIVE).validate(5)
    gj.Simulation(gj.tasks.quadratic(5, 2), Gossip(Mean(), ring(5)), attack=Told(), byzantine=1)


ALPHA = 1 / 3


def chain_matrix(beta, delta):
    """Six nodes, 0 and 1 Byzantine, 2-3-4-5 an honest chain whose middle edge has weight beta."""
    matrix = np.eye(6)
    for i, j, weight in ((2, 3, ALPHA), (3, 4, beta), (4, 5, ALPHA), (0, 3, delta), (1, 4, delta)):
        matrix[[i, j], [j, i]] = weight
        matrix[[i, j], [i, j]] -= weight
    return matrix


@pytest.mark.parametrize("beta", [0.45, 0.12, 0.01])
@pytest.mark.parametrize("rule", [TrimmedMean(f=1), Median()], ids=["trimmed_mean", "median"])
def test_unweighted_coordinate_rules_never_reach_consensus_on_the_chain(rule, beta):
    # Published for this chain under dissensus with eps = .05, 100 rounds: the error stays exactly 10000.
    mixing = chain_matrix(beta, delta=0.2)
    unweighted = (mixing > 0) / (mixing > 0).sum(1, keepdims=True)
    byzantine = jnp.arange(6) < 2
    start_at = jnp.array([0.0, 0, 0, 0, 200, 200])[:, None]
    honest = jnp.asarray(mixing * (np.arange(6) >= 2)[None, :], jnp.float32)
    b = jnp.asarray((mixing * (np.arange(6) < 2)[None, :]).sum(1), jnp.float32)[:, None]

    def dissensus(x):
        pull = honest @ x - honest.sum(1, keepdims=True) * x
        return x - 0.05 * jnp.where(b > 0, pull / jnp.where(b > 0, b, 1), 0)

    def error(protocol):
        def play(x, _):
            return aggregate(protocol, x, dissensus(x), byzantine, jnp.ones(6)), None

        return float(jnp.square(jax.lax.scan(play, start_at, None, 100)[0][2:] - 100).mean())

    assert error(Gossip(rule, from_matrix(unweighted))) == 10000.0
    # The same run without a defence does move, so it is the rule that stands still.
    assert error(Gossip(None, from_matrix(mixing))) < 9999


def learns(rule, attack, *, byzantine=2, rounds=80):
    task = gj.tasks.digits(12, batch_size=8, model=gj.tasks.models.MLP((64, 16, 10)), alpha=10.0)
    protocol = Gossip(rule, ring(12, 6), gj.Optimizer(optax.sgd, learning_rate=0.5))
    return gj.simulate(gj.Simulation(task, protocol, attack=attack, byzantine=byzantine), rounds, 0)


def test_gossip_learns_digits_under_attack_with_a_robust_rule_only():
    attack = gj.attacks.Constant(100.0)
    robust, plain = learns(TrimmedMean(f=2), attack), learns(None, attack)
    assert robust.record["accuracy"][-1] > 0.6
    assert plain.record["accuracy"][-1] < 0.4
    assert robust.state is not None
    assert robust.state.protocol.theta.shape[0] == 12


def test_a_vector_per_receiver_runs_in_a_simulation():
    run = learns(TrimmedMean(f=2), Told(), rounds=20)
    assert np.isfinite(run.record["loss"]).all() and run.record["lost"].sum() == 0


PLAYS = {"mean": Mean(), "trimmed_mean": TrimmedMean(f=1), "geometric_median": GeometricMedian(nu=0.1)}


@pytest.mark.slow
@pytest.mark.parametrize("rule", [*list(PLAYS)[:2], "geometric_median"])
def test_the_adjoint_is_the_effect_of_not_being_heard(rule):
    # Exact replays with each node's weight at 1e-4: nobody hears it, and it still hears the others. At 0 it would
    # keep its own model as well, a jump at the last step that no derivative sees.
    n, rounds, key = 12, 6, jax.random.key(0)
    simulation = gj.Simulation(gj.tasks.quadratic(n, 4, radius=3.0), Gossip(PLAYS[rule], ring(n, 6)))
    scores = gj.attribution.adjoint(simulation, rounds, key, probes=0).scores
    unheard, less = (1 - mass * np.eye(n) for mass in (1 - 1e-4, 0.02))
    outcomes = gj.attribution.replay(simulation, rounds, key, np.concatenate([np.ones((1, n)), unheard, less]))
    effects = np.asarray(outcomes[1:], float) - float(outcomes[0])
    assert gj.attribution.spearman(scores, effects[:n]) >= 0.97
    np.testing.assert_allclose(effects[n:] / 0.02, scores, atol=0.02 * np.abs(scores).max())
