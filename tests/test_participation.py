"""Participation: understood in whatever form it comes, in units of identities, and refused alike everywhere."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax._participation import weights_of


N, ROUNDS = 4, 3
TASK = gj.tasks.digits(N, batch_size=4, model=gj.tasks.models.MLP((64, 10)))
SIMULATION = gj.Simulation(TASK, gj.protocols.Server(gj.aggregators.Mean()), metrics=())
CALLS = {
    "simulate": lambda w: gj.simulate(SIMULATION, ROUNDS, 0, participation=w, progress=None),
    "sweep": lambda w: gj.sweep(SIMULATION, {}, ROUNDS, participation=w, progress=None),
    "adjoint": lambda w: gj.attribution.adjoint(SIMULATION, ROUNDS, 0, participation=w),
    "leave_one_out": lambda w: gj.attribution.leave_one_out(SIMULATION, ROUNDS, 0, participation=w),
    "replay": lambda w: gj.attribution.replay(SIMULATION, ROUNDS, 0, np.ones((1, N)), participation=w),
}
REFUSED = {
    "nan": [1, 1, np.nan, 1],
    "infinite": [1, 1, np.inf, 1],
    "negative": [1, 1, -1, 1],
    "text": ["1", "1", "1", "1"],
    "a name": "by_example",
    "ragged": [[1, 1, 1, 1], [1, 1, 1], [1, 1, 1, 1]],
    "none inside": [1, None, 1, 1],
    "complex": [1, 1, 1j, 1],
    "one number": 1.0,
    "wrong length": [1, 1, 1],
    "transposed": np.ones((N, ROUNDS)),
    "too many axes": np.ones((ROUNDS, N, 1)),
    "shares": np.full(N, 1 / N),
    "shares with absences": np.array([[0, 0.3, 0.3, 0.4], [0.2, 0.4, 0.4, 0], [0.4, 0.3, 0.3, 0]]),
    "too large to add up": np.full(N, 1e38),
    "too large in a wider type": [1, 1, 1e300, 1],
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line_by_every_call(call, name, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        CALLS[call](REFUSED[name])
    line = str(caught.value)
    assert line.startswith(f"{call}: participation=") and "\n" not in line and len(line) < 220
    if name.startswith("shares"):
        assert "gj.stake(shares)" in line and "largest weight 0." in line


def test_understood():
    ones = np.ones((ROUNDS, N))
    for given in (
        None,
        np.ones(N),
        [True] * N,
        jnp.ones(N),
        ones.tolist(),
        np.ones(N, bool),
        jnp.ones(N, jnp.bfloat16),
    ):
        found = weights_of(given, ROUNDS, N, "call")
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, ones)
    # One round with a whole identity shows the unit; where nobody is ever present there is none.
    small = np.full((ROUNDS, N), 0.1)
    small[1, 2] = 1
    np.testing.assert_array_equal(weights_of(small, ROUNDS, N, "call"), small.astype(np.float32))
    assert not weights_of(np.zeros(N), ROUNDS, N, "call").any()


def test_stake_counts_average_identities():
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    for scale in (1, 1e-30, 1e300):
        np.testing.assert_allclose(weights_of(gj.stake(scale * shares), 2, N, "call"), [4 * shares] * 2, rtol=1e-6)
    rows = np.tile(shares, (2, 1))
    rows[1, 0] = 0  # one who stays away does not change the others
    np.testing.assert_allclose(gj.stake(rows).weights, 4 * rows)
    for wrong in ([0, 0], [1, -1], [1, np.nan], "ab", 1.0):
        with pytest.raises(gj.ConfigurationError, match="stake: shares="):
            gj.stake(wrong)
    with pytest.raises(gj.ConfigurationError, match=r"call: participation=array of shape \(3,\)"):
        weights_of(gj.stake([1, 1, 1]), 2, N, "call")


def test_participation_by_examples_is_fedavg():
    found = gj.simulate(SIMULATION, 2, 0, participation="by_examples", progress=None)
    expected = gj.simulate(SIMULATION, 2, 0, participation=gj.stake(TASK.counts), progress=None)
    np.testing.assert_array_equal(found.models, expected.models)
    counts = np.asarray(TASK.counts)
    np.testing.assert_allclose(
        weights_of("by_examples", 1, N, "call", TASK.counts)[0], counts / counts.mean(), rtol=1e-6
    )
    with pytest.raises(gj.ConfigurationError, match="does not count its examples"):
        weights_of("by_examples", 1, N, "call")


def test_one_row_holds_for_all_rounds_in_every_call():
    row = np.array([1, 0, 2, 1])
    adjoint = gj.attribution.adjoint(SIMULATION, ROUNDS, 0, participation=row, probes=0)
    np.testing.assert_array_equal(adjoint.participation, np.tile(row, (ROUNDS, 1)))


@pytest.mark.parametrize("rounds", [0, -1, 2.0, True, "3", None])
def test_rounds_are_a_whole_number(rounds, as_users_run):
    for call in (gj.simulate, gj.attribution.adjoint, gj.attribution.leave_one_out):
        with pytest.raises(gj.ConfigurationError, match=rf"{call.__name__}: rounds=.*give a whole number"):
            call(SIMULATION, rounds, 0)
    with pytest.raises(gj.ConfigurationError, match="sweep: rounds="):
        gj.sweep(SIMULATION, {}, rounds)


@pytest.mark.parametrize("key", ["a", 1.5, True, None, -1, jax.random.split(jax.random.key(0)), np.ones(2)])
def test_keys_are_a_seed_or_one_key(key, as_users_run):
    for call in (gj.simulate, gj.attribution.adjoint):
        with pytest.raises(gj.ConfigurationError, match=f"{call.__name__}: key="):
            call(SIMULATION, 1, key)


@pytest.mark.parametrize("simulation", [None, TASK, gj.Simulation, "digits"])
def test_the_simulation_is_one(simulation, as_users_run):
    for call in (gj.simulate, gj.attribution.adjoint, gj.attribution.leave_one_out):
        with pytest.raises(gj.ConfigurationError, match=f"{call.__name__}: simulation="):
            call(simulation, 1, 0)


# Drawn


DRAWN_ROUNDS, DRAWN_NODES = 4000, 5


def drawn(participation, key=0, rounds=DRAWN_ROUNDS, n=DRAWN_NODES):
    return weights_of(participation, rounds, n, "call", key=jax.random.key(key))


def close(count, trials, p):
    """Whether `count` of `trials` is within five standard deviations of the probability `p`."""
    assert abs(count - trials * p) <= 5 * np.sqrt(max(trials * p * (1 - p), 1e-9)) + 1e-6


@pytest.mark.parametrize("share", [0.2, 0.5, 0.01, 1.0])
def test_every_set_of_the_sampled_size_is_as_likely(share):
    w, m = drawn(gj.sampled(share)), max(1, round(share * DRAWN_NODES))
    assert set(np.unique(w)) <= {0, 1} and (w.sum(1) == m).all()
    sets, counts = np.unique(w @ 2 ** np.arange(DRAWN_NODES), return_counts=True)
    possible = math.comb(DRAWN_NODES, m)
    assert len(sets) == possible
    for count in counts:
        close(count, DRAWN_ROUNDS, 1 / possible)
    # Rounds are independent: who was there says nothing about who is.
    close((w[:-1, 0] * w[1:, 0]).sum(), DRAWN_ROUNDS - 1, (m / DRAWN_NODES) ** 2)


@pytest.mark.parametrize(("arrive", "depart", "start"), [(0.3, 0.1, None), (0.2, 0.5, 1.0), (1, 1, 0.25), (0, 0.05, 1)])
def test_churn_is_its_chain(arrive, depart, start):
    nodes = 2000
    w = drawn(gj.churn(arrive, depart, start), rounds=12, n=nodes).astype(bool)
    long_run = arrive / (arrive + depart)
    first = long_run if start is None else start
    for t in range(12):
        close(w[t].sum(), nodes, long_run + (first - long_run) * (1 - arrive - depart) ** t)
    away, there = ~w[:-1], w[:-1]
    close((away & w[1:]).sum(), away.sum(), arrive)
    close((there & ~w[1:]).sum(), there.sum(), depart)
    stay = drawn(gj.churn(arrive, depart, np.arange(nodes) % 2), rounds=1, n=nodes)
    np.testing.assert_array_equal(stay[0], np.arange(nodes) % 2)


@pytest.mark.parametrize("make", [gj.sampled, lambda share, seed=None: gj.churn(share, 0.2, seed=seed)])
def test_a_round_is_drawn_from_the_key_and_itself_alone(make):
    long = drawn(make(0.4), rounds=600)
    np.testing.assert_array_equal(drawn(make(0.4), rounds=300), long[:300])
    assert not np.array_equal(drawn(make(0.4), key=1, rounds=600), long)
    seeded = drawn(make(0.4, seed=1), rounds=600)
    np.testing.assert_array_equal(drawn(make(0.4, seed=1), key=7, rounds=600), seeded)
    np.testing.assert_array_equal(drawn(make(0.4), key=1, rounds=600), seeded)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(drawn(make(0.4), rounds=600), long)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: gj.sampled(0), "sampled: share=0"),
        (lambda: gj.sampled(1.5), "sampled: share=1.5"),
        (lambda: gj.sampled(0.5, seed=-1), "sampled: seed=-1"),
        (lambda: gj.churn(-0.1, 0.5), "churn: arrive=-0.1"),
        (lambda: gj.churn(0.1, np.nan), "churn: depart=nan"),
        (lambda: gj.churn(0, 0), "churn: arrive=0, depart=0: no node ever arrives or departs; give start"),
        (lambda: gj.churn(0.1, 0.1, 2), "churn: start=2: a probability"),
        (lambda: gj.churn(0.1, 0.1, "all"), "churn: start="),
        (lambda: weights_of(gj.sampled(0.5), 1, N, "call"), "call: participation=Sampled: it is drawn by the key"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, line, as_users_run):
    with pytest.raises(gj.ConfigurationError, match=f"^{line}") as caught:
        make()
    assert "\n" not in str(caught.value)


# Schedules


def test_a_split_and_a_new_name_are_their_schedules():
    split = drawn(gj.splitting(1, into=[3, 4], start=2), rounds=4)
    np.testing.assert_array_equal(split, [[1, 1, 1, 0, 0]] * 2 + [[1, 0, 1, 1, 1]] * 2)
    renamed = drawn(gj.whitewashing([0, 4, 2], every=2, start=1), rounds=6)
    np.testing.assert_array_equal(renamed[:, [0, 4, 2]].argmax(1), [0, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(renamed[:, [0, 4, 2]].sum(1), 1)
    assert (renamed[:, [1, 3]] == 1).all()
    np.testing.assert_array_equal(drawn(gj.whitewashing([0, 4], every=3), rounds=6)[:, 0], [1, 1, 1, 0, 0, 0])
    for schedule in (gj.splitting(1, [3], 700), gj.whitewashing([1, 3], every=300)):
        np.testing.assert_array_equal(drawn(schedule, rounds=800)[:400], drawn(schedule, rounds=400))


@pytest.mark.parametrize("schedule", [gj.splitting(1, [2, 3], start=2), gj.whitewashing([0, 3], every=1)])
def test_a_saved_run_knows_its_schedule(schedule, tmp_path):
    short = gj.simulate(SIMULATION, 2, participation=schedule, progress=None)
    again = gj.load_run(short.save(tmp_path), SIMULATION).extend(4, progress=None)
    whole = gj.simulate(SIMULATION, 4, participation=schedule, progress=None)
    np.testing.assert_array_equal(again.models, whole.models)
    assert again.training is not None and whole.training is not None
    np.testing.assert_array_equal(again.training.weights, whole.training.weights)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: gj.splitting(0, [], 1), r"splitting: into=\[\]: give a list of identities"),
        (lambda: gj.splitting(0, 3, 1), "splitting: into=3: give a list of identities"),
        (lambda: gj.splitting(0, [1, 0], 1), "splitting: into=.*identity 0 leaves"),
        (lambda: gj.splitting(0, [1, 1], 1), "splitting: into=.*name each identity once"),
        (lambda: gj.splitting(0, [1], -1), "splitting: start=-1"),
        (lambda: gj.splitting(0, [1.5], 1), "splitting: into=1.5"),
        (lambda: gj.whitewashing([0, 1], every=0), "whitewashing: every=0"),
        (lambda: gj.whitewashing([], every=1), "whitewashing: identities="),
        (lambda: weights_of(gj.splitting(0, [N], 1), 2, N, "call"), "splitting: identity=4: there are 4 identities"),
        (lambda: weights_of(gj.whitewashing([0, 9], 1), 2, N, "call"), "whitewashing: identity=9: there are 4"),
    ],
)
def test_schedules_of_nobody_are_refused(make, line, as_users_run):
    with pytest.raises(gj.ConfigurationError, match=f"^{line}") as caught:
        make()
    assert "\n" not in str(caught.value)
