"""Identity layers in a training: everywhere that a simulation runs, and what they learn from its rounds."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax import identity


N, T = 6, 5
TASK = gj.tasks.quadratic(N, 3, noise=0.1)
MEAN, MEDIAN = gj.aggregators.Mean(), gj.aggregators.Median()
STAKES = [1.0, 1.0, 2.0, 0.0, 4.0, 9.0]
# A member, the knob that a sweep moves, and two values of it.
PARTS = {
    "equal": (identity.Equal(), "protocol.optimizer.knobs.learning_rate", [0.1, 0.2]),
    "square_root": (
        identity.SquareRoot(STAKES),
        "identity",
        [identity.SquareRoot(STAKES[::-1]), identity.Stake(STAKES)],
    ),
    "capped": (identity.Capped(STAKES, cap=3), "identity.cap", [1.0, 5.0]),
    "reputation": (identity.Reputation(), "identity.keep", [0.0, 1.0]),
    "age": (identity.Age(rounds=2), "identity.rounds", [1.0, 9.0]),
}


LATE = np.ones((T, N))
LATE[:3, 0] = 0  # the first identity comes in round 3


def simulation(layer, rule=MEAN, gossip=False, task=TASK, **parts):
    usual = gj.protocols.Gossip(rule, gj.topologies.ring(N, degree=4)) if gossip else gj.protocols.Server(rule)
    return gj.Simulation(task, usual, identity=layer, **parts)


SAMPLED = {"capped", "reputation"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SAMPLED else pytest.mark.slow) for name in PARTS]
)
def test_a_layer_runs_everywhere(name, tmp_path):
    layer, path, values = PARTS[name]
    sim = simulation(layer)
    whole = gj.simulate(sim, T, progress=None)
    gj.simulate(sim, 2, directory=tmp_path / "run", progress=None)
    resumed = gj.simulate(sim, T, directory=tmp_path / "run", progress=None)
    for one, other in zip(jax.tree.leaves(whole.state), jax.tree.leaves(resumed.state), strict=True):
        np.testing.assert_array_equal(one, other)
    keys = jax.vmap(jax.random.key)(jnp.arange(2))
    batch = eqx.filter_jit(lambda sim, keys: jax.vmap(lambda key: gj.rollout(sim, key, jnp.ones((T, N))))(keys))
    ends, _ = batch(sim, keys)
    np.testing.assert_allclose(sim.protocol.models(ends.protocol)[0], whole.models, atol=1e-5)
    swept = gj.sweep(sim, {path: values}, T, participation=LATE, progress=None).dataset
    assert swept.sizes[path] == 2 and np.isfinite(swept["loss"]).all()
    assert name == "equal" or np.ptp(swept["loss"].values[..., -1]) > 0
    gossip = gj.simulate(simulation(layer, gossip=True), T, progress=None)
    assert gossip.models.shape == (N, 3) and np.isfinite(gossip.models).all()


def learned(*arguments, **options) -> Any:
    """The memory of the identity layer after a training."""
    state: Any = gj.simulate(*arguments, progress=None, **options).state
    return state.identity


def weights(layer, state):
    return np.asarray(layer.weigh(state, jnp.ones(N)))


@pytest.mark.parametrize("gossip", [pytest.param(False, marks=pytest.mark.slow), True])
def test_who_sends_something_far_away_loses_its_reputation(gossip):
    layer = identity.Reputation()
    sim = simulation(layer, MEDIAN, gossip, attack=gj.attacks.Constant(9.0), byzantine=1)
    found = weights(layer, learned(sim, 30))
    assert found[5] < 0.4 < 0.8 < found[:5].min()
    harmless = simulation(layer, MEDIAN, gossip)
    assert weights(layer, learned(harmless, 30)).min() > 0.6


def test_a_record_is_kept_as_it_is_while_an_identity_is_away():
    layer, w = identity.Reputation(), np.ones((20, N))
    w[10:, 5] = 0
    sim = simulation(layer, MEDIAN, attack=gj.attacks.Constant(9.0), byzantine=1)
    before = learned(sim, 10, participation=w[:10])
    after = learned(sim, 20, participation=w)
    np.testing.assert_array_equal(before.good[5], after.good[5])
    np.testing.assert_array_equal(before.bad[5], after.bad[5])
    assert before.bad[0] != after.bad[0]
    aged = learned(simulation(identity.Age()), 20, participation=w)
    assert aged.tolist() == [20] * 5 + [10]


def test_a_quarantined_identity_gains_neither_reputation_nor_age():
    for layer in (identity.Reputation(), identity.Age()):
        out = gj.governance.Scheduled(quarantine=[(3, 100, 5)])
        sim = simulation(layer, MEDIAN, attack=gj.attacks.During(gj.attacks.Constant(9.0), end=3), byzantine=1)
        sim = gj.Simulation(TASK, sim.protocol, identity=layer, attack=sim.attack, byzantine=1, governance=out)
        short, long = (learned(sim, rounds) for rounds in (4, 12))
        for one, other in zip(jax.tree.leaves(short), jax.tree.leaves(long), strict=True):
            np.testing.assert_array_equal(one[5], other[5])


def seen_with(messages, result):
    """A round at a server as participants see it, with these messages and this result."""
    from ghostjax.testing._rounds import made_up

    messages = jnp.asarray(messages, jnp.float32)
    w = jnp.ones(7)
    round = made_up(messages, w, w < 0, jnp.arange(7), jax.random.key(0), jnp.zeros((), jnp.int32))
    return round._replace(result=jnp.asarray(result, jnp.float32)).blind()


def test_messages_at_the_end_of_the_numbers_are_told_apart():
    layer, largest = identity.Reputation(), float(np.finfo(np.float32).max)
    messages = np.full((7, 5), largest)
    messages[6] = -largest
    found = layer.remember(layer.init(7), seen_with(messages, np.full(5, largest)))
    np.testing.assert_allclose(found.good, [1] * 6 + [1 / (1 + (7 / 3) ** 2)], rtol=1e-5)
    np.testing.assert_allclose(found.good + found.bad, 1, rtol=1e-6)


def test_nothing_is_learned_from_a_result_that_is_no_number_and_nothing_bad_from_equal_messages():
    layer = identity.Reputation()
    blank = layer.init(7)
    for one, other in zip(layer.remember(blank, seen_with(np.ones((7, 5)), np.full(5, np.nan))), blank, strict=True):
        np.testing.assert_array_equal(one, other)
    equal = layer.remember(blank, seen_with(np.ones((7, 5)), np.ones(5)))
    assert (equal.good == 1).all() and (equal.bad == 0).all()


@pytest.mark.parametrize("gossip", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_adjoint_goes_through_reputation(gossip, x64):
    task = gj.tasks.quadratic(N, 3, noise=0.1)
    rng, step = np.random.default_rng(0), 1e-5
    w, u = rng.uniform(0.5, 1.5, (T, N)), rng.normal(size=(T, N))
    sim = simulation(identity.Reputation(keep=0.8, limit=1.0, floor=0.05), gossip=gossip, task=task)
    ends = [gj.attribution.replay(sim, T, 1, np.ones((1, N)), participation=w + side * u)[0] for side in (step, -step)]
    difference = float(ends[0] - ends[1]) / (2 * step)
    adjoint = gj.attribution.adjoint(sim, T, 1, participation=w, probes=0)
    assert -(np.asarray(adjoint.cells) * u).sum() == pytest.approx(difference, rel=1e-5)
    # The record matters: without its derivative the number is another one.
    frozen = gj.attribution.adjoint(simulation(Frozen(), gossip=gossip, task=task), T, 1, participation=w, probes=0)
    assert -(np.asarray(frozen.cells) * u).sum() != pytest.approx(difference, rel=1e-3)


class Frozen(identity.AbstractIdentity):
    """The reputation of the test above, without a derivative in what it learns from."""

    layer: identity.Reputation = eqx.field(default_factory=lambda: identity.Reputation(keep=0.8, limit=1.0, floor=0.05))

    def init(self, num_nodes):
        return self.layer.init(num_nodes)

    def weigh(self, state, w):
        return self.layer.weigh(jax.lax.stop_gradient(state), w)

    def remember(self, state, seen):
        return self.layer.remember(state, seen)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: identity.Capped([1.0, 2.0], cap=0), "Capped: cap=0.*: give a number above 0"),
        (lambda: identity.Capped([1.0, 2.0], cap=-1), "Capped: cap=-1"),
        (lambda: identity.Capped([0.0, 0.0], cap=1), "Capped: stake=.*somebody needs a stake"),
        (lambda: identity.SquareRoot([1.0, np.nan]), "SquareRoot: stake=nan: give a number of at least 0"),
        (lambda: identity.Age(rounds="ten"), "Age: rounds='ten': give a number"),
        (lambda: identity.Capped([1.0], cap=[1.0, 2.0]), "Capped: cap=.*give one number"),
        (lambda: identity.SquareRoot(2.0), "SquareRoot: stake=.*one number each"),
        (lambda: identity.Age(rounds=0), "Age: rounds=0.*: give a number above 0"),
        (lambda: identity.Age(start=0), "Age: start=0.*: give a number above 0"),
        (lambda: identity.Age(start=1.5), "Age: start=1.5"),
        (lambda: identity.Reputation(limit=0), "Reputation: limit=0.*: give a number above 0"),
        (lambda: identity.Reputation(prior=0), "Reputation: prior=0.*: give a number above 0"),
        (lambda: identity.Reputation(keep=2), "Reputation: keep=2"),
        (lambda: simulation(identity.SquareRoot([1.0, 2.0])), "SquareRoot: stake=2 of them: give 6, one each"),
        (lambda: identity.split_gain(identity.Equal().phi, 0, 2), "split_gain: stake=0"),
        (lambda: identity.split_gain(identity.Equal().phi, 1.0, 0), "split_gain: k=0"),
        (lambda: identity.split_gain(lambda s: s - s, 1.0, 2), "split_gain: phi=0 at stake 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, line, as_users_run):
    with pytest.raises(gj.ConfigurationError, match=f"^{line}") as caught:
        make()
    assert "\n" not in str(caught.value)
