"""Machines: the specification at random, alone and in lock step with the code that implements it."""

import subprocess
import sys
import time
from collections import namedtuple
from functools import partial

import numpy as np
import pytest
from hypothesis import Phase
from hypothesis.stateful import RuleBasedStateMachine
from implementations import (
    ArithmeticRound,
    ForgetfulRun,
    InterruptedRun,
    LenientRegistry,
    RecklessWorkers,
    Registry,
    TwoWorkers,
    UncappedTopUp,
    UntrimmedRound,
)
from specifications import ALL, manifest, module, program

from ghostjax.formal import Action, as_state_machine, fuzz, LeadsTo, Program, Spec, Var


@pytest.mark.parametrize("name", ALL)
def test_specification_survives_random_play(name):
    statistics = fuzz(program(name))
    print(f"{name}: {statistics} of {manifest(name)['distinct']}")
    assert statistics.runs >= 50 and 20 < len(statistics.visited) <= manifest(name)["distinct"]


@pytest.mark.parametrize(
    ("name", "mutant"),
    [("robust_round", "replay"), ("slashing", "whitewash")],
)
def test_mutant_is_found_and_reads_like_a_protocol_trace(name, mutant):
    chosen = next(m for m in program(name).spec.mutants if m.name == mutant)
    with pytest.raises(AssertionError, match=f"{name}: .*{chosen.fires}.* violated") as caught:
        fuzz(program(name), mutant=chosen, examples=400)
    program_text = "\n".join(caught.value.__notes__)
    played = [line for line in caught.value.__notes__ if line.startswith("state.") and "(" in line]
    assert "state.Init(index=0)" in program_text
    assert chosen.length - 1 <= len(played) - 2 <= chosen.length + 2, program_text


LOCK_STEP = [
    ("admission", Registry, 60),
    ("robust_round", ArithmeticRound, 60),
    ("cell_store", TwoWorkers, 30),
    ("checkpoint", InterruptedRun, 8),
]


@pytest.mark.parametrize(("name", "implementation", "examples"), LOCK_STEP)
def test_implementation_and_specification_in_lock_step(name, implementation, examples):
    statistics = fuzz(program(name), implementation, examples=examples, steps=25)
    assert statistics.steps >= 2 * examples
    assert (statistics.refused > 0) == hasattr(implementation, "refuses")


@pytest.mark.parametrize(
    ("name", "broken", "message"),
    [
        ("admission", UncappedTopUp, "w after TopUp"),
        ("admission", LenientRegistry, "did Contribute.*not enabled"),
        ("robust_round", UntrimmedRound, "hi after Trim"),
        ("checkpoint", ForgetfulRun, "old after Kill"),
    ],
)
def test_broken_implementation_is_caught(name, broken, message):
    with pytest.raises(AssertionError, match=message):
        fuzz(program(name), broken, examples=200, steps=25, phases=[Phase.generate])


def test_counterexample_of_a_mutant_replayed_on_the_code():
    """A slow worker finishes after its claim was taken over: rare in random play, so the checker's trace is played."""
    steps = [("Take", {"w": 0, "c": 0}), ("Expire", {"w": 0}), ("Take", {"w": 1, "c": 0}), ("Finish", {"w": 0})]
    recorded = manifest("cell_store")["mutants"]["releases_any"]["actions"]
    assert [action for action, _ in steps] == [text.split("(")[0] for text in recorded]

    def play(implementation):
        machine = as_state_machine(program("cell_store"), implementation)()
        machine.Init(index=0)
        try:
            for action, params in steps:
                getattr(machine, action)(params=params)
        finally:
            machine.teardown()

    play(TwoWorkers)
    with pytest.raises(AssertionError, match=r"hold after Finish\(w=0\)"):
        play(RecklessWorkers)


def test_sizes_that_cannot_be_explored():
    """Twelve nodes, three of them Byzantine: more than 10^8 states, against the real rules."""
    robust_round = module("robust_round")
    big = robust_round.spec(robust_round.Bounds(nodes=12, byzantine=3))
    statistics = fuzz(Program(big, "numpy"), partial(ArithmeticRound, byzantine=3), examples=10, steps=60)
    assert statistics.steps > 30 and statistics.refused > 100


def test_two_hundred_steps_per_second_with_the_implementation_attached():
    implemented = partial(fuzz, program("admission"), Registry, examples=40, steps=30)
    implemented()
    began = time.process_time()
    statistics = implemented()
    seconds = time.process_time() - began
    assert statistics.steps + statistics.refused >= 200 * seconds, f"{statistics} in {seconds:.2f} s"


def test_terminal_states_stutter_and_out_of_bounds_fails():
    State = namedtuple("State", "x")
    up = lambda s, bug: (s.x < 3, State(s.x + 1))
    spec = Spec("counter", State, {"x": Var((), 3)}, [State(0)], (Action("Up", up),))
    assert len(fuzz(spec).visited) == 4
    with pytest.raises(AssertionError, match=r"counter: OutOfBounds after Up\(\)"):
        fuzz(spec._replace(variables={"x": Var((), 2)}))


def test_a_pending_promise_grows_hot():
    State = namedtuple("State", "x")
    actions = (Action("Wait", lambda s, bug: (s.x >= 0, s)), Action("Go", lambda s, bug: (s.x == 0, State(s.x + 1))))
    claim = LeadsTo("Leaves", lambda s: s.x == 0, lambda s: s.x == 2)
    spec = Spec("waiting", State, {"x": Var((), 2)}, [State(0)], actions, leads_to=(claim,))
    fuzz(spec)
    with pytest.raises(AssertionError, match="waiting: Leaves suspected: pending for 10 steps"):
        fuzz(spec, temperature=10, phases=[Phase.generate])


def test_an_incomplete_implementation_is_refused():
    class Half:
        def __init__(self, state):
            pass

        def abstraction(self):
            return {}

    with pytest.raises(ValueError, match=r"Half: has no Submit, Aggregate, Trim, NextRound"):
        fuzz(program("robust_round"), Half)


def test_the_machine_is_an_ordinary_hypothesis_machine():
    machine = as_state_machine(program("robust_round"))
    assert issubclass(machine, RuleBasedStateMachine)
    played = machine()
    played.Init(index=0)
    for i in range(3):
        played.Submit(params={"i": i, "v": 1})
    played.Aggregate()
    np.testing.assert_array_equal(played._node.state["lo"], 3)
    played.teardown()


def test_importing_formal_does_not_load_hypothesis():
    code = "import sys, ghostjax.formal; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
