"""Attacks inside a round: what they may touch, what they do to a training, and what the round takes back."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax.attacks import AbstractMessageAttack, Sent
from ghostjax.metrics import AbstractMetric


N, F = 6, 2
rollout = eqx.filter_jit(gj.rollout)


class Seen(AbstractMetric):
    """The messages that arrived and the models that came out."""

    dims: ClassVar[Any] = {"messages": ("node", "param"), "models": ("node", "param")}

    def __call__(self, round):
        shape = round.messages.shape
        return {"messages": round.messages, "models": jnp.broadcast_to(round.next_models, shape)}


class Vandal(AbstractMessageAttack):
    """Rewrites everything it is shown: the messages and the data of everybody."""

    def init(self, like):
        return ()

    def poison(self, state, batch, before):
        return jax.tree.map(jnp.ones_like, batch)

    def corrupt(self, state, view):
        rows = jnp.full_like(view.messages, 7.0)
        return state, Sent(rows, rows)


def digits(rounds=1, attack=None, byzantine=F, rule=None, graph=None, n=N, alpha=100.0, rate=0.5, **kwargs):
    rule = gj.aggregators.Mean() if rule is None else rule
    optimizer = gj.Optimizer(optax.sgd, learning_rate=rate)
    server = gj.protocols.Server(rule, optimizer)
    protocol = server if graph is None else gj.protocols.Gossip(rule, graph, optimizer)
    task = gj.tasks.digits(n, batch_size=8, alpha=alpha, model=gj.tasks.models.MLP((64, 10)))
    sim = gj.Simulation(task, protocol, attack=attack, byzantine=byzantine, **{"metrics": (Seen(),)} | kwargs)
    return rollout(sim, jax.random.key(0), jnp.ones((rounds, n)))[1]


def test_the_round_restores_honest_identities():
    honest, vandal = digits()["messages"][0], digits(attack=Vandal())["messages"][0]
    np.testing.assert_array_equal(vandal[: N - F], honest[: N - F])
    assert (vandal[N - F :] != honest[N - F :]).any(1).all()


@pytest.mark.filterwarnings("ignore:Simulation. attack=.*never acts")
@pytest.mark.parametrize("graph", [None, lambda: gj.topologies.ring(N)], ids=["server", "gossip"])
def test_without_byzantine_identities_nothing_changes(graph):
    graph = graph and graph()
    plain = digits(3, byzantine=0, graph=graph)
    vandal = digits(3, attack=Vandal(), byzantine=0, graph=graph)
    for name in plain:
        np.testing.assert_array_equal(plain[name], vandal[name])


def test_non_finite_messages_are_lost_and_counted():
    run = digits(2, gj.attacks.NonFinite(jnp.inf))
    alone = digits(2, gj.attacks.NonFinite(jnp.nan))
    np.testing.assert_array_equal(run["lost"], [F, F])
    np.testing.assert_array_equal(run["present"], [N - F, N - F])
    assert np.isfinite(run["models"]).all()
    np.testing.assert_array_equal(run["models"], alone["models"])


@pytest.mark.parametrize("attack", [gj.attacks.Isolation(), gj.attacks.Dissensus(1.0)], ids=["isolation", "dissensus"])
def test_plain_mixing_leaves_every_victim_alone(attack):
    graph = gj.topologies.complete(N)
    run = digits(1, attack, graph=graph)
    messages, models = run["messages"][0, : N - F], run["models"][0, : N - F]
    assert np.abs(messages - messages.mean(0)[None, :]).max() > 1e-3
    np.testing.assert_allclose(models, messages, rtol=0, atol=1e-5)


def test_zero_sum_erases_every_victim():
    run = digits(1, gj.attacks.Isolation.zero_sum(), graph=gj.topologies.complete(N))
    np.testing.assert_allclose(run["models"][0, : N - F], 0, atol=1e-5)


def test_per_receiver_attacks_need_a_graph():
    with pytest.raises(gj.ConfigurationError, match=r"Server: attack=Dissensus: .*only Gossip delivers"):
        digits(1, gj.attacks.Dissensus())
    x, byzantine = jnp.ones((3, 2)), jnp.array([False, False, True])
    with pytest.raises(gj.ConfigurationError, match=r"Isolation: mixing=None: .*run it in Gossip"):
        gj.attacks.Isolation()(x, byzantine)


def test_zero_sum_at_a_server_stops_the_mean():
    run = digits(4, gj.attacks.IPM(tau=(N - F) / F))
    models = run["models"][:, 0]
    assert (
        np.abs(np.diff(models, axis=0)).max() < 1e-5 < 1e-2 < np.abs(np.diff(digits(4)["models"][:, 0], axis=0)).max()
    )


def accuracy(attack, byzantine=4, rule=None):
    run = digits(60, attack, byzantine, rule, n=10, metrics=(gj.metrics.Goal(),))
    return float(run["accuracy"][-1])


@pytest.mark.slow
def test_attacks_hurt_where_nothing_defends_and_a_rule_helps():
    noise = gj.attacks.Gaussian(std=100.0)
    clean = accuracy(None, byzantine=0)
    assert clean > 0.8
    assert accuracy(noise) < 0.5
    assert accuracy(noise, rule=gj.aggregators.TrimmedMean(f=4)) > clean - 0.15
    assert accuracy(gj.attacks.IPM(tau=3.0)) < 0.3
    assert accuracy(gj.attacks.LabelFlip(num_classes=10)) < clean - 0.05
