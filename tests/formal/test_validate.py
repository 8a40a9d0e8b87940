"""Recorded runs against the specification: real ones are accepted, forged ones rejected where they were forged."""

import numpy as np
import pytest

import ghostjax as gj
from ghostjax.formal import Event, events, validate_trace, validate_traces

from .bound import code
from .specifications import program


robust_round = code("robust_round")
ROUNDS, C, simulation = robust_round.ROUNDS, robust_round.RADIUS, robust_round.simulation


@pytest.fixture(scope="module")
def runs():
    """Five seeds of one simulation; now and then a node is absent."""
    problem = simulation(gj.aggregators.Clipping(gj.aggregators.TrimmedMean(f=1), c=C))
    present = np.ones((ROUNDS, 4), np.float32)
    present[2, 1] = present[4, 3] = 0
    return [gj.simulate(problem, ROUNDS, seed, participation=present, progress=None) for seed in range(5)]


def test_five_recorded_seeds_are_behaviours(runs):
    traces = [events(run.record) for run in runs]
    assert all(len(trace) == ROUNDS * 7 - 2 for trace in traces)
    verdicts = validate_traces(program("robust_round"), traces, rounds=ROUNDS, end=lambda s: s.ph == 0)
    assert all(verdict.ok for verdict in verdicts), "\n".join(map(str, verdicts))
    assert {int(run.record["level"][0][3]) for run in runs} == {3}  # the shouting node is heard as such
    assert str(verdicts[0]) == f"accepted: {ROUNDS * 7 - 2} events, 1 states fit"


def forged(trace, index, **changes):
    return [*trace[:index], trace[index]._replace(**changes), *trace[index + 1 :]]


def test_forged_traces_are_rejected_where_they_were_forged(runs):
    trace = events(runs[0].record)
    spec = program("robust_round")
    assert [event.action for event in trace[:7]] == ["Submit"] * 4 + ["Aggregate", "Trim", "NextRound"]
    verdict = validate_trace(spec, forged(trace, 4, obs={"lo": 6}))
    assert not verdict.ok and verdict.event == 4 and verdict.mismatch == {"lo": (6, 4)}
    assert verdict.enabled == ("Aggregate()",) and "observed 6, possible 4" in str(verdict)
    # An honest node never sends what has to be clipped.
    verdict = validate_trace(spec, forged(trace, 1, params={"i": 1, "v": 2}))
    assert not verdict.ok and verdict.event == 1 and "Submit(i=1, v=2)" in verdict.why and "not enabled" in verdict.why
    # A node counted twice, a trim that lets the deviating node through, a phase left out, a wrong parameter.
    assert validate_trace(spec, [trace[0], *trace]).event == 1
    assert validate_trace(spec, forged(trace, 5, obs={"hi": 2})).event == 5
    assert validate_trace(spec, trace[:4] + trace[5:]).event == 4


def test_a_round_without_a_quorum_is_rejected(runs):
    """A real run that the specification forbids: two of four nodes present, one of them Byzantine."""
    present = np.ones((3, 4), np.float32)
    present[1, :2] = 0
    run = gj.simulate(runs[0].simulation, 3, 0, participation=present, progress=None)
    verdict = validate_trace(program("robust_round"), events(run.record), rounds=3)
    assert not verdict.ok and "round 1" in verdict.why and "Aggregate" in verdict.why
    assert all("Submit" in label for label in verdict.enabled)


def test_a_run_with_another_rule_is_rejected():
    """The same network under the plain mean, which neither clips nor trims."""
    run = gj.simulate(simulation(gj.aggregators.Mean()), 1, 0, progress=None)
    verdict = validate_trace(program("robust_round"), events(run.record), rounds=1)
    assert verdict.mismatch is not None
    assert not verdict.ok and "Trim" in verdict.why and verdict.mismatch["hi"][0] > 1


def test_empty_and_truncated_traces_fail(runs):
    spec, trace = program("robust_round"), events(runs[0].record)
    assert validate_trace(spec, []).why == "the trace is empty"
    assert not validate_trace(spec, trace[:-9], rounds=ROUNDS).ok
    truncated = validate_trace(spec, trace[:-1], rounds=ROUNDS, end=lambda s: s.ph == 0)
    assert not truncated.ok and "truncated" in truncated.why
    assert not validate_trace(spec, trace[::-1], rounds=ROUNDS).ok


def test_gaps_are_filled_in_every_way():
    """Only the log of a quorum is seen: two votes must have happened that nobody recorded."""
    log = np.zeros((3, 2), int)
    first, second = log.copy(), log.copy()
    first[0, 0] = 1
    second[:2, 0] = 1
    seen = [{}, {}, {"obs": {"log": first}}, {"obs": {"log": second}}]
    verdict = validate_trace(program("quorum_log"), seen)
    assert verdict.ok and verdict.beliefs == 3
    forged_log = second.copy()
    forged_log[1, 0] = 2
    verdict = validate_trace(program("quorum_log"), [*seen[:3], {"obs": {"log": forged_log}}])
    assert not verdict.ok and verdict.event == 3 and set(verdict.mismatch) == {"log"}


def test_silent_actions_and_projections():
    spec = program("quorum_log")
    committed = lambda s: {"committed": int((s.log > 0).sum())}
    both = [Event("Commit", obs={"committed": 1}), Event("Commit", obs={"committed": 2})]
    assert not validate_trace(spec, both, committed).ok
    assert validate_trace(spec, both, committed, silent=["Vote"]).ok
    jump = [Event("Commit", obs={"committed": 2})]
    assert not validate_trace(spec, jump, committed, silent=["Vote"]).ok


def test_malformed_events_are_errors_of_their_own():
    spec = program("robust_round")
    with pytest.raises(ValueError, match="event 0: robust_round has no action Clip"):
        validate_trace(spec, [Event("Clip")])
    with pytest.raises(ValueError, match="event 0: Submit has no parameter \\['who'\\]"):
        validate_trace(spec, [Event("Submit", {"who": 1})])
    with pytest.raises(ValueError, match="no variable \\['sum'\\]"):
        validate_trace(spec, [Event("Trim", obs={"sum": 1})])
    with pytest.raises(ValueError, match="unknown fields \\['act'\\]"):
        validate_trace(spec, [{"act": "Trim"}])
    with pytest.raises(ValueError, match="has no level"):
        events({"loss": np.zeros(3)})
