"""Machines: the specification at random."""

import subprocess
import sys
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase
from hypothesis.stateful import RuleBasedStateMachine

from ghostjax.formal import Action, as_state_machine, fuzz, LeadsTo, Spec, Var

from .specifications import FURTHER, manifest, MISSION, program


@pytest.mark.parametrize(
    "name", [*MISSION[:3], *(pytest.param(name, marks=pytest.mark.slow) for name in MISSION[3:] + FURTHER)]
)
def test_specification_survives_random_play(name):
    statistics = fuzz(program(name), examples=20)
    print(f"{name}: {statistics} of {manifest(name)['distinct']}")
    assert statistics.runs >= 20 and 20 < len(statistics.visited) <= manifest(name)["distinct"]


@pytest.mark.parametrize(
    ("name", "mutant"),
    [("robust_round", "replay"), pytest.param("slashing", "whitewash", marks=pytest.mark.slow)],
)
def test_mutant_is_found_and_reads_like_a_protocol_trace(name, mutant):
    chosen = next(m for m in program(name).spec.mutants if m.name == mutant)
    with pytest.raises(AssertionError, match=f"{name}: .*{chosen.fires}.* violated") as caught:
        fuzz(program(name), mutant=chosen, examples=400)
    program_text = "\n".join(caught.value.__notes__)
    played = [line for line in caught.value.__notes__ if line.startswith("state.") and "(" in line]
    assert "state.Init(index=0)" in program_text
    assert chosen.length - 1 <= len(played) - 2 <= chosen.length + 2, program_text


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
    played: Any = machine()  # its rules are named by the specification
    played.Init(index=0)
    for i in range(3):
        played.Submit(params={"i": i, "v": 1})
    played.Aggregate()
    np.testing.assert_array_equal(played._node.state["lo"], 3)
    played.teardown()


def test_importing_formal_does_not_load_hypothesis():
    code = "import sys, ghostjax.formal; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
