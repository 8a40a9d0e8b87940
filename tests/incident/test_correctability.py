"""The correctability map is what votes, names and replays come to one by one."""

import dataclasses

import numpy as np
import pytest

import ghostjax as gj
from ghostjax import correction, incident

from .test_incident import small


SOON = {"voting": 1, "timelock": 8}
"""Verdicts are executed ten rounds after the alarm, as without a council, if the first vote passes."""


@pytest.fixture(scope="module")
def runs():
    thresholds = {"network": 4.5, "identities": float("inf")}
    return incident.play(small(delay=10).with_thresholds(thresholds), [100, 101, 102])


@pytest.fixture(scope="module")
def before(runs):
    return incident.never(runs[0].incident, [one.key for one in runs])["charter_loss"]


def test_a_council_that_always_agrees_ends_what_a_replay_ends(runs, before):
    told = incident.repair(incident.name(runs), correction.Replay())
    named = np.array([one.finding.named.any() for one in told])
    stopped = np.array([one.finding.named[one.incident.owned].all() for one in told])
    nothing = np.array([one.loss[-1] for one in told]) - before[:, -1]
    replayed = np.array([one.repairs["Replay"].loss if one.repairs else one.loss[-1] for one in told]) - before[:, -1]
    harm = np.array([one.loss[one.executed] - loss[one.executed] for one, loss in zip(told, before, strict=True)])
    harm = np.where(stopped, harm, nothing)
    assert named.any() and stopped.any()
    for epsilon in (max(0.0, float(np.median(replayed)) + 1e-4), float(harm.min()) + 1e-4):
        found = incident.correctability(
            runs, captured=[0], quorum=[0.5], epsilon=epsilon, participation=1, accuracy=1, **SOON
        )
        assert found["replay"].item() == pytest.approx((replayed <= epsilon).mean())
        assert found["quarantine"].item() == pytest.approx((harm <= epsilon).mean())
        assert found["executed"].item() == found["detected"].item() == 1


@pytest.fixture(scope="module")
def found(runs):
    return incident.correctability(
        runs,
        captured=[0, 0.4, 8, 9, 16],
        quorum=[0.5, 2 / 3],
        threshold=[4.5, 1e9],
        epsilon=0.2,
        honest=runs[:1],
        **SOON,
    )


def test_a_map_has_names_for_all_that_it_holds(found):
    assert found["replay"].dims == found["quarantine"].dims == ("captured", "quorum", "threshold")
    assert found["captured"].values.tolist() == [0, 6, 8, 9, 16] and found["share"].values[1] == 6 / 16
    assert found["false_alarms"].values.tolist() == [1, 0]


def test_beyond_the_frontier_nothing_is_ever_corrected(found, runs, before):
    uncorrected = np.mean([one.loss[-1] for one in runs] - before[:, -1] <= 0.2)
    assert found["nothing"] == uncorrected < 1
    assert found["frontier"].values.tolist() == [8, 5]
    beyond = (found["captured"] > found["frontier"]).values
    assert beyond.any() and not beyond.all()
    assert ((found["passing"].values == 0) == beyond).all()
    for what in ("replay", "quarantine"):
        np.testing.assert_array_equal(found[what].values[beyond], uncorrected)
    assert (found["replay"].values[~beyond, 0] > uncorrected).all()
    assert not found["executed"].values[beyond].any()


def test_a_threshold_that_nothing_reaches_corrects_nothing(found):
    assert found["detected"].values.tolist() == [1, 0] and found["named"].values[1] == 0
    assert not found["executed"].values[..., 1].any()
    np.testing.assert_array_equal(found["replay"].values[..., 1], found["nothing"])


def test_votes_that_fail_cost_time_and_late_verdicts_do_not_count(runs):
    chance = gj.governance.passing_probability([0.9 * 0.95] * 8 + [0] * 8)
    alarm, deadline = np.array([one.alarms["network"] for one in runs]), 46
    map = incident.correctability(
        runs, captured=[8], quorum=[0.5], epsilon=100.0, within=deadline - runs[0].incident.t0, judged=1, **SOON
    )
    votes = (deadline - 1 - 8 - alarm) // 2
    assert votes.min() == 1 and votes.max() > 4
    assert map["executed"].item() == pytest.approx(np.mean(1 - (1 - chance) ** votes))


@pytest.mark.usefixtures("as_users_run")
def test_wrong_calls_are_refused_in_one_line(runs):
    council = gj.governance.Council(alarm="network")
    governed = small(governance=council, electorate=gj.governance.Electorate())
    for outcomes, options, words in (
        ([], {}, "correctability: outcomes="),
        (runs[0], {}, "correctability: outcomes="),
        ([dataclasses.replace(runs[0], attacked=False)], {}, "give these as honest="),
        ([dataclasses.replace(runs[0], incident=governed)], {}, "without governance="),
        (runs, {"captured": [17]}, "correctability: captured=17"),
        (runs, {"captured": [1.5]}, "correctability: captured=1.5"),
        (runs, {"captured": 3}, "correctability: captured=3"),
        (runs, {"quorum": []}, "correctability: quorum="),
        (runs, {"quorum": [2]}, "correctability: quorum=2"),
        (runs, {"threshold": [-1.0]}, "correctability: threshold=-1"),
        (runs, {"epsilon": -1}, "correctability: epsilon=-1"),
        (runs, {"within": 32}, "correctability: within=32"),
        (runs, {"within": 0}, "correctability: within=0"),
        (runs, {"participation": 2}, "correctability: participation=2"),
        (runs, {"voting": 0.5}, "correctability: voting=0.5"),
        (runs, {"judged": 0}, "correctability: judged=0"),
        (runs, {"honest": runs[0]}, "correctability: honest="),
    ):
        with pytest.raises(gj.ConfigurationError) as caught:
            incident.correctability(outcomes, **options)
        assert words in str(caught.value) and "\n" not in str(caught.value)
