"""What a round compiles to: how often it is traced, how much it holds, what must not be in it. No times."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj

from ..programs import kept, memory, scratch, text


pytestmark = pytest.mark.structure
N, ROUNDS, BATCH, WIDTHS = 48, 4, 8, (64, 32, 10)
RULES = {
    "mean": lambda f: gj.aggregators.Mean(),
    "trimmed mean": lambda f: gj.aggregators.TrimmedMean(f=f),
    "multi-Krum": lambda f: gj.aggregators.MultiKrum(f=f),
    "geometric median": lambda f: gj.aggregators.GeometricMedian(),
}

QUICK = ("trimmed mean",)
ROWS = [pytest.param(rule, marks=[pytest.mark.slow] * (rule not in QUICK)) for rule in RULES]


class Tally:
    """A counter that hashes by identity, so that a static field can hold it."""

    def __init__(self):
        self.count = 0


class Counting(gj.metrics.AbstractMetric):
    """Counts how often the round is traced."""

    seen: Tally = eqx.field(static=True)

    def __call__(self, round):
        self.seen.count += 1
        return {"norm": jnp.linalg.norm(round.result)}


class Hoarder(gj.metrics.AbstractMetric):
    """A broken twin: it holds every pair of nodes at full length."""

    def __call__(self, round):
        pairs = jnp.sin(round.messages[:, None, :] * round.messages[None, :, :])
        return {"pairs": jnp.sort(pairs, axis=0).sum()}


def simulation(rule, f=4.0, beta=0.9, z=1.5, metrics=()):
    task = gj.tasks.digits(N, batch_size=BATCH, model=gj.tasks.models.MLP(WIDTHS))
    return gj.Simulation(
        task,
        gj.protocols.Server(RULES[rule](f)),
        learner=gj.learners.Momentum(beta),
        attack=gj.attacks.ALIE(z),
        byzantine=8,
        metrics=metrics,
    )


@jax.jit
def begin(sim, key):
    return sim.init(key)


def compiled(sim, rounds=ROUNDS):
    key = jax.random.key(0)
    state = jax.eval_shape(sim.init, key)
    return jax.jit(gj.rollout).lower(sim, key, jnp.ones((rounds, N)), state).compile()


def held(sim):
    """Bytes of arguments, results and scratch, in units of one message matrix, and what the formula allows."""
    stats = memory(compiled(sim))
    used = stats.argument_size_in_bytes + stats.output_size_in_bytes + stats.temp_size_in_bytes
    d = sim.ravel.size
    data = sum(leaf.nbytes for leaf in jax.tree.leaves(sim.task) if hasattr(leaf, "nbytes"))
    batch = 4 * N * BATCH * (WIDTHS[0] + 2 * sum(WIDTHS[1:]))
    # Honest state, messages and one temporary, one more for momentum kept per node; distances of all pairs.
    return used, 4 * (4 * N * d + 2 * N * N) + data + batch


@pytest.mark.parametrize("rule", ROWS)
def test_memory_of_a_round_is_a_few_message_matrices(rule):
    used, allowed = held(simulation(rule))
    assert used <= allowed


@pytest.mark.slow
def test_memory_check_sees_all_pairs_at_full_length():
    used, allowed = held(simulation("mean", metrics=(Hoarder(),)))
    assert used > allowed


@pytest.mark.parametrize("rule", ROWS)
def test_memory_does_not_grow_with_rounds(rule):
    short, long = (scratch(compiled(simulation(rule), rounds)) for rounds in (4, 64))
    rows = 60 * 4 * (N + 8)
    assert long - short <= 2 * rows


@pytest.mark.parametrize("rule", ROWS)
def test_one_trace_serves_all_values_of_all_knobs(rule):
    seen = Tally()
    play = jax.jit(lambda *arguments: gj.rollout(*arguments))
    knobs = ((4.0, 0.9, 1.5), (6.0, 0.0, 0.5), (1.0, 0.5, -1.0))
    made = [simulation(rule, f, beta, z, metrics=(Counting(seen),)) for f, beta, z in knobs]
    assert seen.count == 1  # for what the metrics record, once per structure
    for i, sim in enumerate(made):
        key = jax.random.key(i)
        _, record = play(sim, key, jnp.full((ROUNDS, N), 1.0 + i), begin(sim, key))
        assert np.isfinite(record["norm"]).all()
    assert kept(play) == 1
    assert seen.count == 2


@pytest.mark.slow
def test_trace_count_sees_a_static_knob():
    seen = Tally()
    play = jax.jit(lambda *arguments: gj.rollout(*arguments))
    key = jax.random.key(0)
    for ddof in (0, 1):
        sim = simulation("mean", metrics=(Counting(seen),))
        sim = eqx.tree_at(lambda s: s.attack, sim, gj.attacks.ALIE(1.5, ddof=ddof))
        play(sim, key, jnp.ones((ROUNDS, N)), begin(sim, key))
    assert seen.count == 3  # once for what the metrics record


def test_no_comparison_sort_in_a_coordinate_rule():
    assert " sort(" not in text(compiled(simulation("trimmed mean")))
    assert " sort(" in text(compiled(simulation("mean", metrics=(Hoarder(),))))
