"""Graphs that take turns, and nodes that start apart."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax.topologies import Cycle, from_edges, ring


N = 8
TASK = gj.tasks.quadratic(N, 3, noise=0.1)
STILL = gj.Optimizer(lambda: optax.sgd(0.0))


def peers(n=N):
    """The one-peer graphs of an exponential graph: node i hears i - 2^j."""
    return [
        from_edges(n, [(i, (i + 2**j) % n) for i in range(n)], "uniform", directed=True) for j in range(int(np.log2(n)))
    ]


class Start(gj.tasks.AbstractTask):
    """A model that is drawn, with nothing to learn."""

    dim: int = 3

    @property
    def num_nodes(self):
        return N

    def init(self, key):
        return jax.random.normal(key, (self.dim,))

    def sample(self, key):
        return jnp.zeros((N, 1))

    def loss(self, params, batch, key):
        return (0 * params).sum() + 0 * batch.sum()

    def evaluate(self, params, split="validation"):
        return {"loss": jnp.square(params).sum()}


def test_one_peer_graphs_reach_exact_consensus_after_one_cycle():
    protocol = gj.protocols.Gossip(None, Cycle(peers()), STILL, common_start=False)
    sim = gj.Simulation(Start(), protocol)
    start = sim.protocol.models(sim.init(jax.random.key(0)).protocol)
    after = [gj.simulate(sim, rounds, progress=None).models for rounds in (2, 3)]
    mean = np.asarray(start).mean(0)
    np.testing.assert_allclose(after[1], np.broadcast_to(mean, (N, 3)), atol=1e-6)
    assert np.abs(np.asarray(after[0]) - mean).max() > 0.05


def test_nodes_start_apart_or_together():
    for common in (True, False):
        sim = gj.Simulation(Start(), gj.protocols.Gossip(None, ring(N), common_start=common))
        models = np.asarray(sim.protocol.models(sim.init(jax.random.key(0)).protocol))
        assert len(np.unique(models[:, 0])) == (1 if common else N)


def test_where_a_node_starts_depends_on_its_number_and_the_key_alone():
    def models(key):
        sim = gj.Simulation(Start(), gj.protocols.Gossip(None, ring(N), common_start=False))
        return np.asarray(sim.protocol.models(sim.init(jax.random.key(key)).protocol))

    np.testing.assert_array_equal(models(0), models(0))
    assert (models(0) != models(1)).all()


@pytest.mark.parametrize(
    "rule", [None, gj.aggregators.TrimmedMean(f=1), pytest.param(gj.aggregators.Krum(f=1), marks=pytest.mark.slow)]
)
def test_equal_graphs_that_take_turns_are_one_graph(rule):
    graph, attacked = ring(N, degree=4), {"attack": gj.attacks.SignFlip(), "byzantine": 1}
    one, turns = (
        gj.simulate(gj.Simulation(TASK, gj.protocols.Gossip(rule, g), **attacked), 5, progress=None)
        for g in (graph, Cycle([graph] * 3))
    )
    np.testing.assert_array_equal(one.models, turns.models)
    for name, column in one.record.items():
        np.testing.assert_array_equal(column, turns.record[name], name)


@pytest.mark.slow
def test_graphs_of_different_degrees_take_turns_as_each_alone():
    """Padding slots are not heard: round t is the round of graph t mod m."""
    graphs = [ring(N), ring(N, degree=4), gj.topologies.complete(N)]
    turns = gj.Simulation(TASK, gj.protocols.Gossip(gj.aggregators.Median(), Cycle(graphs)))
    key = jax.random.key(0)
    state, models = turns.init(key), []
    for t in range(4):
        alone = gj.Simulation(TASK, gj.protocols.Gossip(gj.aggregators.Median(), graphs[t % 3]))
        expected = alone.step(state, jnp.ones(N), key)[0]
        state, _ = turns.step(state, jnp.ones(N), key)
        np.testing.assert_allclose(
            alone.protocol.models(expected.protocol), turns.protocol.models(state.protocol), atol=1e-6
        )
        models.append(state)


def test_chunks_and_resuming_do_not_change_a_bit(tmp_path):
    sim = gj.Simulation(TASK, gj.protocols.Gossip(None, Cycle(peers())), attack=gj.attacks.SignFlip(), byzantine=1)
    whole = gj.simulate(sim, 10, progress=None)
    for run in (
        gj.simulate(sim, 10, chunk=1, progress=None),
        gj.simulate(sim, 4, directory=tmp_path / "run", progress=None) and
        gj.simulate(sim, 10, directory=tmp_path / "run", progress=None),
    ):  # fmt: skip
        np.testing.assert_array_equal(run.models, whole.models)
        np.testing.assert_array_equal(run.record["loss"], whole.record["loss"])


def test_a_cycle_is_connected_if_its_graphs_are_together():
    halves = [from_edges(4, [(0, 1), (2, 3)]), from_edges(4, [(1, 2), (3, 0)])]
    assert not gj.topologies.connected(halves[0]) and gj.topologies.connected(Cycle(halves))
    task = gj.tasks.quadratic(4, 2)
    gj.Simulation(task, gj.protocols.Gossip(None, Cycle(halves)))
    with pytest.raises(gj.ConfigurationError, match="topology=not connected"):
        gj.Simulation(task, gj.protocols.Gossip(None, Cycle(halves[:1])))


@pytest.mark.parametrize(
    ("graphs", "words"),
    [([], "give at least one graph"), ([ring(4), ring(5)], "graphs of [4, 5] nodes"), (ring(4), "give a list")],
)
def test_what_cannot_take_turns_is_refused_in_one_line(graphs, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        Cycle(graphs)
    assert str(caught.value).startswith("Cycle: graphs=") and words in str(caught.value)
