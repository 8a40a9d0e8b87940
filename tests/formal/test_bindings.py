"""What lies beside a specification: code in lock step, recorded runs, machines, and a mutant of each."""

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ghostjax.formal import (
    Action,
    check,
    Event,
    fuzz,
    Implementation,
    Mutant,
    RandomMachine,
    Recording,
    Spec,
    Var,
)
from ghostjax.formal._bindings import Bindings
from ghostjax.formal._find import Found, load
from ghostjax.formal._machine import replay
from ghostjax.formal._suite import Budget, Subject, summary
from ghostjax.formal._trace_mutation import mutated_traces

from .bound import BOUND, results, subject, WITH_CODE
from .specifications import MISSION, program


LONG = ("twelve nodes", "simulated")
"""Cases that are left to the whole suite: another one of their kind stands beside them."""
BESIDE = [(name, case) for name in WITH_CODE for case in subject(name).cases() if case.kind in BOUND]


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{case}", marks=pytest.mark.slow if case.name in LONG else ())
        for name, case in BESIDE
    ],
)
def test_the_code_is_what_was_specified_and_its_mutants_are_caught(name, case):
    result = subject(name).run(case)
    print(result.text)
    assert result.outcome == "passed", result.text
    if case.kind == "lock step":
        assert result.played >= 100
    if case.kind == "trace":
        assert result.played >= 5


def test_what_must_be_covered_is():
    """Admission, weights, clipped and robust aggregation, cells, resuming, the ledger: by code, and with mutants."""
    assert {"admission", "robust_round", "robust_rounds", "cell_store", "checkpoint", "ledger"} <= set(WITH_CODE)
    for name in WITH_CODE:
        bindings = subject(name).found.bindings
        assert any(one.mutants for one in (*bindings.implementations.values(), *bindings.traces.values())), name
    assert subject("robust_round").found.bindings.traces
    assert set(MISSION) - set(WITH_CODE) <= {"slashing", "quorum_log", "spot_check", "gossip_log", "quarantine"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["admission", "robust_round", "robust_rounds", "cell_store"])
def test_two_hundred_steps_per_second_with_the_implementation_attached(name):
    """Checkpoints are left to `benchmarks/model_checking.py`: the tests' type checks take longer than a run does."""
    for bound in subject(name).found.bindings.implementations.values():
        if bound.spec is not None:
            continue
        run = lambda code=bound.code: fuzz(program(name), code, examples=15, steps=30)
        run()
        began = time.process_time()
        statistics = run()
        seconds = time.process_time() - began
        assert statistics.steps + statistics.refused >= 200 * seconds, f"{statistics} in {seconds:.2f} s"


# -- the convention itself, on a counter


class State(NamedTuple):
    x: Any


def counter(highest=3):
    up = lambda s, bug: (s.x < highest + bug, State(s.x + 1))
    mutants = (Mutant("one more", 1, "Low", highest + 2),)
    low = {"Low": lambda s: s.x <= highest}
    actions = (Action("Up", up), Action("Down", lambda s, bug: (s.x > 0, State(s.x - 1))))
    return Spec("counter", State, {"x": Var((), highest + 1)}, [State(0)], actions, low, mutants=mutants)


class Counter:
    refuses = IndexError

    def __init__(self, state, highest=3):
        self.x, self.highest = int(state.x), highest

    def Up(self):
        if self.x >= self.highest:
            raise IndexError
        self.x += 1

    def Down(self):
        if self.x == 0:
            raise IndexError
        self.x -= 1

    def abstraction(self):
        return {"x": self.x}


class Overflowing(Counter):
    """Wrong at the end of a long way only."""

    def Up(self):
        self.x += 1


def held(bindings, spec=None, examples=5):
    spec = counter() if spec is None else spec
    found = Found(Path(__file__), "counter", spec, None, {}, spec, bindings)
    chosen = Subject(found, Budget(10_000, 60.0, examples, 10))
    return {str(case): chosen.run(case) for case in chosen.cases() if case.kind in BOUND}


def test_code_in_lock_step_and_a_twin_that_is_not_caught():
    good = held(Bindings({"code": Implementation(Counter, {"overflowing": Overflowing})}))
    assert {name: result.outcome for name, result in good.items()} == {
        "lock step code": "passed",
        "code mutant code/overflowing": "passed",
    }
    assert "refusals" in good["lock step code"].text
    bad = held(Bindings({"code": Implementation(Overflowing, {"the same": Counter})}))
    assert {result.outcome for result in bad.values()} == {"failed"}
    assert (
        "Up(), which is not enabled" in bad["lock step code"].text
        and "replaying mutant one more" in bad["lock step code"].text
    )
    assert "the mutant of code is not caught" in bad["code mutant code/the same"].text


def test_counterexamples_of_mutants_are_replayed_where_random_play_would_not_get():
    spec = counter(40)
    trace = check(spec, spec.mutants[0]).trace

    class Refusing(Overflowing):
        refuses = IndexError

    with pytest.raises(AssertionError, match=r"did Up\(\), which is not enabled"):
        replay(spec, Refusing, {"mutant one more": trace})
    fuzz(spec, Refusing, examples=20, steps=10)


TRACE = [
    Event("Up", {}, {"x": 1}, 0),
    Event("Up", {}, {"x": 2}, 0),
    Event("Down", {}, {"x": 1}, 1),
    Event("Down", {}, {"x": 0}, 1),
]


def test_recorded_runs_and_runs_of_broken_code():
    wrong = [*TRACE[:2], Event("Up", {}, {"x": 0}, 1), TRACE[3]]
    recording = Recording(
        lambda: [TRACE, TRACE], {"jumps": lambda: wrong, "right": lambda: TRACE}, rounds=2, end=lambda s: s.x == 0
    )
    found = held(Bindings(traces={"runs": recording}))
    assert [result.outcome for result in found.values()] == ["passed", "passed", "passed", "failed"]
    assert (
        found["trace runs"].text == "2 traces, 8 events" and "Up() with x = 0" in found["code mutant runs/jumps"].text
    )
    wrong_first = held(Bindings(traces={"runs": recording._replace(record=lambda: [wrong])}))
    assert wrong_first["trace runs"].outcome == "failed" and "enabled: Up(), Down()" in wrong_first["trace runs"].text
    nothing = held(Bindings(traces={"runs": recording._replace(record=list)}))
    assert nothing["trace runs"].outcome == nothing["mutated trace runs"].outcome == "failed"


def test_a_recording_that_would_accept_anything_is_noticed():
    """No end, so that a truncated trace passes; and observations that are not compared."""
    found = held(Bindings(traces={"runs": Recording(lambda: [TRACE])}))
    assert found["trace runs"].outcome == "passed"
    assert "truncated: 2 of 2 such traces are accepted" in found["mutated trace runs"].text
    # Whatever happened may have happened silently.
    loose = Recording(lambda: [TRACE], silent=("Up", "Down"), rounds=2, end=lambda s: s.x == 0)
    found = held(Bindings(traces={"runs": loose}))
    assert "event missing: 3 of 3 such traces are accepted" in found["mutated trace runs"].text


def test_forgeries_change_one_thing_each():
    kinds = mutated_traces([Event("Up", {"i": 0}, {"x": [1, 2], "on": True}), {"action": "Down", "obs": {"x": [0, 2]}}])
    assert [len(group) for group in kinds.values()] == [1, 2, 1, 1, 2, 1]
    assert kinds["Up's i changed"][0][0].params == {"i": 1}
    assert [forged[k].obs["x"].tolist() for k, forged in enumerate(kinds["x changed"])] == [[0, 2], [1, 2]]
    assert kinds["on changed"][0][0].obs["on"] == 0


def test_machines_of_their_own():
    from hypothesis.stateful import rule, RuleBasedStateMachine

    class Fine(RuleBasedStateMachine):
        @rule()
        def nothing(self):
            pass

    class Broken(RuleBasedStateMachine):
        @rule()
        def fail(self):
            raise AssertionError("as it should")

    bound = {
        "fine": RandomMachine(Fine, {"broken": Broken, "fine too": Fine}),
        "broken": RandomMachine(Broken),
        "lazy": RandomMachine(Fine, enough=lambda machine: "nothing was tried"),
    }
    found = held(Bindings(machines=bound))
    outcomes = {name: result.outcome for name, result in found.items()}
    assert outcomes == {
        "machine fine": "passed", "code mutant fine/broken": "passed", "code mutant fine/fine too": "failed",
        "machine broken": "failed", "machine lazy": "failed",
    }  # fmt: skip
    assert found["machine fine"].played >= 5 * 10 and found["machine lazy"].text == "nothing was tried"


def test_a_module_with_machines_only_has_no_graph():
    found = load(subject("bounded_influence").path)
    assert found.error is None and found.spec is None and found.base is None
    row = summary(subject("bounded_influence"), results("bounded_influence", "clipped mean"))
    assert row["distinct"] is None and row["random"] >= 200 and row["verdict"] == "ok" and row["code mutants"] == "2/2"


def test_neighbours_of_one_name_do_not_meet(tmp_path):
    """Two folders, each with its own helper, and companions that import the specification beside them."""
    for name, highest in (("a", 2), ("b", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper.py").write_text(f"HIGHEST = {highest}\n")
        (tmp_path / name / "spec.py").write_text("from helper import HIGHEST\n\ndef spec():\n    return HIGHEST\n")
        (tmp_path / name / "implementation.py").write_text("import spec\n\nspec.SEEN = spec.HIGHEST\n")
    for name, highest in (("a", 2), ("b", 3), ("a", 2)):
        found = load(tmp_path / name / "spec.py")
        assert found.error is not None and "spec() returned int" in found.error
        assert highest == sys.modules[f"_ghostjax_spec_{tmp_path.name}_{name}_spec"].SEEN
        assert "helper" not in sys.modules and "spec" not in sys.modules


def test_for_the_night_the_larger_protocol_is_explored_and_the_code_held_to_the_one_it_implements(tmp_path):
    (tmp_path / "spec.py").write_text(
        "from tests.formal.test_bindings import counter\n\n\ndef spec():\n    return counter()\n\n\n"
        "def nightly():\n    return counter(9)\n"
    )
    (tmp_path / "implementation.py").write_text(
        "from tests.formal.test_bindings import Counter, Overflowing\nfrom ghostjax.formal import Implementation\n\n"
        "def implementations():\n    return {'code': Implementation(Counter, {'overflowing': Overflowing})}\n"
    )
    night = Subject(load(tmp_path / "spec.py", large=True), Budget(10_000, 60.0, 5, 10, large=True))
    found = {str(case): night.run(case) for case in night.cases()}
    assert {result.outcome for result in found.values()} == {"passed"}, found
    assert found["explored"].report is not None
    assert found["explored"].report.distinct == 10
