"""Gossip against its definition, one receiver after the other, and the laws that a user relies on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax._kernels import present
from ghostjax._random import per_node
from ghostjax.aggregators import Mean, TrimmedMean
from ghostjax.protocols import _receivers, Gossip, gossip, Server
from ghostjax.topologies import complete, erdos_renyi, from_edges, ring, Topology

from .gossip_cases import (
    aggregate,
    check_is_the_definition,
    D,
    GRAPHS,
    KEY,
    messages,
    received,
    RULES,
    run,
    send,
    SHIPPED,
    start,
    step,
    WEIGHTS,
)


def test_the_definition_itself_by_hand():
    graph, x, w = GRAPHS["irregular"], np.asarray(messages(9), float), WEIGHTS["real"](9)
    matrix = gj.topologies.mixing_matrix(graph)
    for i in range(9):
        received = [j for j in range(9) if matrix[i, j] > 0 and w[j] > 0]
        mass = matrix[i, received] * (matrix[i] > 0).sum() * w[received]
        mean = mass @ x[received] / mass.sum() if w[i] > 0 else x[i]
        args = jnp.asarray(x, jnp.float32), None, jnp.zeros(9, bool)
        np.testing.assert_allclose(run(Gossip(Mean(), graph), *args, jnp.asarray(w, jnp.float32))[i], mean, atol=1e-5)
        if len(received) < 3:
            continue
        uniform = Gossip(TrimmedMean(f=1), erdos_renyi(9, 0.5, seed=2, weights="uniform"))
        trimmed = np.sort(x[received], 0)[1:-1].mean(0) if w[i] > 0 else x[i]
        np.testing.assert_allclose(run(uniform, *args, jnp.asarray(w > 0, jnp.float32))[i], trimmed, atol=1e-5)


CASES = [(rule, "irregular") for rule in RULES]
CASES += [pytest.param(rule, "sparse", marks=pytest.mark.slow) for rule in RULES]
CASES += [(rule, "complete") for rule in ("trimmed_mean", "nearest")]
CASES += [
    pytest.param(rule, graph, marks=pytest.mark.slow)
    for rule in ("trimmed_mean", "nearest")
    for graph in ("directed", "star")
]
CASES += [(rule, "irregular") for rule in SHIPPED if rule != "nnm_krum"]


@pytest.mark.parametrize("rule,graph", CASES)
def test_every_kind_is_the_definition(rule, graph):
    protocol = Gossip((RULES | SHIPPED)[rule], GRAPHS[graph])
    for weights in WEIGHTS.values():
        check_is_the_definition(protocol, weights(protocol.topology.num_nodes))


def vectors_for(n, silent=()):
    vectors = np.array(messages(n, 7)) * 3
    vectors[list(silent)] = np.inf
    return jnp.asarray(vectors)


@pytest.mark.parametrize("rule,graph", [(rule, "irregular") for rule in RULES] + [("nearest", "sparse")])
def test_a_vector_per_receiver_is_the_definition(rule, graph):
    graph = GRAPHS[graph]
    n = graph.num_nodes
    byzantine = np.arange(n) % 4 == 3
    check_is_the_definition(
        Gossip(RULES[rule], graph), np.ones(n), by_receiver=vectors_for(n, silent=[1, 4]), byzantine=byzantine
    )


BROKEN = {
    "nothing": (gossip, "in_slots", _receivers.in_slots),
    "forgets that weights count identities": (
        Topology,
        "counts",
        lambda self: jnp.where(self.mask, self.weights, 0),
    ),
    "lets padding speak": (
        Topology,
        "counts",
        lambda self: jnp.maximum(self.weights * 5, 0.5),
    ),
    "lets the adversary rewrite what a receiver knows of itself": (
        gossip,
        "in_slots",
        lambda got, w, nbr, slots, own: _receivers.in_slots(
            got, w, jnp.where(got.senders[nbr], (nbr + 4) % 9, nbr), slots, own
        ),
    ),
    "hears the absent": (
        gossip,
        "in_slots",
        lambda got, w, nbr, slots, own: _receivers.in_slots(got, jnp.ones_like(w), nbr, slots, own),
    ),
    "gives every receiver one key": (_receivers, "per_node", lambda key, n: jnp.broadcast_to(per_node(key, 1), (n,))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_caught(monkeypatch, name):
    monkeypatch.setattr(*BROKEN[name])
    traced_anew = eqx.filter_jit(lambda *args: aggregate(*args))
    caught = 0
    for protocol, case in (
        (Gossip(RULES["everything"], GRAPHS["irregular"]), {"w": WEIGHTS["some"](9)}),
        (Gossip(TrimmedMean(f=0.4), GRAPHS["irregular"]), {"w": WEIGHTS["all"](9)}),
        (
            Gossip(Mean(), GRAPHS["irregular"]),
            {"w": np.ones(9), "by_receiver": vectors_for(9), "byzantine": np.arange(9) % 4 == 3},
        ),
    ):
        try:
            check_is_the_definition(protocol, **case, run=traced_anew)
        except AssertionError:
            caught += 1
    assert (caught > 0) == (name != "nothing")


@pytest.mark.parametrize("rule", ["mean", "trimmed_mean", "nearest"])
def test_the_complete_graph_is_a_server_for_everybody(rule):
    n = 9
    x, w = messages(n), jnp.asarray(WEIGHTS["some"](n), jnp.float32)
    protocol, server = Gossip(RULES[rule], complete(n)), Server(RULES[rule])
    y = run(protocol, x, None, jnp.zeros(n, bool), w)
    one = server.receive(server.init(x[0], n), received(x, w), KEY)[1]
    np.testing.assert_allclose(y[w > 0], jnp.broadcast_to(one, (n, D))[w > 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(y[w == 0], x[w == 0])


@pytest.mark.parametrize("graph", ["sparse", "irregular", "directed"])
def test_plain_mixing_is_the_matrix_and_conserves_the_mean(graph):
    graph = GRAPHS[graph]
    n = graph.num_nodes
    protocol, x, nobody = Gossip(None, graph), messages(n), jnp.zeros(n, bool)
    y = run(protocol, x, None, nobody, jnp.ones(n))
    np.testing.assert_allclose(y, graph.dense() @ x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y.mean(0), x.mean(0), atol=1e-6)
    w = jnp.asarray(WEIGHTS["real"](n), jnp.float32)
    mixing = protocol.mixing(w)
    assert mixing is not None
    np.testing.assert_allclose(run(protocol, x, None, nobody, w), mixing @ x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixing.sum(1), 1, atol=1e-6)


def test_plain_mixing_contracts_by_the_spectral_gap():
    graph = GRAPHS["irregular"]
    protocol, x, nobody = Gossip(None, graph), messages(9), jnp.zeros(9, bool)
    rate = 1 - gj.topologies.spectral_gap(graph)
    spread = []
    for _ in range(13):
        spread.append(float(np.linalg.norm(np.asarray(x) - np.asarray(x).mean(0))))
        x = run(protocol, x, None, nobody, jnp.ones(9))
    ratios = np.array(spread[1:]) / spread[:-1]
    assert (ratios <= rate * (1 + 1e-4)).all() and ratios[-1] > 0.9 * rate


@pytest.mark.parametrize("rule", RULES)
def test_who_hears_nobody_keeps_its_half_step_and_its_memory(rule):
    # Nodes 0 and 1 are alone with each other: 0 is absent, and what is sent to 1 is not a number.
    graph = from_edges(7, [(0, 1), (2, 3), (3, 4), (4, 5), (5, 6), (6, 2)])
    protocol, x = Gossip(RULES[rule], graph), messages(7)
    state = start(protocol, x)
    w = jnp.ones(7).at[jnp.array([0])].set(0)
    after, y = step(protocol, state, x, jnp.zeros(7, bool), w)
    np.testing.assert_array_equal(y[0], x[0])
    for old, new in zip(jax.tree.leaves(state.rule), jax.tree.leaves(after.rule), strict=True):
        np.testing.assert_array_equal(old[0], new[0])
        assert (old[2:] != new[2:]).any()
    # Everybody absent: everybody keeps its half-step.
    none = step(protocol, state, x, jnp.zeros(7, bool), jnp.zeros(7))[1]
    np.testing.assert_array_equal(none, x)
    assert np.isfinite(protocol.guarantee(w, None, w < 0).margin) and np.isfinite(protocol.mixing(jnp.zeros(7))).all()
    np.testing.assert_array_equal(protocol.mixing(jnp.zeros(7)), np.eye(7))


@pytest.mark.parametrize("junk", [jnp.inf, jnp.nan, 1e20])
@pytest.mark.parametrize("rule", RULES)
def test_absence_whatever_the_row_holds(rule, junk):
    protocol, x = Gossip(RULES[rule], GRAPHS["irregular"]), messages(9)
    w = jnp.ones(9).at[3].set(0)

    def others(row):
        rows, weights, _ = present(x.at[3].set(row), w)
        return np.delete(run(protocol, rows, None, jnp.zeros(9, bool), weights), 3, axis=0)

    np.testing.assert_allclose(others(junk), others(0.0), rtol=1e-5, atol=1e-6)


def test_a_broken_step_costs_one_message_and_not_the_node():
    protocol = Gossip(None, ring(5), gj.Optimizer(optax.sgd, learning_rate=0.1, momentum=0.9))
    state = protocol.init(jnp.zeros(D), 5)
    updates = messages(5).at[2, 1].set(jnp.nan)
    pending, sent = send(protocol, state, updates)
    assert np.isnan(np.asarray(sent[2])).any()
    x, w, lost = present(sent, jnp.ones(5))
    np.testing.assert_array_equal(lost, [0, 0, 1, 0, 0])
    after, y = step(protocol, pending, x, jnp.zeros(5, bool), w)
    np.testing.assert_array_equal(y[2], state.theta[2])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))


def test_each_node_has_its_own_outer_optimizer():
    protocol = Gossip(None, ring(5), gj.Optimizer(optax.sgd, learning_rate=0.1, momentum=0.9))
    updates = messages(5)
    state, sent = send(protocol, protocol.init(jnp.ones(D), 5), updates)
    for _ in range(2):
        state, sent = send(protocol, state, updates)
    outer = optax.sgd(0.1, momentum=0.9)
    theta = jnp.ones(D)
    inner = outer.init(theta)
    for _ in range(3):
        step, inner = outer.update(updates[3], inner, theta)
        theta = optax.apply_updates(theta, step)
    np.testing.assert_allclose(sent[3], theta, atol=1e-6)


def test_a_liar_does_not_believe_itself():
    # Under a message attack a Byzantine node's own model follows what the others send; a node whose data is
    # poisoned, but which sends its half-step, hears itself like everybody.
    graph = ring(5, 2)
    protocol, x = Gossip(None, graph), messages(5)
    byzantine = jnp.arange(5) == 4
    state = start(protocol, x)
    lying = step(protocol, state, x.at[4].set(1e6), byzantine, jnp.ones(5))[1]
    np.testing.assert_allclose(lying[4], (x[3] + x[0]) / 2, rtol=1e-5)
    honest = step(protocol, state, x, byzantine, jnp.ones(5))[1]
    np.testing.assert_allclose(honest[4], (x[3] + x[0] + x[4]) / 3, rtol=1e-5)


def test_one_trace_for_every_participation_knob_and_graph():
    traces = 0

    @eqx.filter_jit
    def counted(protocol, x, w):
        nonlocal traces
        traces += 1
        return protocol.receive(start(protocol, x), received(x, w), KEY)[1]

    results = [
        counted(Gossip(TrimmedMean(f=f), ring(9, 4, weights=scheme)), messages(9), jnp.asarray(w, jnp.float32))
        for f, scheme, w in (
            (0, "uniform", np.ones(9)),
            (1, "metropolis", WEIGHTS["some"](9)),
            (0.5, "uniform", np.ones(9)),
        )
    ]
    assert traces == 1 and (results[0] != results[2]).any()


@pytest.mark.parametrize("rule", RULES)
def test_vmap_over_participation_is_a_loop(rule):
    protocol, x = Gossip(RULES[rule], GRAPHS["irregular"]), messages(9)
    rows = jnp.asarray(np.stack([f(9) for f in WEIGHTS.values()]), jnp.float32)

    def one(w):
        return run(protocol, x, None, jnp.zeros(9, bool), w)

    np.testing.assert_allclose(jax.jit(jax.vmap(one))(rows), np.stack([one(w) for w in rows]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_double_precision(x64, rule):
    protocol = Gossip(jax.tree.map(lambda a: a.astype(float), RULES[rule]), erdos_renyi(9, 0.5, seed=2))
    x, w = messages(9), jnp.ones(9)
    assert run(protocol, x, None, jnp.zeros(9, bool), w).dtype == jnp.float64
    check_is_the_definition(protocol, w, atol=1e-12)


def test_slack_and_kappa_are_those_of_the_worst_receiver():
    graph = GRAPHS["irregular"]
    protocol = Gossip(TrimmedMean(f=1), graph)
    w = jnp.ones(9)
    totals = np.asarray(graph.degree) + 1.0
    assert protocol.guarantee(w, None, w < 0).margin == pytest.approx(totals.min() - 2, abs=1e-5)
    smallest = totals.min()
    assert protocol.guarantee(w, None, w < 0).kappa == pytest.approx(
        float(TrimmedMean(f=1).kappa(jnp.ones(int(smallest)))), rel=1e-5
    )
    # An absent receiver needs nothing.
    lonely = int(totals.argmin())
    others = graph.nbr[lonely][graph.mask[lonely]]
    assert (
        protocol.guarantee(w.at[others].set(0), None, w < 0).margin
        != protocol.guarantee(w.at[others[1:]].set(0), None, w < 0).margin
    )
