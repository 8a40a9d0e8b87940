"""An incident end to end: who moved the model, since when, how sure, and what a repair restores."""

import dataclasses

import numpy as np
import pytest

import ghostjax as gj
from ghostjax import correction, incident
from ghostjax.incident._calibrate import order_statistic
from ghostjax.incident._groups import above_gap, jaccard, upper_group
from ghostjax.incident._program import first_states, Keys

from ..programs import compilations


def small(**options):
    """A small network, and an adversary that is less quiet than the ghost."""
    return incident.ghost(
        **{"num_nodes": 16, "owned": 4, "eps": 1.5, "t0": 16, "rounds": 48, "burn_in": (4, 14), **options}
    )


@pytest.fixture(scope="module")
def calibration():
    return incident.calibrate(small(), 19)


@pytest.fixture(scope="module")
def told(calibration):
    outcomes = incident.play(calibration.incident, [100, 101, 102])
    return incident.name(outcomes, gaps=incident.gaps_of(calibration))


def test_thresholds_are_beyond_the_order_statistic(calibration):
    assert calibration.rank == order_statistic(19, 0.05) == 19
    for name, h in calibration.thresholds.items():
        assert h > calibration.maxima[name].max() >= 0.999 * h
        assert float(calibration.incident.watches[name].test.h) == pytest.approx(h)
    low, high = calibration.interval
    assert low < 0.05 < high
    again = incident.play(calibration.incident, [one.key for one in calibration.honest[:2]], attacked=False)
    assert all(one.alarms == {"network": -1, "identities": -1} for one in again)


def test_the_adversary_is_seen_named_and_undone(told, calibration):
    before = incident.never(calibration.incident, [one.key for one in told])["charter_loss"][:, -1]
    for how in (correction.Quarantine(), correction.Rollback(), correction.Replay()):
        told = incident.repair(told, how)
    for one, loss in zip(told, before, strict=True):
        assert one.alarms["network"] >= 16 and one.result == "executed"
        assert one.finding.verdict == "named"
        assert one.finding.named.tolist() == calibration.incident.owned.tolist()
        repairs = {name: done.loss for name, done in one.repairs.items()}
        assert repairs["Replay"] < repairs["Quarantine"] < one.loss[-1]
        assert abs(repairs["Replay"] - loss) < 0.1 * (one.loss[-1] - loss)
        done = one.repairs["Replay"]
        np.testing.assert_array_equal(done.record["charter_loss"][: one.executed + 1], one.loss[: one.executed + 1])
        assert done.gradients == 12 * (one.executed + 1 - one.start) and done.younger == 0
        assert one.repairs["Rollback"].younger == one.executed + 1 - (one.start - one.start % 5)
    row = incident.table(told).rows[0]
    assert row["aged_Replay"] == pytest.approx(row["Replay"]) and row["aged_Rollback"] < row["Rollback"]


def test_nobody_is_named_without_an_alarm(calibration):
    quiet = incident.play(calibration.incident, 500, attacked=False)
    found = incident.name(quiet, gaps=incident.gaps_of(calibration)).finding
    assert found.verdict in ("nobody", "wait") and not found.named.any()
    assert quiet.byzantine.sum() == 0


def test_a_verdict_that_waits_is_judged_again_and_executed_later(told, calibration):
    gaps = [told[0].finding.gap + 1e3] * 20
    waits = incident.name(told[:2], gaps=gaps, patience=16)
    assert [one.finding.verdict for one in waits] == ["wait", "wait"]
    assert [one.executed for one in waits] == [one.executed for one in told[:2]], "nothing is executed by waiting"

    class Late(incident.AbstractNaming):
        """Decisive from some round on."""

        def scores(self, outcomes, until):
            clear = np.where(calibration.incident.owned, 1.0, np.linspace(0, 0.1, 16))
            murky = np.linspace(0, 1, 16)
            return [clear if last >= 36 else murky for last in until]

    case = dataclasses.replace(calibration.incident, delay=6)
    early = [dataclasses.replace(one, incident=case, executed=20) for one in told[:2]]
    assert [one.finding.verdict for one in incident.name(early, Late(), patience=12)] == ["wait", "wait"]
    late = incident.name(early, Late(), patience=18)
    assert [one.finding.verdict for one in late] == ["named", "named"]
    assert [one.executed for one in late] == [38, 38]
    assert all(one.finding.named.tolist() == case.owned.tolist() for one in late)


def test_outcomes_do_not_depend_on_how_many_are_played(told, calibration):
    alone = incident.play(calibration.incident, 101)
    np.testing.assert_array_equal(alone.record["charter_loss"], told[1].record["charter_loss"])
    again = incident.name(alone, gaps=incident.gaps_of(calibration))
    np.testing.assert_array_equal(again.finding.scores, told[1].finding.scores)


def test_scores_are_those_of_the_adjoint(told, calibration):
    one = told[0]
    sim, until = calibration.incident.attacked, one.executed + 1
    loss = incident.CharterExcess(calibration.incident.charter)
    found = gj.attribution.adjoint(sim, until, one.key, outcome=loss, probes=0)
    assert found.cells is not None
    np.testing.assert_allclose(-found.cells[one.start :].sum(0), one.finding.scores, rtol=1e-3, atol=1e-6)


def test_outcomes_of_a_charter_are_its_losses(told):
    sim, charter = told[0].incident.attacked, told[0].incident.charter
    run = gj.simulate(sim, 6, key=told[0].key, progress=None)
    record = run.record
    loss, excess = (one(charter)(sim, run.state) for one in (incident.CharterLoss, incident.CharterExcess))
    assert loss == pytest.approx(record["charter_loss"][-1], rel=1e-5)
    assert excess == pytest.approx(record["charter_excess"][-1].mean(), abs=1e-6)
    assert abs(loss - excess) > 0.1, "controls are not nothing"


def test_controls_tell_who_moves_the_probes_alone(told, calibration):
    owned, until = calibration.incident.owned, [one.executed for one in told]

    def apart(outcome):
        scores = incident.Adjoint(outcome).scores(told, until)
        return np.mean([(one[owned].mean() - one[~owned].mean()) / one[~owned].std() for one in scores])

    assert apart(incident.CharterExcess) > 1.3 * apart(incident.CharterLoss)


def test_a_council_decides_in_the_run_and_what_it_decides_is_named_and_repaired():
    council = gj.governance.Council(alarm="network", quarantine=False, rollback=False)
    governed = small(governance=council, electorate=gj.governance.Electorate())
    calibrated = incident.calibrate(governed, 19).incident
    one = incident.play(calibrated, 100)
    assert one.result == "executed"
    assert one.executed - one.alarms["network"] == 5 + 1 + 10
    one = incident.repair(incident.name(one), correction.Replay())
    assert one.finding.named.tolist() == calibrated.owned.tolist()
    assert one.repairs["Replay"].loss < one.loss[-1]


def test_whoever_takes_part_is_drawn_by_the_key_of_the_run():
    case = small(participation=gj.sampled(0.75))
    one = incident.play(case, 100)
    assert not np.array_equal(case.weights(100), case.weights(101))
    np.testing.assert_array_equal(one.weights, case.weights(100))
    run = gj.simulate(case.attacked, 48, key=100, participation=gj.sampled(0.75))
    np.testing.assert_allclose(one.loss, run.record["charter_loss"], rtol=1e-4)


def test_first_states_compile_at_one_size(told):
    sim, keys = told[0].incident.attacked, [Keys.of([one.key for one in told[:m]]) for m in (1, 2, 3)]
    with compilations() as seen:
        for some in keys:
            first_states(sim, some)
    assert not seen, "`told` was made by this program"


def test_a_table_has_words_and_numbers(told):
    made = incident.table(told)
    assert np.isnan(made.median("verdict")) and made.median("right") == 4
    assert made.before.shape == (3, 48)
    assert made.texts[0] == ["result", "detect", "identity", "decide", "since", "verdict", "right", "wrong", "executed",
                             "nothing"]  # fmt: skip
    assert made.framing == 0 and np.isnan(incident.table([]).framing)
    harm = told[0].loss - made.before[0]
    assert made.rows[0]["meanwhile"] == pytest.approx(harm[16 : told[0].executed + 1].sum())
    never = incident.never(told[0].incident, [told[0].key])
    assert made.rows[0]["collateral_nothing"] == pytest.approx(told[0].record["loss"][-1] - never["loss"][0, -1])
    assert len(str(made).splitlines()) == 5
    assert incident.table([]).rows == []


def test_everybody_else_keeps_the_names():
    n = 16
    owner = np.array([0] * 4 + list(range(1, 13)))
    assert small(owned=owner).owned.tolist() == [True] * 4 + [False] * 12
    assert small(owned=3).owned.sum() == 3
    assert small().num_nodes == n


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"owned": 16}, "owner=16"),
        ({"owned": [0, 1]}, "owner"),
        ({"owned": 1.5}, "owner=1.5"),
        ({"t0": 48}, "t0=48"),
        ({"t0": -1}, "t0=-1"),
        ({"alarm": "nobody"}, "alarm='nobody'"),
        ({"delay": -1}, "delay=-1"),
        ({"margin": float("nan")}, "margin"),
        ({"charter": "blank"}, "charter='blank'"),
        ({"adversary": gj.attacks.SignFlip}, "adversary"),
        ({"watches": ["network"]}, "watches"),
        ({"watches": {"network": gj.detectors.CUSUM()}}, "watches"),
        ({"participation": "half"}, "participation"),
    ],
)
def test_wrong_incidents_are_refused_in_one_line(options, words):
    with pytest.raises(gj.ConfigurationError, match=words) as caught:
        small(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("as_users_run")
def test_wrong_calls_are_refused_in_one_line(calibration):
    base = small()
    attacked = dataclasses.replace(base).attacked
    for make, words in (
        (lambda: incident.calibrate(base, 18), "honest_runs=18"),
        (lambda: incident.calibrate(base, 19, level=2.0), "level=2"),
        (lambda: incident.play(base, []), "keys"),
        (lambda: incident.play("ghost"), "incident='ghost'"),
        (lambda: incident.repair(calibration.honest[0], correction.Replay()), "name somebody first"),
        (lambda: dataclasses.replace(base, simulation=attacked), "Byzantine"),
        (lambda: base.with_thresholds({"nobody": 1.0}), "nobody"),
        (lambda: incident.name(calibration.honest[0], patience=-1), "patience=-1"),
        (lambda: incident.Adjoint("loss"), "outcome=loss"),
        (lambda: incident.name(calibration.honest[0], patience=5, until=40), "patience=5"),
    ):
        with pytest.raises(gj.ConfigurationError, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_groups_of_scores():
    scores = np.array([0.0, 5.0, 0.2, 5.1, 0.1, 0.3, 0.1, 0.2])
    chosen, gap = above_gap(scores)
    assert np.flatnonzero(chosen).tolist() == [1, 3] and gap == pytest.approx(4.7 / scores[[0, 2, 4, 5, 6, 7]].std())
    assert upper_group(scores).tolist() == chosen.tolist()
    assert jaccard(chosen, ~chosen) == 0 and jaccard(chosen, chosen) == 1
    one_low = np.array([-9.0, 1.0, 1.1, 1.2])
    assert not above_gap(one_low)[0][0], "whoever helps most is not accused, nor are all others"
