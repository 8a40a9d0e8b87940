"""Evidence and references against their definitions, and the false-alarm rates that are claimed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.detectors import e_bh, EProcess, HonestRuns, OwnPast, Peers, Shifts, ShiryaevRoberts, Standard


GRID = np.geomspace(0.02, 1.0, 12)


def play(test, x):
    """Evidence, alarms and rounds of a signal `[rounds, *s]`."""

    def one(state, row):
        state, reading = test.step(state, row[0], row[1])
        return state, reading

    like = jax.ShapeDtypeStruct(x.shape[1:], jnp.float32)
    rounds = jnp.arange(len(x), dtype=jnp.int32)
    return jax.lax.scan(one, test.init(like), (jnp.asarray(x, jnp.float32), rounds))[1]


def test_shiryaev_roberts_is_its_recurrence():
    x = np.random.default_rng(0).normal(0.2, 1, (40, 3))
    found = play(ShiryaevRoberts(), x).evidence
    total = np.zeros((3, 12))
    for t, row in enumerate(x):
        total = (1 + total) * np.exp(GRID * row[:, None] - GRID**2 / 2)
        np.testing.assert_allclose(found[t], np.log1p(total.mean(1)), rtol=1e-4)


def test_an_e_process_is_its_product():
    x = np.random.default_rng(1).normal(0.2, 1, (40, 3))
    found = play(EProcess(), x).evidence
    logs = np.cumsum(GRID * x[..., None] - GRID**2 / 2, axis=0)
    np.testing.assert_allclose(found, np.maximum(np.log(np.exp(logs).mean(-1)), 0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_an_e_process_alarms_as_seldom_as_it_says(seed):
    """Ville: the probability that it ever reaches log(1 / a) is at most a, here over 200 rounds of 4,000 signals."""
    x = np.random.default_rng(seed).normal(size=(200, 4000))
    ever = np.asarray(play(EProcess(h=np.log(20.0)), x).alarm).any(0).mean()
    assert 0 < ever <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)


def test_shiryaev_roberts_waits_as_long_as_it_says():
    """The mean time to a false alarm is at least exp(h) - 1: runs that are cut off count as their length."""
    h = np.log(51.0)
    alarm = np.asarray(play(ShiryaevRoberts(h=h), np.random.default_rng(2).normal(size=(400, 1000))).alarm)
    waits = np.where(alarm.any(0), alarm.argmax(0) + 1, 400)
    assert waits.mean() >= 50


def two_points(p):
    """The values of mean 0 and variance 1 that are taken with probabilities p and 1 - p; the first is the upper one."""
    return np.array([np.sqrt((1 - p) / p), -np.sqrt(p / (1 - p))]), np.array([p, 1 - p])


def test_with_any_tails_mean_and_variance_are_enough():
    """Among distributions of a mean and a variance, those on two points are extreme: each is averaged exactly."""
    light, means = [], []
    for p in (0.003, 0.01, 0.05, 0.2, 0.5, 0.8, 0.99):
        values, chances = two_points(p)
        x = jnp.asarray(values, jnp.float32)
        for tails, found in (("light", light), ("any", means)):
            found.append(chances @ np.exp(np.asarray(Shifts(0.02, 2.0, 24, tails=tails).ratios(x), float)))
    assert np.max(means) <= 1 + 1e-6
    assert np.max(light) > 1.1, "which the ratio of normal densities does not hold"
    assert np.min(means) > 0.2, "and little is given away"


def test_evidence_with_any_tails_keeps_its_rate_on_skewed_signals():
    """Ville: values of six deviations in a round of forty, of mean 0 and variance 1."""
    values, chances = two_points(1 / 40)
    x = np.random.default_rng(7).choice(values, (200, 4000), p=chances)
    ever = lambda tails: np.asarray(play(EProcess(h=np.log(20.0), shifts=Shifts(tails=tails)), x).alarm).any(0).mean()
    most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
    assert 0 < ever("any") <= most < ever("light")


def test_with_any_tails_a_small_shift_is_found_about_as_fast():
    x = np.random.default_rng(8).normal(0.4, 1, (200, 300))
    delay = lambda tails: np.asarray(play(ShiryaevRoberts(h=8.0, shifts=Shifts(tails=tails)), x).alarm).argmax(0)
    assert 0 < np.median(delay("any")) < 1.25 * np.median(delay("light"))


def test_the_start_of_a_change_is_found():
    x = np.random.default_rng(3).normal(size=(160, 400))
    x[80:] += 0.5
    reading = play(ShiryaevRoberts(h=7.0), x)
    alarm = np.asarray(reading.alarm)
    fired = alarm.any(0) & ~alarm[:80].any(0)
    first = alarm.argmax(0)
    since = np.asarray(reading.since)[first, np.arange(400)][fired]
    assert fired.mean() > 0.9
    assert abs(np.median(since) - 80) <= 5
    # Rather too early than too late: who goes back too late keeps what was done.
    assert (since > 100).mean() < 0.05


@pytest.mark.parametrize("test", [ShiryaevRoberts(), EProcess()])
def test_signals_beyond_the_numbers_stay_evidence(test):
    x = np.array([[0.0], [np.inf], [1e38], [-np.inf], [np.nan], [1.0]])
    assert np.isfinite(play(test, x).evidence).all()


def test_e_bh_is_its_definition():
    rng = np.random.default_rng(4)
    for _ in range(20):
        logs = rng.exponential(3, 12)
        order = np.sort(np.exp(logs))[::-1]
        passing = [k for k in range(1, 13) if (order[:k] >= 12 / (0.1 * k)).all()]
        assert int(e_bh(logs, 0.1).sum()) == max(passing, default=0)


def test_references_are_their_definitions():
    rng = np.random.default_rng(5)
    runs, x = rng.normal(3, 2, (6, 4, 5)), rng.normal(size=5)
    past = HonestRuns(runs, limit=2.0)
    for age, row in ((2, 2), (9, 3)):
        z = (x - runs[:, row].mean(0)) / runs[:, row].std(0, ddof=1)
        found = past.step((), jnp.asarray(x, jnp.float32), jnp.asarray(age))[1]
        np.testing.assert_allclose(found, np.clip(z, -2, 2), rtol=1e-4)
    x[1] = np.nan
    away = x - np.nanmedian(x)
    found = Peers().step((), jnp.asarray(x, jnp.float32), jnp.asarray(0))[1]
    np.testing.assert_allclose(found, away / (1.4826 * np.nanmedian(np.abs(away))), rtol=1e-4)
    as_it_is = jnp.asarray(x, jnp.float32)
    assert Standard().step((), as_it_is, jnp.asarray(0))[1] is as_it_is


def test_own_past_skips_what_it_is_told_to():
    x = np.concatenate([np.full(3, 50.0), np.random.default_rng(6).normal(size=6), [2.0, -9.0]])
    past, found = OwnPast(rounds=6, skip=3, limit=4.0), []
    state = past.init(jax.ShapeDtypeStruct((), jnp.float32))
    for value in x:
        state, z = past.step(state, jnp.asarray(value, jnp.float32), jnp.asarray(0))
        found.append(float(z))
    z = (x[9:] - x[3:9].mean()) / x[3:9].std(ddof=1)
    assert np.isnan(found[:9]).all()
    np.testing.assert_allclose(found[9:], np.clip(z, -4, 4), rtol=1e-4)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Shifts(low=0.0), "low=0"),
        (lambda: Shifts(low=0.5, high=0.1), "high=0.1"),
        (lambda: Shifts(low="a"), "low='a'"),
        (lambda: Shifts(size=0), "size=0"),
        (lambda: Shifts(tails="heavy"), "tails='heavy'"),
        (lambda: ShiryaevRoberts(h=-1.0), "h=-1"),
        (lambda: EProcess(h=float("nan")), "h=nan"),
        (lambda: HonestRuns(np.zeros((1, 4))), "two honest runs"),
        (lambda: HonestRuns(np.full((2, 4), np.nan)), "not finite"),
        (lambda: HonestRuns(np.zeros((2, 4, 3))).init(jnp.zeros(2)), r"a signal of shape \(2,\)"),
        (lambda: Peers().init(jnp.zeros(())), "entry per node"),
        (lambda: e_bh([1.0], level=2.0), "level=2"),
        (lambda: OwnPast(skip=-1), "skip=-1"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(make, words):
    with pytest.raises(gj.ConfigurationError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
