"""Detectors in a training: they alarm when something changes, not before, and never know who it is."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.attacks import AbstractMessageAttack, Sent


N = 6
TASK = gj.tasks.quadratic(N, 3, noise=0.2)
SERVER = gj.protocols.Server(gj.aggregators.Mean())


class Size(gj.metrics.AbstractMetric):
    """The largest entry of the aggregate, and of every message."""

    outputs = {"size": gj.metrics.Output(), "sizes": gj.metrics.Output(dims=("node",))}

    def __call__(self, round):
        return {"size": jnp.abs(round.result).max(), "sizes": jnp.abs(round.messages).max(1)}


def watch(entry="size", h=30.0, rounds=5, signal=None, k=0.5):
    past = gj.detectors.OwnPast(rounds=rounds, floor=0.05)
    return gj.detectors.Watch(Size() if signal is None else signal, entry, gj.detectors.CUSUM(k=k, h=h), past)


class Late(AbstractMessageAttack):
    """Shouts from a round on, and is honest before."""

    start: jax.Array

    def init(self, like):
        return ()

    def corrupt(self, state, view):
        loud = jnp.where(view.round >= self.start, 40, 0).astype(view.messages.dtype)
        return state, Sent(view.messages + loud)


def late(start, **parts):
    return gj.Simulation(TASK, SERVER, attack=Late(jnp.asarray(start)), byzantine=2, **parts)


def test_an_attack_that_begins_late_alarms_and_is_dated():
    run = gj.simulate(
        late(10, detectors={"whole": watch(k=4.0), "each": watch("sizes", k=4.0, h=300.0)}), 16, progress=None
    )
    alarm = run.record["alarm_whole"]
    assert not alarm[:10].any() and alarm[10:].any()
    assert run.record["since_whole"][-1] == 10
    assert (
        run.record["alarm_each"].shape == (16, N) and run.record["alarm_each"][-1].tolist() == [False] * 4 + [True] * 2
    )
    assert run.dataset["evidence_each"].dims == ("round", "node")


class Calm(gj.metrics.AbstractMetric):
    """The same from below: it falls where the aggregate is large."""

    def __call__(self, round):
        return {"calm": -jnp.abs(round.result).max()}


def test_a_signal_that_is_bad_when_it_is_low_is_watched_from_below():
    high = watch(k=4.0)
    low = gj.detectors.Watch(Calm(), "calm", high.test, high.reference, worse="lower")
    run = gj.simulate(late(10, detectors={"high": high, "low": low}), 16, progress=None)
    assert run.record["alarm_low"].any()
    for name in ("evidence", "alarm", "since"):
        np.testing.assert_array_equal(run.record[f"{name}_low"], run.record[f"{name}_high"], name)


def test_nothing_alarms_in_the_reference_stretch():
    run = gj.simulate(late(0, detectors={"whole": watch(h=0.0, rounds=8)}), 12, progress=None)
    assert not run.record["alarm_whole"][:8].any()
    np.testing.assert_array_equal(run.record["evidence_whole"][:8], 0)
    np.testing.assert_array_equal(run.record["since_whole"][:8], -1)


@pytest.mark.parametrize("gossip", [False, True])
def test_evidence_is_equal_to_the_bit_whoever_is_called_byzantine(gossip):
    protocol = gj.protocols.Gossip(None, gj.topologies.ring(N)) if gossip else SERVER

    def evidence(byzantine, owner):
        sim = gj.Simulation(
            TASK, protocol, byzantine=byzantine, owner=owner, detectors={"a": watch("sizes"), "b": watch("size")}
        )
        return gj.simulate(sim, 9, progress=None)

    one, other = evidence(0, None), evidence(np.arange(N) % 2 == 0, np.zeros(N, int))
    for name in ("evidence_a", "evidence_b", "since_a", "alarm_b"):
        np.testing.assert_array_equal(one.record[name], other.record[name])
    assert one.record["evidence_a"].any()


@pytest.mark.parametrize(
    ("signal", "entry"),
    [
        (gj.metrics.HonestDistance(), "honest_distance"),
        (gj.metrics.Influence(), "influence"),
        (gj.metrics.TrainingLoss(), "training_loss"),
        (gj.metrics.Dissimilarity(), "dissimilarity"),
    ],
)
def test_a_signal_that_touches_the_truth_is_refused_before_anything_compiles(signal, entry, as_users_run):
    with pytest.raises(
        gj.ConfigurationError, match=r"^detector: signal reads '\w+': participants do not see it"
    ) as caught:
        gj.Simulation(TASK, SERVER, detectors={"d": watch(entry, signal=signal)})
    assert "\n" not in str(caught.value)


def test_what_no_detector_can_be_is_refused_in_one_line(as_users_run):
    for detectors, words in (
        ([watch()], r"detectors=.*: give a dict"),
        ({"a b": watch()}, r"detectors='a b': a name has"),
        ({"a": gj.detectors.CUSUM()}, r"detectors\['a'\]=CUSUM"),
        ({"a": watch("nothing")}, r"^Watch: entry='nothing': the signal records \['size', 'sizes'\]"),
    ):
        with pytest.raises(gj.ConfigurationError, match=words) as caught:
            gj.Simulation(TASK, SERVER, detectors=detectors)
        assert "\n" not in str(caught.value)


def test_a_signal_with_a_period_is_observed_when_it_is_due():
    every = gj.metrics.Every(3, Size())
    run = gj.simulate(late(20, detectors={"now": watch(signal=every, rounds=3)}), 18, progress=None)
    # Due are rounds 0, 2, 5, 8, ...: three of them are the reference, and zeros between are no observations.
    assert not run.record["evidence_now"][:8].any()
    assert run.simulation is not None
    due = run.simulation.outputs["evidence_now"]
    assert due.every == 1
    changes = np.flatnonzero(np.diff(run.record["evidence_now"]))
    assert set((changes + 2) % 3) <= {0}


def test_a_count_can_be_a_signal():
    class Count(gj.metrics.AbstractMetric):
        def __call__(self, round):
            return {"count": (round.weights > 0).sum()}

    run = gj.simulate(gj.Simulation(TASK, SERVER, detectors={"n": watch("count", signal=Count())}), 6, progress=None)
    assert run.record["evidence_n"].dtype == np.float32


def test_signals_that_leave_the_numbers_do_not_blind_a_test():
    test, state = gj.detectors.CUSUM(k=0.0), None
    state = test.init(jnp.zeros(()))
    for t, x in enumerate((jnp.inf, -jnp.inf, 1.0)):
        state, reading = test.step(state, jnp.asarray(x), jnp.asarray(t))
        assert not jnp.isnan(reading.evidence)
    past = gj.detectors.OwnPast(rounds=2)
    memory, seen = past.init(jnp.zeros(())), []
    for x in (1.0, jnp.inf, 2.0, 9.0):
        memory, z = past.step(memory, jnp.asarray(x), jnp.asarray(0))
        seen.append(float(z))
    assert np.isnan(seen[:3]).all() and seen[3] > 5


class Careful(AbstractMessageAttack):
    """Pushes while the public evidence is below a limit, and is honest until it has faded."""

    limit: jax.Array
    push: jax.Array

    def init(self, like):
        return ()

    def corrupt(self, state, view):
        evidence = view.readings["whole"].evidence
        pushes = (evidence < self.limit) & (view.round > 6)  # it leaves the reference alone
        push = jnp.where(pushes, self.push, 0).astype(view.messages.dtype)
        return state, Sent(view.messages + push)


def test_an_attack_that_reads_the_public_evidence_stays_under_the_threshold():
    def run(limit):
        attack = Careful(jnp.asarray(limit), jnp.asarray(2.0))
        sim = gj.Simulation(
            TASK, SERVER, learner=gj.learners.Gradient(), attack=attack, byzantine=2,
            detectors={"whole": watch(h=11.0)},
        )  # fmt: skip
        return gj.simulate(sim, 60, progress=None)

    bold, careful, honest = run(np.inf), run(6.0), run(-np.inf)
    assert bold.record["alarm_whole"].any()
    assert not careful.record["alarm_whole"].any() and not honest.record["alarm_whole"].any()
    assert careful.record["loss"][-1] > 1.2 * honest.record["loss"][-1]


def test_detectors_are_knobs_of_a_sweep():
    base = late(8, detectors={"whole": watch()})
    result = gj.sweep(base, {"detectors.whole.test.h": [2.0, 1e6]}, 12, progress=None)
    alarms = result.dataset["alarm_whole"].values[:, 0]
    assert alarms[0].any() and not alarms[1].any()


def test_watching_changes_nothing_of_the_training():
    with warnings.catch_warnings(action="error"):
        plain, watched = (gj.simulate(late(3, **d), 6, progress=None) for d in ({}, {"detectors": {"w": watch()}}))
    np.testing.assert_array_equal(plain.models, watched.models)
