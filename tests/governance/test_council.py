"""The council alone: when a vote is held, who decides it, what it comes to, and when it is carried out."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.governance import AbstractElectorate, Council, deliberate, Electorate, Kind, matters, Outcome, Phase


N = 16
RIGHT = Electorate(participation=1.0, accuracy=1.0)


def alarms(*stretches, rounds=60, since=None):
    """Readings of a detector that alarms in the given stretches."""
    t = np.arange(rounds)
    on = np.zeros(rounds, bool)
    for start, stop in stretches:
        on |= (start <= t) & (t < stop)
    began = t if since is None else np.full(rounds, since)
    return gj.Reading(jnp.asarray(on, float), jnp.asarray(on), jnp.asarray(np.where(on, began, -1), jnp.int32))


def played(council, reading=None, electorate=RIGHT, byzantine=4, n=N, **options):
    reading = alarms((10, 60)) if reading is None else reading
    readings = reading if isinstance(reading, dict) else {"network": reading}
    record = eqx.filter_jit(deliberate)(council, electorate, readings, n, byzantine, **options)
    return {name: np.asarray(column) for name, column in record.items()}


class Petitioners(AbstractElectorate):
    """All judge right; the adversary captured a share, and moves against the first members in every round."""

    captured: Any
    moves: bool = eqx.field(static=True, default=True)

    def init(self, num_nodes):
        return ()

    def spoken_for(self, people):
        return Electorate(captured=self.captured).spoken_for(people)

    def vote(self, state, motion, people, key):
        held = self.spoken_for(people)
        members = Electorate(captured=self.captured, participation=1.0, accuracy=1.0)
        _, ballots = members.vote((), motion, people, key)
        return state, ballots._replace(against=(jnp.arange(held.shape[0]) < 3) & self.moves & held.any())


@pytest.mark.parametrize("voting", [0, 1, 5])
@pytest.mark.parametrize("timelock", [0, 1, 10])
def test_a_vote_takes_its_rounds_and_one_and_waits_for_the_timelock(voting, timelock):
    record = played(Council(voting=voting, timelock=timelock), alarms((10, 60)))
    passed, executed = 10 + voting + 1, 10 + voting + 1 + timelock
    (first, *_) = matters(record)
    assert (first.alarmed, first.proposed, first.passed, first.executed) == (10, 10, passed, executed)
    assert first.outcome is Outcome.executed and first.kind is Kind.ALARM
    phase = record["phase"]
    assert (phase[:10] == Phase.IDLE).all() and (phase[10:passed] == Phase.VOTING).all()
    assert (phase[passed:executed] == Phase.TIMELOCK).all() and phase[executed] == Phase.IDLE
    # Nothing is executed before the timelock.
    assert not (record["restored"][:executed] >= 0).any() and record["restored"][executed] >= 0
    assert np.flatnonzero(record["cast"]).tolist()[0] == passed


def test_a_vote_that_fails_is_held_again_at_once():
    record = played(Council(voting=2), electorate=Electorate(captured=1.0))
    fails = np.flatnonzero(np.diff(record["failed"]) > 0) + 1
    assert fails.tolist() == [13, 16, 19, 22, 25, 28, 31, 34, 37, 40, 43, 46, 49, 52, 55, 58]
    assert record["proposed"][13] == 13 and (record["outcome"][10:] == Outcome.never_decided).all()
    (only,) = matters(record)
    assert only.outcome is Outcome.never_decided and only.failed == len(fails) and only.executed is None


def test_it_is_rejected_when_there_is_no_alarm_any_more():
    record = played(Council(voting=2), alarms((10, 12)), electorate=Electorate(captured=1.0))
    (only,) = matters(record)
    assert only.outcome is Outcome.rejected and only.failed == 1 and (record["phase"][13:] == Phase.IDLE).all()


def test_a_false_alarm_is_rejected_by_members_who_judge_right():
    (only,) = matters(played(Council(), alarms((10, 14)), byzantine=0))
    assert only.outcome is Outcome.rejected


def test_it_expires_and_the_next_alarm_is_heard_after_a_rest():
    record = played(Council(voting=2, expires=7, rest=4), electorate=Electorate(captured=1.0))
    first, second, *_ = matters(record)
    assert first.outcome is Outcome.expired and record["phase"][17] == Phase.IDLE
    assert (first.alarmed, second.alarmed) == (10, 22)


def test_what_has_passed_does_not_expire():
    (first, *_) = matters(played(Council(voting=2, timelock=10, expires=5)))
    assert first.outcome is Outcome.executed and first.executed == 23


@pytest.mark.parametrize("rest", [0, 3])
def test_after_an_execution_no_alarm_is_heard_for_the_rest(rest):
    found = matters(played(Council(voting=0, timelock=0, rest=rest)))
    assert found[1].alarmed == found[0].executed + rest + 1


@pytest.mark.parametrize("pause", [0, 1, 6, 100])
@pytest.mark.parametrize("captured", [0.0, 1.0])
def test_a_pause_expires(pause, captured):
    """Whether the vote passes or never does: paused is the time from the alarm to the decision, and no more."""
    record = played(Council(voting=2, timelock=5, pause=pause, expires=30, rest=100), electorate=Electorate(captured))
    paused = np.flatnonzero(record["paused"])
    end = matters(record)[0].executed or 40
    assert paused.tolist() == list(range(10, min(10 + pause, end)))
    # A round that is paused is no round behind the model.
    before = np.concatenate([[0], record["age"][:-1]])
    held = np.concatenate([[False], record["paused"][:-1]])
    assert (record["age"] == np.where(record["restored"] >= 0, record["restored"], before + ~held)).all()


def shares(n, q):
    """Numbers of captured members around the two borders of a quorum."""
    needed = math.ceil(q * n - 1e-9)
    return sorted({c for c in (0, needed - 1, needed, n - needed, n - needed + 1) if 0 <= c <= n})


@pytest.mark.parametrize(("n", "q"), [(8, 0.5), (9, 0.5), (12, 2 / 3), (20, 0.55), (7, 0.3)])
def test_captured_members_neither_force_nor_block_below_their_share(n, q):
    needed = math.ceil(q * n - 1e-9)
    for count in shares(n, q):
        members = Petitioners(count / n)
        council = Council(quorum=q, voting=1, timelock=2, rest=100)
        quiet = played(council, alarms(), members, byzantine=1, n=n)
        forced = (quiet["quarantined"] > 0).any()
        assert forced == (count >= needed), (count, needed)
        # An alarm takes the table from their motions, which they make in every round.
        found = matters(played(council, alarms((10, 60)), members, byzantine=1, n=n))
        decided = [one for one in found if one.kind is Kind.ALARM and one.outcome is Outcome.executed]
        assert bool(decided) == (n - count >= needed), (count, needed)
        if count < min(q, 1 - q) * n:
            assert not forced and decided[0].alarmed == 10 and decided[0].executed == 14


def test_who_is_named_by_a_motion_of_members_is_in_quarantine_and_nothing_is_restored():
    record = played(Council(voting=1, timelock=2), alarms(), Petitioners(1.0))
    assert np.flatnonzero(record["quarantine"][-1]).tolist() == [0, 1, 2]
    assert (record["restored"] < 0).all() and matters(record)[0].kind is Kind.MOVED


@pytest.mark.parametrize(("q", "n", "needed"), [(0.5, 64, 32), (2 / 3, 64, 43), (0.6, 25, 15), (0.7, 10, 7), (0, 5, 0)])
def test_the_quorum_is_of_all_members_rounded_up(q, n, needed):
    assert math.ceil(float(Council(quorum=q)._needed(n))) == needed

    def passes(count):
        members = Electorate((n - count) / n, 1.0, 1.0)
        return matters(played(Council(quorum=q), electorate=members, byzantine=1, n=n))[0].passed

    assert passes(needed) == 16 and (needed == 0 or passes(needed - 1) is None)


def sessions(council, rounds, powers, ballots, n=4):
    """Plays `decide` on powers and ballots that change from round to round, under a lasting alarm."""
    reading = gj.Reading(jnp.ones(()), jnp.asarray(True), jnp.zeros((), jnp.int32))
    state, found = council.init(n), []
    decide = eqx.filter_jit(Council.decide)
    for t in range(rounds):
        yes, cast = ballots(t)
        session = gj.Session(
            {"network": reading}, jnp.asarray(t, jnp.int32), jnp.asarray(t + 1, jnp.int32), jax.random.key(0),
            jnp.asarray(powers(t), jnp.float32), jnp.asarray([0, -1]), gj.Ballots(jnp.asarray(yes), jnp.asarray(cast)),
        )  # fmt: skip
        state, _, record = council.decide(state, session, n) if t < 0 else decide(council, state, session, n)
        found.append({name: np.asarray(value) for name, value in record.items()})
    return found


def test_power_is_that_of_the_record_before_the_proposal():
    """Power that comes once the proposal is made decides nothing; each ballot counts what the record says."""
    council = Council(voting=1, timelock=50)
    lent = lambda t: [1, 1, 1, 1] if t == 0 else [100, 1, 1, 1]
    record = sessions(council, 3, lent, lambda t: ([True, False, False, False], [True] * 4))
    assert record[2]["yes"] == 1 and record[2]["cast"] == 4 and record[2]["passed"] == -1
    had = lambda t: [2, 1, 1, 0] if t == 0 else [0, 0, 0, 9]
    record = sessions(council, 3, had, lambda t: ([True, False, False, True], [True, True, False, True]))
    assert record[2]["yes"] == 2 and record[2]["cast"] == 3 and record[2]["passed"] == 2


def test_a_vote_that_is_held_again_has_a_record_of_its_own():
    record = sessions(
        Council(voting=0, timelock=50), 4, lambda t: [t, 0, 0, 0], lambda t: ([True] + [False] * 3, [True] * 4)
    )
    assert [int(row["yes"]) for row in record] == [1, 0, 1, 2]  # before the first proposal everybody counts 1
    assert record[3]["passed"] == 3


def test_who_is_in_quarantine_has_no_vote():
    names = gj.Reading(jnp.zeros((60, N)), jnp.broadcast_to(jnp.arange(N) < 5, (60, N)), jnp.zeros((60, N), jnp.int32))
    readings = {"network": alarms((10, 60)), "who": names}
    record = played(Council(names="who", voting=0, timelock=0, rest=2), readings)
    first, second, *_ = matters(record)
    assert record["yes"][first.passed] == N and record["yes"][second.passed] == N - 5
    assert record["quarantined"][-1] == 5


def test_names_are_those_of_the_execution():
    """What names is the age of the evidence: the alarms of that round, not of any before or after."""
    t, i = np.arange(60)[:, None], np.arange(N)[None, :]
    grows = jnp.asarray((i >= N - 4) & (t >= 12 + (N - i)) & (t < 30))  # one more each round from round 13 on
    who = gj.Reading(grows.astype(float), grows, grows.astype(jnp.int32))
    readings = {"network": alarms((10, 60)), "who": who}
    for timelock, named in [(0, 4), (2, 4), (20, 0)]:
        record = played(Council(names="who", voting=6, timelock=timelock, rest=100), readings)
        executed = 17 + timelock
        assert int(record["executed"][-1]) == executed and not record["quarantined"][:executed].any()
        assert record["quarantined"][executed:].tolist() == [named] * (60 - executed)


def test_an_advisory_council_votes_and_changes_nothing():
    names = gj.Reading(jnp.ones((60, N)), jnp.ones((60, N), bool), jnp.zeros((60, N), jnp.int32))
    readings = {"network": alarms((10, 60)), "who": names}
    record = played(Council(names="who", quarantine=False, rollback=False), readings)
    assert matters(record)[0].outcome is Outcome.executed
    assert not record["quarantined"].any() and (record["restored"] < 0).all() and record["age"][-1] == 60


RING = gj.governance.Snapshots(capacity=8, every=1)


@pytest.mark.parametrize("margin", [0, 3, 12])
def test_it_returns_to_before_the_change_by_a_margin(margin):
    """The change began in round 20: the state that came into it is of age 20."""
    council = Council(margin=margin, probation=0, voting=1, timelock=1, rest=100, snapshots=RING)
    record = played(council, alarms((22, 60), since=20))
    kept = ring_before(22)
    back = max(age for age in kept if age <= 20 - margin)
    assert record["restored"].max() == back and record["executed"][-1] == 25


def ring_before(alarm, capacity=8):
    """The ages that the ring holds when it is frozen in round `alarm`."""
    ring = {0: 0}
    for age in range(1, alarm):
        ring[1 + min((age & -age).bit_length() - 1, capacity - 2)] = age
    return set(ring.values())


@pytest.mark.parametrize("probation", [0, 4, 15])
def test_a_snapshot_is_validated_by_rounds_without_an_alarm(probation):
    """With a detector that says that everything began just now, probation alone keeps the young ones away."""
    council = Council(margin=0, probation=probation, voting=1, timelock=1, rest=100, snapshots=RING)
    record = played(council, alarms((30, 60)))
    expected = max(age for age in ring_before(30) if age <= 30 - probation)
    assert record["restored"].max() == expected


def test_an_alarm_that_was_rejected_puts_younger_snapshots_on_probation_again():
    council = Council(margin=0, probation=8, voting=0, timelock=0, snapshots=RING)
    record = played(council, alarms((20, 21), (25, 26)), electorate=Electorate(captured=1.0))
    assert matters(record)[0].outcome is Outcome.rejected
    # Ages up to 12 were validated when the first alarm came; four quiet rounds validate nothing more, eight do.
    assert (record["validated"][20:33] == 12).all() and record["validated"][33:36].tolist() == [26, 27, 28]


def test_a_paused_round_validates_nothing():
    """Nothing is learned in it, so that no alarm could come: only rounds that are played are a probation."""
    council = Council(margin=0, probation=8, voting=7, timelock=0, pause=100, rest=0, snapshots=RING)
    record = played(council, alarms((20, 21)), electorate=Electorate(captured=1.0))
    assert record["paused"].sum() == 8 and record["validated"][20] == 12
    first = np.flatnonzero(record["validated"] > 12)[0]
    assert record["age"][first] == 29 and first == 28 + 8 + 0


def test_from_the_alarm_to_the_decision_no_snapshot_is_written():
    """A long vote overwrites nothing: the snapshot of then is still there."""
    slow, ring = Council(voting=40, timelock=10, probation=0, margin=0, snapshots=RING), ring_before(8)
    record = played(slow, alarms((8, 60), since=6))
    assert record["restored"].max() == max(age for age in ring if age <= 6) == 6


def test_newer_slots_are_emptied_by_a_restoration():
    """What is restored next is of the line that the first restoration began."""
    council = Council(voting=0, timelock=0, margin=0, probation=0, rest=8, snapshots=RING)
    record = played(council, alarms((20, 60), since=12))
    first, second, *_ = np.flatnonzero(record["restored"] >= 0)
    assert record["restored"][first] == 12 and record["restored"][second] <= 12


@pytest.mark.parametrize(
    ("knobs", "outcome"),
    [({"margin": 30}, Outcome.too_late), ({"reach": 5}, Outcome.too_late), ({"reach": 30}, Outcome.executed)],
)
def test_a_change_older_than_every_snapshot_is_too_late(knobs, outcome):
    names = gj.Reading(jnp.ones((60, N)), jnp.broadcast_to(jnp.arange(N) < 2, (60, N)), jnp.zeros((60, N), jnp.int32))
    readings = {"network": alarms((22, 60), since=20), "who": names}
    record = played(Council(names="who", snapshots=RING, rest=100, **{"margin": 2, **knobs}), readings)
    (only,) = matters(record)
    assert only.outcome is outcome and (only.restored is None) == (outcome is Outcome.too_late)
    assert record["quarantined"][-1] == 2  # the quarantine stands


def test_the_element_with_the_largest_evidence_says_since_when():
    since = jnp.broadcast_to(jnp.asarray([3, 18, 10], jnp.int32), (60, 3))
    evidence = jnp.broadcast_to(jnp.asarray([9.0, 5.0, 7.0]), (60, 3))
    late = np.arange(60)[:, None] >= 22
    reading = gj.Reading(evidence, jnp.asarray(late & np.array([False, True, True])), since)
    record = played(Council(margin=0, probation=0, voting=1, timelock=1, rest=100, snapshots=RING), reading)
    assert record["restored"].max() == max(age for age in ring_before(22) if age <= 10)


def test_knobs_are_traced_and_a_batch_of_councils_equals_one_after_the_other():
    quorums, locks = jnp.linspace(0.2, 0.9, 8), jnp.arange(8)
    members = Electorate(captured=0.3)
    one = lambda q, lock: deliberate(
        Council(quorum=q, timelock=lock), members, {"network": alarms((10, 60))}, N, 4, key=jax.random.key(3)
    )
    batch = jax.jit(jax.vmap(one))(quorums, locks)
    for lane in (0, 3, 7):
        single = jax.jit(one)(quorums[lane], locks[lane])
        for name, column in single.items():
            np.testing.assert_array_equal(batch[name][lane], column, name)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"quorum": 1.5}, "quorum=1.5"),
        ({"quorum": float("nan")}, "quorum=nan"),
        ({"quorum": "half"}, "quorum='half'"),
        ({"timelock": -1}, "timelock=-1"),
        ({"timelock": 2.5}, "timelock=2.5"),
        ({"voting": -3}, "voting=-3"),
        ({"pause": None}, "pause=None"),
        ({"expires": 0}, "expires=0"),
        ({"alarm": 3}, "alarm=3"),
        ({"names": ["a"]}, "names=['a']"),
        ({"quarantine": "yes"}, "quarantine="),
        ({"snapshots": 4}, "snapshots=4"),
    ],
)
def test_a_council_that_cannot_be_meant_is_refused_in_one_line(knobs, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        Council(**knobs)
    assert str(caught.value).startswith(f"Council: {words}") and "\n" not in str(caught.value)
