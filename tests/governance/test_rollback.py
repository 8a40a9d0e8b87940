"""A training that is governed: rolled back, quarantined, cut into chunks, resumed, swept and attributed."""

import math
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj

from ..programs import text


N, T = 6, 12
TASK = gj.tasks.quadratic(N, 3, noise=0.2)
SERVER = gj.protocols.Server(gj.aggregators.Mean(), gj.Optimizer(optax.sgd, learning_rate=0.1, momentum=0.5))
GOSSIP = gj.protocols.Gossip(gj.aggregators.TrimmedMean(f=1), gj.topologies.ring(N, degree=4))
SNAPSHOTS = gj.governance.Snapshots(capacity=4, every=2)


def scheduled(quarantine=(), rollback=(), snapshots=SNAPSHOTS):
    return gj.governance.Scheduled(quarantine=list(quarantine), rollback=list(rollback), snapshots=snapshots)


def governed(governance, protocol=SERVER, **parts):
    parts = {"attack": gj.attacks.SignFlip(), "byzantine": 2} | parts
    return gj.Simulation(TASK, protocol, governance=governance, **parts)


def states_of(sim, rounds=T, seed=0):
    """The state after every round, from `simulation.step` alone."""
    key = jax.random.key(seed)
    state, states = eqx.filter_jit(gj.Simulation.init)(sim, key), []
    step = eqx.filter_jit(gj.Simulation.step)
    for _ in range(rounds):
        state, _ = step(sim, state, jnp.ones(N), key)
        states.append(state)
    return states


@pytest.mark.parametrize("protocol", [SERVER, GOSSIP], ids=["server", "gossip"])
def test_what_is_restored_is_the_state_of_then_to_the_bit(protocol):
    sim = governed(scheduled(rollback=[(6, 5)]), protocol, learner=gj.learners.Momentum(0.9))
    states = states_of(sim)
    restored = states[6]
    assert int(restored.age) == 4 and int(restored.round) == 7
    for now, then in zip(
        jax.tree.leaves((restored.protocol, restored.learner)),
        jax.tree.leaves((states[3].protocol, states[3].learner)), strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(now, then)
    assert np.abs(np.asarray(restored.learner)).max() > 0  # momentum came back too, and was not reset


def test_clocks_are_recorded_and_the_round_never_rewinds():
    run = gj.simulate(governed(scheduled(rollback=[(6, 5), (9, 4)])), T, progress=None)
    assert run.record["age"].tolist() == [1, 2, 3, 4, 5, 6, 4, 5, 6, 4, 5, 6]
    assert run.record["restored"].tolist() == [-1] * 6 + [4, -1, -1, 4, -1, -1]
    assert run.state is not None
    assert int(run.state.round) == T
    assert run.dataset["restored"].attrs["long_name"].startswith("age of the snapshot")


def test_draws_after_a_rollback_are_new_ones():
    """Streams go by the round: what was drawn in the discarded rounds is not drawn again."""
    run = gj.simulate(governed(scheduled(rollback=[(4, 4)]), learner=gj.learners.Gradient()), 8, progress=None)
    losses = run.record["loss"]
    assert run.record["age"].tolist() == [1, 2, 3, 4, 4, 5, 6, 7]
    plain = gj.simulate(governed(scheduled(), learner=gj.learners.Gradient()), 8, progress=None)
    assert losses[5] != plain.record["loss"][4]


@pytest.mark.parametrize("protocol", [SERVER, GOSSIP], ids=["server", "gossip"])
@pytest.mark.parametrize("chunk", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_chunks_do_not_change_a_bit(protocol, chunk):
    # Round 6 ends a chunk of 7, rounds 3 and 10 lie inside of one.
    sim = governed(scheduled([(2, 8, 2)], [(3, 2), (6, 3), (10, 4)]), protocol)
    whole, cut = (gj.simulate(sim, T, chunk=c, progress=None) for c in (T, chunk))
    for one, other in zip(jax.tree.leaves(whole.state), jax.tree.leaves(cut.state), strict=True):
        np.testing.assert_array_equal(one, other)
    for name, column in whole.record.items():
        np.testing.assert_array_equal(column, cut.record[name], name)


@pytest.mark.parametrize("border", [5, 7, 8])
def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(border, tmp_path):
    sim = governed(scheduled([(2, 8, 2)], [(6, 3), (10, 4)]))
    whole = gj.simulate(sim, T, progress=None)
    gj.simulate(sim, border, directory=tmp_path / "run", progress=None)
    resumed = gj.simulate(sim, T, directory=tmp_path / "run", progress=None)
    for one, other in zip(jax.tree.leaves(whole.state), jax.tree.leaves(resumed.state), strict=True):
        np.testing.assert_array_equal(one, other)
    for name, column in whole.record.items():
        np.testing.assert_array_equal(column, resumed.record[name], name)


def test_discarded_rounds_are_attributed_exactly_nothing():
    governance = scheduled([(8, 10, 1)], [(6, 4)])
    cells = gj.attribution.adjoint(governed(governance), T, 0, probes=0).cells
    assert cells is not None
    np.testing.assert_array_equal(cells[4:7], 0)
    assert (cells[:4] != 0).all() and (cells[7] != 0).all() and np.isfinite(cells).all()
    # Rounds 8 and 9: the last identity is quarantined, and its presence is worth nothing.
    np.testing.assert_array_equal(cells[8:10, -1], 0)
    assert (cells[8:10, :-1] != 0).all()


@pytest.mark.parametrize("protocol", [pytest.param(SERVER, marks=pytest.mark.slow), GOSSIP], ids=["server", "gossip"])
def test_a_quarantined_identity_has_no_influence_in_these_rounds(protocol):
    governance = scheduled([(1, 5, 1)])
    start = gj.simulate(governed(governance, protocol, attack=gj.attacks.NoAttack()), 1, progress=None).state
    # Round 0 comes before the verdict; the four after it are the same whatever it sends.
    honest = slice(0, N - 1) if protocol is GOSSIP else slice(None)
    after = []
    for value in (0.0, 7.0):
        sim = governed(governance, protocol, attack=gj.attacks.Constant(value), byzantine=1)
        assert start is not None
        state = start._replace(attack=sim.init(jax.random.key(0)).attack)
        end, record = jax.jit(gj.rollout)(sim, jax.random.key(0), jnp.ones((4, N)), state)
        after.append(np.asarray(sim.protocol.models(end.protocol))[honest])
        assert record["present"].tolist() == [N - 1] * 4
    np.testing.assert_array_equal(*after)


def test_who_is_released_counts_as_before():
    run = gj.simulate(governed(scheduled([(2, 4, 2), (3, 6, [True] + [False] * (N - 1))])), 8, progress=None)
    assert run.record["present"].tolist() == [6, 6, 4, 3, 5, 5, 6, 6]


def test_governance_that_does_nothing_leaves_the_bits_of_the_training():
    for protocol in (SERVER, GOSSIP):
        plain = gj.simulate(governed(None, protocol), T, progress=None)
        idle = gj.simulate(governed(scheduled(), protocol), T, progress=None)
        np.testing.assert_array_equal(plain.models, idle.models)
        np.testing.assert_array_equal(plain.record["loss"], idle.record["loss"])


def test_batched_cells_of_a_sweep_equal_single_runs():
    base = governed(scheduled(rollback=[(4, 3)]))
    rates = np.linspace(0.05, 0.4, 16).tolist()
    path = "protocol.optimizer.knobs.learning_rate"
    batch = gj.sweep(base, {path: rates}, 8, batch=16, progress=None).dataset
    for i in (0, 7, 15):
        one = eqx.tree_at(lambda s: s.protocol.optimizer.knobs["learning_rate"], base, jnp.float32(rates[i]))
        single = gj.simulate(one, 8, progress=None)
        np.testing.assert_array_equal(batch["restored"].values[i, 0], single.record["restored"])
        np.testing.assert_allclose(batch["loss"].values[i, 0], single.record["loss"], rtol=1e-5)


def large_branches(sim, size):
    """Arrays of `size` numbers or more that a conditional of the compiled batch of 16 returns."""
    keys = jax.random.split(jax.random.key(0), 16)
    play = jax.jit(jax.vmap(lambda key: gj.rollout(sim, key, jnp.ones((4, N)))))
    lines = [line for line in text(play.lower(keys).compile()).splitlines() if " conditional(" in line]
    found = [math.prod(map(int, dims.split(","))) for line in lines for dims in re.findall(r"f32\[([\d,]+)\]", line)]
    return [numbers for numbers in found if numbers >= size]


@pytest.mark.structure
def test_no_branch_of_a_batch_holds_its_models(monkeypatch):
    sim = governed(scheduled(rollback=[(2, 1)]), GOSSIP)
    assert not large_branches(sim, 16 * N * 3)
    restore = gj.governance.Snapshots.restore

    def branching(self, ring, back, age, parts):
        """A broken twin: nobody who asks for nothing waits for a selection."""
        nothing = ring, age, parts, jnp.asarray(False)
        return jax.lax.cond(back >= 0, lambda: restore(self, ring, back, age, parts), lambda: nothing)

    monkeypatch.setattr(gj.governance.Snapshots, "restore", branching)
    assert large_branches(sim, 16 * N * 3)


def test_a_model_of_half_precision_can_be_governed():
    task = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), gj.tasks.quadratic(N, 3))
    sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()), governance=scheduled([(1, 3, 1)], [(3, 2)]))
    run = gj.simulate(sim, 6, progress=None)
    assert run.models.dtype == jnp.bfloat16 and run.record["restored"].tolist()[3] == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"quarantine": [(0, 3, 1)]}, "quarantine=0"),
        ({"quarantine": [(3, 3, 1)]}, "quarantine=3"),
        ({"quarantine": [(3, 5)]}, "give a list of (start, end, who)"),
        ({"quarantine": 3}, "give a list of (start, end, who)"),
        ({"rollback": [(3,)]}, "give a list of (round, age)"),
        ({"rollback": [(-1, 3)]}, "rollback=-1"),
    ],
)
def test_decisions_that_cannot_be_meant_are_refused_in_one_line(given, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        gj.governance.Scheduled(**given)
    assert str(caught.value).startswith("Scheduled: ") and words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("who", [N + 1, [True, False]])
def test_identities_that_do_not_exist_are_refused(who, as_users_run):
    with pytest.raises(gj.ConfigurationError, match=r"^Scheduled: "):
        governed(gj.governance.Scheduled(quarantine=[(1, 2, who)]))
