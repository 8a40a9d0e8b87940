"""Gossip against its definition, one receiver after the other, and the laws that a user relies on."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax._kernels import present, squared_distances, window, window_mean, window_mean_slots
from ghostjax._random import per_node
from ghostjax._round import Received
from ghostjax.aggregators import (
    AbstractAggregator,
    AbstractGeometricRule,
    Bucketing,
    CenteredClipping,
    Context,
    GeometricMedian,
    Krum,
    Mean,
    Median,
    MultiKrum,
    NNM,
    TrimmedMean,
)
from ghostjax.attacks import AbstractMessageAttack, Sent
from ghostjax.protocols import _receivers, Gossip, gossip, Server
from ghostjax.topologies import complete, erdos_renyi, exponential, from_edges, from_matrix, ring, star, Topology


D = 6


class Nearest(AbstractGeometricRule):
    """Row of the smallest weighted sum of distances: a geometric rule with nothing hidden in a kernel."""

    def coefficients(self, dist2, w):
        score = jnp.where(w > 0, jnp.where((w > 0)[None, :], dist2 * w[None, :], 0).sum(1), jnp.inf)
        return (jnp.arange(w.shape[0]) == score.argmin()).astype(w.dtype)


class Everything(AbstractAggregator):
    """Mean of noisy rows, own row and a memory per slot: a general rule that uses all a receiver has."""

    needs: ClassVar[frozenset] = frozenset({"key", "anchor"})

    def init(self, like):
        return jnp.zeros(like.shape, like.dtype), jnp.zeros((), jnp.int32)

    def step(self, state, x, w, ctx):
        memory, count = state
        noise = jax.random.normal(ctx.key, (), x.dtype)
        memory = jnp.where((w > 0)[:, None], memory + x, memory)
        mean = jnp.where(w.sum() > 0, w / jnp.where(w.sum() > 0, w.sum(), 1), 0) @ memory
        return (memory, count + 1), mean + ctx.anchor + noise


class Told(AbstractMessageAttack):
    """Tells each receiver minus its own model."""

    per_receiver: ClassVar[bool] = True

    def init(self, like):
        return ()

    def corrupt(self, state, view):
        return state, Sent(view.messages, -view.messages)


NEGATIVE = eqx.tree_at(lambda rule: rule.f, TrimmedMean(), jnp.asarray(-1.0))  # as a rule that checks no knob
RULES = {"mean": Mean(), "trimmed_mean": TrimmedMean(f=1), "nearest": Nearest(), "everything": Everything()}
SHIPPED = {
    "median": Median(),
    "krum": Krum(f=1),
    "multi_krum": MultiKrum(f=1),
    "geometric_median": GeometricMedian(),
    "clipping_around_memory": CenteredClipping(tau=1.0),
    "clipping_around_own": CenteredClipping(tau=1.0, centre="anchor"),
    "nnm": NNM(TrimmedMean(f=1), f=1),
    "bucketing": Bucketing(Median()),
    "nnm_krum": NNM(Krum(f=1), f=1),
}
GRAPHS = {
    "sparse": ring(40, 4),  # few enough neighbours for the sum over slots
    "irregular": erdos_renyi(9, 0.5, seed=2),
    "directed": exponential(9),
    "complete": complete(9),
    "star": star(9),
}
WEIGHTS = {
    "all": lambda n: np.ones(n),
    "some": lambda n: (np.arange(n) % 3 != 1).astype(float),
    "real": lambda n: np.random.default_rng(1).uniform(0.2, 1.5, n) * (np.arange(n) != 2),
}
KEY = jax.random.key(5)


def messages(n, seed=0):
    return jax.random.normal(jax.random.key(seed), (n, D))


def start(protocol, x):
    return protocol.init(x[0], x.shape[0])._replace(theta=x)


@eqx.filter_jit
def definition(protocol, x, by_receiver, byzantine, w):
    """One receiver after the other, on the rows that it hears."""
    graph, rule, n = protocol.topology, protocol.aggregator, x.shape[0]

    def receiver(i):
        nbr, mask = graph.nbr[i], graph.mask[i]
        rows, weights = x[nbr], graph.weights[i] * mask.sum().astype(x.dtype) * w[nbr]
        if by_receiver is not None:
            rows = jnp.where((byzantine[nbr] & (nbr != i))[:, None], by_receiver[i][None, :], rows)
        received = mask & jnp.isfinite(rows).all(1)
        rows, weights = jnp.where(received[:, None], rows, 0), jnp.where(received, weights, 0)
        ctx = Context(key=jax.random.fold_in(KEY, i), anchor=x[i])
        y = rule.step(rule.init(rows), rows, weights, ctx)[1]
        return jnp.where((w[i] > 0) & (weights.sum() > 0), y, x[i])

    return jax.lax.map(receiver, jnp.arange(n))


def received(x, w, byzantine=None, by_receiver=None, own=None):
    """Rows `x` arrive, with the vectors `by_receiver` of Byzantine identities; `own` are the models of the nodes."""
    nobody = jnp.zeros(x.shape[0], bool)
    byzantine = nobody if byzantine is None else byzantine
    deviates = nobody if own is None else byzantine & (x != own).any(1)
    return Received(x, w, jnp.zeros_like(w), deviates, None, by_receiver, byzantine)


def aggregate(protocol, x, by_receiver, byzantine, w):
    return protocol.receive(start(protocol, x), received(x, w, byzantine, by_receiver), KEY)[1]


run = eqx.filter_jit(aggregate)
step = eqx.filter_jit(
    lambda protocol, state, x, byzantine, w: protocol.receive(state, received(x, w, byzantine, own=state.theta), KEY)
)
send = eqx.filter_jit(lambda protocol, state, updates: protocol.send(state, updates))


def check_is_the_definition(protocol, w, *, by_receiver=None, byzantine=None, atol=2e-5, run=run):
    n = protocol.topology.num_nodes
    x = messages(n)
    byzantine = jnp.zeros(n, bool) if byzantine is None else jnp.asarray(byzantine)
    w = jnp.asarray(w, x.dtype)
    expected = definition(protocol, x, by_receiver, byzantine, w)
    np.testing.assert_allclose(run(protocol, x, by_receiver, byzantine, w), expected, rtol=atol, atol=atol)


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
    np.testing.assert_allclose(run(protocol, x, None, nobody, w), protocol.mixing(w) @ x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(protocol.mixing(w).sum(1), 1, atol=1e-6)


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
    state, updates = protocol.init(jnp.ones(D), 5), messages(5)
    for _ in range(3):
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
    protocol = Gossip(TrimmedMean(f=1), GRAPHS["irregular"])
    w = jnp.ones(9)
    totals = np.asarray(protocol.topology.degree) + 1.0
    assert protocol.guarantee(w, None, w < 0).margin == pytest.approx(totals.min() - 2, abs=1e-5)
    smallest = totals.min()
    assert protocol.guarantee(w, None, w < 0).kappa == pytest.approx(
        float(TrimmedMean(f=1).kappa(jnp.ones(int(smallest)))), rel=1e-5
    )
    # An absent receiver needs nothing.
    lonely = int(totals.argmin())
    others = protocol.topology.nbr[lonely][protocol.topology.mask[lonely]]
    assert (
        protocol.guarantee(w.at[others].set(0), None, w < 0).margin
        != protocol.guarantee(w.at[others[1:]].set(0), None, w < 0).margin
    )


class Prober(Everything.__base__):
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
        return gj.Simulation(task, protocol(TrimmedMean(f=f))).protocol.aggregator.f

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
    assert robust.state.protocol.theta.shape[0] == 12


def test_a_vector_per_receiver_runs_in_a_simulation():
    run = learns(TrimmedMean(f=2), Told(), rounds=20)
    assert np.isfinite(run.record["loss"]).all() and run.record["lost"].sum() == 0


@pytest.mark.parametrize("rule", ["mean", "trimmed_mean", "median", "krum", "geometric_median", "nnm_krum"])
def test_nothing_of_the_size_of_all_slots_exists(rule):
    n, d, k = 256, 10_000, 9
    protocol = Gossip((RULES | SHIPPED)[rule], ring(n, k - 1))
    state = jax.eval_shape(lambda x: start(protocol, x), jax.ShapeDtypeStruct((n, d), jnp.float32))
    x, w = jax.ShapeDtypeStruct((n, d), jnp.float32), jax.ShapeDtypeStruct((n,), jnp.float32)
    nobody = jax.ShapeDtypeStruct((n,), bool)
    program = (
        jax.jit(lambda s, x, b, w: protocol.receive(s, received(x, w, b, own=s.theta), KEY)[1])
        .lower(state, x, nobody, w)
        .compile()
    )
    assert program.memory_analysis().temp_size_in_bytes <= 4 * (n * d + 3 * n * n) * 1.1
    text = program.as_text()
    assert "[256,9,10000]" not in text and "[9,256,10000]" not in text


def slots_of(graph, w, deviating=()):
    dtype = graph.weights.dtype
    weights = graph.weights * graph.mask.sum(1, keepdims=True).astype(dtype) * jnp.asarray(w, dtype)[graph.nbr]
    return weights.at[list(deviating), 0].set(0) if deviating else weights


@pytest.mark.parametrize(
    "graph,w,deviating,networks",
    [
        ("complete", "all", (), 1),
        ("complete", "some", (), 1),
        ("complete", "real", (), 1),
        ("complete", "all", (2, 7), 3),
        ("star", "all", (), 9),
    ],
)
def test_receivers_of_the_same_rows_share_one_network(monkeypatch, graph, w, deviating, networks):
    ran = []
    for name in ("equal_weights", "general_weights"):

        def counted(*args, kernel=getattr(window, name)):
            jax.debug.callback(lambda: ran.append(1))
            return kernel(*args)

        monkeypatch.setattr(window, name, counted)
    graph = GRAPHS[graph]
    n = graph.num_nodes
    slots, x = slots_of(graph, WEIGHTS[w](n), deviating), messages(n)
    shared = jax.jit(lambda x, slots: window_mean_slots(x, graph.nbr, slots, 0.25 * slots.sum(1)))(x, slots)
    jax.effects_barrier()
    assert len(ran) == networks
    alone = jax.vmap(lambda nbr, row: window_mean(x[nbr], row, 0.25 * row.sum()))(graph.nbr, slots)
    np.testing.assert_allclose(shared, alone, atol=2e-6)


def test_a_shared_network_has_the_derivatives_of_separate_ones(x64):
    graph, x = complete(7), messages(7).astype(float)
    slots = slots_of(graph, np.ones(7), deviating=(3,)).astype(float)
    c = jnp.asarray(np.random.default_rng(0).normal(size=(7, D)))

    def separate(x, slots):
        return (c * jax.vmap(lambda nbr, row: window_mean(x[nbr], row, jnp.asarray(1.3)))(graph.nbr, slots)).sum()

    def together(x, slots):
        return (c * window_mean_slots(x, graph.nbr, slots, jnp.full(7, 1.3))).sum()

    expected, seen = (jax.jit(jax.grad(f, (0, 1)))(x, slots) for f in (separate, together))
    for a, b in zip(expected, seen, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-12)


MIXED = [Krum(f=1), pytest.param(GeometricMedian(), marks=pytest.mark.slow)]
MIXED += [pytest.param(rule, marks=pytest.mark.slow) for rule in (Mean(), MultiKrum(f=1), NNM(Krum(f=1), f=1))]


@pytest.mark.parametrize("rule", MIXED, ids=["krum", "geometric median", "mean", "multi-krum", "nnm"])
def test_mixing_before_a_geometric_rule_is_geometric(rule):
    # Against the wrapper on each receiver's own rows.
    protocol = Gossip(NNM(rule, f=1), GRAPHS["irregular"])
    for weights in WEIGHTS.values():
        check_is_the_definition(protocol, weights(9))


def test_coefficients_of_mixtures_see_exact_distances():
    # Two mixtures of the same rows are the same point, whatever other row is far away; a median there stays there.
    x, w = messages(8).at[3].set(1e12), jnp.ones(8)
    rule = NNM(GeometricMedian(), f=3)
    a = rule.geometric_form(squared_distances(x, w), w)
    np.testing.assert_allclose(a @ x, rule(x, w), atol=1e-5)
    assert NNM(Median(), f=1).geometric_form is None and Median().geometric_form is None


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
