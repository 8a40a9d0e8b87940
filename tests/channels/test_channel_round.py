"""A round with a channel in it: who hears what of whom."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.attacks import AbstractMessageAttack, Sent
from ghostjax.channels import AbstractChannel, Carried


N = 6
TASK = gj.tasks.quadratic(N, 3, noise=0.1)


def protocols(rule):
    return {
        "server": gj.protocols.Server(rule),
        "gossip": gj.protocols.Gossip(rule, gj.topologies.ring(N, degree=4)),
    }


def played(protocol, channel, rounds=4, **parts):
    sim = gj.Simulation(TASK, protocol, channel=channel, attack=gj.attacks.SignFlip(), byzantine=1, **parts)
    return gj.simulate(sim, rounds, progress=None)


@pytest.mark.parametrize("rule", [gj.aggregators.Mean(), gj.aggregators.TrimmedMean(f=1), gj.aggregators.Krum(f=1)])
@pytest.mark.parametrize("name", ["server", "gossip"])
def test_a_channel_that_loses_nothing_leaves_every_bit(name, rule):
    protocol = protocols(rule)[name]
    run, plain = played(protocol, gj.channels.Drop(0.0)), played(protocol, None)
    np.testing.assert_array_equal(run.models, plain.models)
    assert run.record.keys() == plain.record.keys()
    for entry, column in plain.record.items():
        np.testing.assert_array_equal(run.record[entry], column, entry)


def test_everything_lost_is_nobody_present_at_a_server_and_training_alone_in_gossip():
    both = protocols(gj.aggregators.Mean())
    run = gj.simulate(gj.Simulation(TASK, both["server"], channel=gj.channels.Drop(1.0)), 3, progress=None)
    np.testing.assert_array_equal(run.record["present"], 0)
    np.testing.assert_array_equal(run.models, 0)  # where they started
    # Slot 0, a node's own model, is never lost.
    lonely = gj.simulate(gj.Simulation(TASK, both["gossip"], channel=gj.channels.Drop(1.0)), 3, progress=None)
    alone = gj.topologies.from_matrix(np.eye(N) * 0.999999 + 0.000001 / N)
    expected = gj.simulate(gj.Simulation(TASK, gj.protocols.Gossip(None, alone)), 3, progress=None)
    np.testing.assert_allclose(lonely.models, expected.models, atol=1e-4)
    assert (lonely.record["present"] == N).all()


def test_edges_are_lost_one_by_one():
    protocol = protocols(gj.aggregators.Mean())["gossip"]
    channel, key = gj.channels.Drop(0.5), jax.random.key(0)
    nbr = np.asarray(protocol.topology.nbr)
    _, carried = channel.carry((), jnp.ones((N, 3)), jnp.ones(N), protocol.topology.nbr, key)
    edges = np.asarray(carried.edges)
    assert edges.shape == nbr.shape and set(edges.ravel()) == {0.0, 1.0}
    # Some sender reaches one neighbour and not by another.
    received = [edges[nbr == j] for j in range(N)]
    assert any(0 < one.sum() < one.size for one in received)


class Cut(AbstractChannel):
    """Loses what node 0 sends to its neighbours."""

    def init(self, like):
        return ()

    def carry(self, state, x, w, nbr, key):
        return state, Carried(x, w, (nbr != 0).astype(w.dtype))


class Scrambles(AbstractChannel):
    """Replaces every row by zeros."""

    alters = True

    def init(self, like):
        return ()

    def carry(self, state, x, w, nbr, key):
        return state, Carried(jnp.zeros_like(x), w)


def test_who_is_not_heard_has_no_influence_and_still_hears_itself():
    protocol = protocols(gj.aggregators.Mean())["gossip"]
    loud = gj.simulate(
        gj.Simulation(TASK, protocol, channel=Cut(), attack=gj.attacks.Constant(1e4), byzantine=np.arange(N) == 0),
        2, progress=None,
    )  # fmt: skip
    honest = gj.simulate(gj.Simulation(TASK, protocol, channel=Cut()), 2, progress=None)
    np.testing.assert_array_equal(loud.models[1:], honest.models[1:])
    assert np.isfinite(honest.models[0]).all() and (honest.models[0] != 0).any()


def test_a_nodes_own_slot_reads_its_own_model_and_not_what_a_channel_made_of_it():
    graph = gj.topologies.ring(N)
    sim = gj.Simulation(TASK, gj.protocols.Gossip(None, graph), learner=gj.learners.Gradient(), channel=Scrambles())
    after, _ = sim.step(sim.init(jax.random.key(0)), jnp.ones(N), jax.random.key(0))
    plain = gj.Simulation(TASK, gj.protocols.Gossip(None, graph), learner=gj.learners.Gradient())
    half = plain.protocol.send(plain.init(jax.random.key(0)).protocol, _updates(plain))[1]
    # Neighbours are heard as zeros, the node itself as it is: a third of its own half-step.
    np.testing.assert_allclose(after.protocol.theta, half / 3, rtol=1e-5)


def _updates(sim):
    """The updates of the first round, as a metric sees them."""

    class Updates(gj.metrics.AbstractMetric):
        def __call__(self, round):
            return {"updates": round.updates}

    seen = gj.Simulation(sim.task, sim.protocol, learner=sim.learner, metrics=[Updates()])
    return seen.step(seen.init(jax.random.key(0)), jnp.ones(N), jax.random.key(0))[1]["updates"]


class Asks(AbstractMessageAttack):
    """Remembers what the rest of the round would answer to the honest messages."""

    knows = "defence"

    def init(self, like):
        return jnp.zeros(like.shape[1:], like.dtype)

    def corrupt(self, state, view):
        return view.respond(view.messages), Sent(view.messages)


def test_an_adversary_that_searches_is_answered_through_the_channel():
    class Result(gj.metrics.AbstractMetric):
        def __call__(self, round):
            return {"aggregate": round.result}

    sim = gj.Simulation(
        TASK, gj.protocols.Server(gj.aggregators.Mean()), attack=Asks(), byzantine=1, metrics=[Result()],
        channel=gj.channels.Drop(0.5),
    )  # fmt: skip
    state, record = sim.step(sim.init(jax.random.key(0)), jnp.ones(N), jax.random.key(3))
    assert 0 < float(record["present"]) < N
    np.testing.assert_allclose(state.attack, record["aggregate"], rtol=1e-6)


class Framed(gj.attacks.AbstractStatelessAttack):
    """Tells receivers something in the name of honest identities."""

    per_receiver = True

    def corrupt(self, state, view):
        everybody = jnp.ones(view.weights.shape, bool)
        return state, Sent(view.messages, jnp.full_like(view.messages, 1e3), everybody)


def test_an_adversary_cannot_speak_for_honest_identities():
    protocol = protocols(gj.aggregators.Mean())["gossip"]
    byzantine = np.arange(N) == 0
    sim = gj.Simulation(TASK, protocol, attack=Framed(), byzantine=byzantine)
    after, _ = sim.step(sim.init(jax.random.key(0)), jnp.ones(N), jax.random.key(0))
    receives = (np.asarray(protocol.topology.nbr) == 0).any(1)
    assert (np.abs(np.asarray(after.protocol.theta)[~receives]) < 10).all()
