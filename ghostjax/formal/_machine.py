"""Hypothesis machines: a specification played at random, alone or in lock step with the code that implements it."""

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, TYPE_CHECKING

import numpy as np

from ghostjax.formal._declared import initial_states
from ghostjax.formal._encoding import keys, pack_many, unpack_many
from ghostjax.formal._program import Program
from ghostjax.formal._report import Trace
from ghostjax.formal._spec import Label, LeadsTo, Mutant, Spec


if TYPE_CHECKING:
    from hypothesis import settings
    from hypothesis.stateful import RuleBasedStateMachine


@dataclasses.dataclass
class Statistics:
    """The statistics of a machine: runs, steps (also per action), forbidden steps tried, keys of visited states."""

    runs: int = 0
    steps: int = 0
    refused: int = 0
    visited: set[Any] = dataclasses.field(default_factory=set)
    actions: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def never(self) -> tuple[str, ...]:
        """The actions that were never taken."""
        return tuple(name for name, count in self.actions.items() if not count)

    def __str__(self) -> str:
        text = f"{self.runs} runs, {self.steps} steps, {self.refused} refusals, {len(self.visited)} states visited"
        return text + (f", never {', '.join(self.never)}" if self.never else "")


def as_state_machine(
    spec: Spec | Program,
    implementation: Callable[[Any], Any] | None = None,
    *,
    mutant: Mutant | None = None,
    temperature: int | None = None,
) -> "type[RuleBasedStateMachine]":
    """A `RuleBasedStateMachine` that plays `spec`: one rule per action, every claim asserted by name at every step.

    Parameters are drawn from the enabled labels, so that nothing is filtered. If nothing is enabled, a rule `Stutter`
    does nothing. With an `implementation` both run in lock step. It is called once per run with the initial state and
    returns an object with

        a method per action     named as the action, called with its parameters by name;
        abstraction()           the specification's variables, or some of them, as seen in the implementation;
        refuses                 (optional) the exception by which it refuses a step that is not enabled, or one
                                per action: such steps are then tried too, and must raise it and change nothing;
        close()                 (optional) called at the end of a run.

    After every step `abstraction()` must equal the specification's state. `mutant` plays a broken variant.
    `temperature` reports a leads-to as suspect once its premise was pending for that many steps in a row: a
    heuristic, since a random run need not be fair.

    The class keeps `statistics`. Errors: `ValueError` if the implementation lacks a method.
    """
    from hypothesis import strategies as st
    from hypothesis.stateful import initialize, precondition, rule, RuleBasedStateMachine

    oracle = _Oracle(spec if isinstance(spec, Program) else Program(spec, "numpy"), mutant)
    spec = oracle.program.spec
    refusals = _refusals(implementation, spec)
    held = [claim for claim in spec.leads_to if claim.holds]

    class Machine(RuleBasedStateMachine):
        statistics = Statistics(actions={action.name: 0 for action in spec.actions})

        def __init__(self) -> None:
            super().__init__()
            self._node: _Node | None = None
            self._code: Any = None
            self._pending = dict.fromkeys((claim.name for claim in held), 0)
            type(self).statistics.runs += 1

        def _begin(self, index: int) -> None:
            node = oracle.at(oracle.initial[index])
            if implementation is not None:
                self._code = implementation(spec.state(**node.state))
                _complete(self._code, spec)
            self._arrive(node, "at the start")

        def _take(self, action: str, params: Mapping[str, int]) -> None:
            assert self._node is not None
            label, after = oracle.step(self._node, action, params)
            if self._code is not None:
                try:
                    getattr(self._code, action)(**params)
                except refusals.get(action, ()) as error:
                    raise AssertionError(
                        f"{spec.name}: the implementation refused {label}, which is enabled"
                    ) from error
            type(self).statistics.steps += 1
            type(self).statistics.actions[action] += 1
            self._arrive(after, f"after {label}")

        def _arrive(self, node: "_Node", when: str) -> None:
            type(self).statistics.visited.add(node.key)
            self._node = node
            oracle.hold(node, when)
            if self._code is not None:
                _same(self._code, node, spec.name, when)
            if temperature is not None:
                self._warm(node, temperature)

        def _warm(self, node: "_Node", limit: int) -> None:
            for claim, (p, q) in zip(held, oracle.pending(node, held), strict=True):
                waiting = not q and (p or self._pending[claim.name] > 0)
                self._pending[claim.name] = self._pending[claim.name] + 1 if waiting else 0
                assert self._pending[claim.name] <= limit, (
                    f"{spec.name}: {claim.name} suspected: pending for {limit} steps"
                )

        def _refuse(self, action: str, params: Mapping[str, int]) -> None:
            assert self._node is not None
            label = Label(action, params)
            type(self).statistics.refused += 1
            try:
                getattr(self._code, action)(**params)
            except refusals[action]:
                _same(self._code, self._node, spec.name, f"after refusing {label}")
                return
            raise AssertionError(f"{spec.name}: the implementation did {label}, which is not enabled")

        def _replay(self, trace: Trace) -> None:
            """Plays a trace as long as the specification allows it; the code must refuse the first forbidden step."""
            self._begin(oracle.index(trace.steps[0].state))
            for step in trace.steps[1:]:
                assert step.label is not None
                action, params = step.label
                if dict(params) in self._choices(action):
                    self._take(action, params)
                    continue
                if action in refusals:
                    self._refuse(action, params)
                return

        def _choices(self, action: str) -> list[dict[str, int]]:
            return [] if self._node is None else self._node.choices.get(action, [])

        def teardown(self) -> None:
            close = getattr(self._code, "close", None)
            if close is not None:
                close()

    members: dict[str, Any] = {}
    for action in spec.actions:
        if hasattr(Machine, action.name):
            raise ValueError(f"as_state_machine: spec={spec.name}: action {action.name}: the name is taken; rename it")
        members[action.name] = _rule(action.name, bool(action.params), st, rule, precondition)

    def initial(self: Any, index: int) -> None:
        self._begin(index)

    initial.__name__ = "Init"
    members["Init"] = initialize(index=st.integers(0, len(oracle.initial) - 1))(initial)

    def stutter(self: Any) -> None:
        """Nothing is enabled, and nothing happens."""

    stutter.__name__ = "Stutter"
    stuck = lambda self: self._node is not None and not self._node.choices
    members["Stutter"] = precondition(stuck)(rule()(stutter))
    if refusals:
        members["Refused"] = _refused(refusals, st, rule, precondition)
    name = spec.name if mutant is None else f"{spec.name}_{mutant.name}"
    return type(name, (Machine,), members)


def fuzz(
    spec: Spec | Program,
    implementation: Callable[[Any], Any] | None = None,
    *,
    mutant: Mutant | None = None,
    temperature: int | None = None,
    examples: int = 50,
    steps: int = 30,
    **overrides: Any,
) -> Statistics:
    """Runs `as_state_machine(...)` for `examples` runs of at most `steps` steps; `overrides` are Hypothesis settings.

    A failure raises its exception, with the shortest sequence of steps that Hypothesis found as a note. Random play
    does not remember states and is not exhaustive. `check` is the gate; random play reaches real code, and sizes that
    `check` cannot. It fails if it never took a step; a warning names actions that it never took.
    """
    from hypothesis.stateful import run_state_machine_as_test

    machine: Any = as_state_machine(spec, implementation, mutant=mutant, temperature=temperature)
    run_state_machine_as_test(machine, settings=fuzz_settings(examples, steps, **overrides))
    found: Statistics = machine.statistics
    name, never = (spec.spec if isinstance(spec, Program) else spec).name, ", ".join(found.never)
    if found.never and not found.steps:
        raise AssertionError(f"fuzz: {name}: took no step in {found.runs} runs: nothing enabled {never}")
    if found.never:
        warnings.warn(
            f"fuzz: {name}: random play never took {never} in {found.steps} steps; give more examples or steps, or "
            "look whether it can be enabled (check does)",
            stacklevel=2,
        )
    return found


def play(machine: "type[RuleBasedStateMachine]", examples: int = 50, steps: int = 30, **overrides: Any) -> int:
    """Runs any Hypothesis machine as `fuzz` does and returns the number of steps taken."""
    from hypothesis.stateful import run_state_machine_as_test

    taken = 0

    class Counted(machine):
        def check_invariants(self, *rest: Any, **more: Any) -> None:
            nonlocal taken
            taken += 1
            super().check_invariants(*rest, **more)

    Counted.__name__ = Counted.__qualname__ = machine.__name__
    run_state_machine_as_test(Counted, settings=fuzz_settings(examples, steps, **overrides))
    return taken


def replay(spec: Spec | Program, implementation: Callable[[Any], Any], traces: Mapping[str, Trace]) -> Statistics:
    """Plays traces, such as the counterexamples of mutants, on the specification and its implementation in lock step.

    Each trace is followed as long as the specification allows it. An implementation that can refuse must refuse the
    first step that the specification forbids. So steps that are rare in random play are tried for certain.
    """
    machine: Any = as_state_machine(spec, implementation)
    for name, trace in traces.items():
        played = machine()
        try:
            played._replay(trace)
        except AssertionError as error:
            error.add_note(f"replaying {name}:\n{trace}")
            raise
        finally:
            played.teardown()
    return machine.statistics


def fuzz_settings(examples: int = 50, steps: int = 30, **overrides: Any) -> "settings":
    """Hypothesis settings for machines in CI: the same runs every time, no deadline, one failure reported."""
    from hypothesis import HealthCheck, settings

    chosen: dict[str, Any] = {
        "max_examples": examples,
        "stateful_step_count": steps,
        "deadline": None,
        "derandomize": True,
        "database": None,
        "report_multiple_bugs": False,
        "print_blob": False,
        "suppress_health_check": list(HealthCheck),
    }
    return settings(**{**chosen, **overrides})


def _rule(name: str, has_params: bool, st: Any, rule: Any, precondition: Any) -> Any:
    def with_params(self: Any, params: dict[str, int]) -> None:
        self._take(name, params)

    def without(self: Any) -> None:
        self._take(name, {})

    body: Any = with_params if has_params else without
    body.__name__ = name
    drawn = st.runner().flatmap(lambda self: st.sampled_from(self._choices(name)))
    able = lambda self: bool(self._choices(name))
    return precondition(able)(rule(**({"params": drawn} if has_params else {}))(body))


def _refusals(implementation: Any, spec: Spec) -> dict[str, Any]:
    """By action, the exception by which the implementation refuses."""
    made = implementation.func if isinstance(implementation, partial) else implementation
    refuses = getattr(made, "refuses", {})
    return dict(refuses) if isinstance(refuses, Mapping) else {action.name: refuses for action in spec.actions}


def _refused(refusals: dict[str, Any], st: Any, rule: Any, precondition: Any) -> Any:
    def choices(self: Any) -> list[tuple[str, dict[str, int]]]:
        return [] if self._node is None else [label for label in self._node.forbidden if label[0] in refusals]

    def refused(self: Any, label: tuple[str, dict[str, int]]) -> None:
        self._refuse(*label)

    refused.__name__ = "Refused"
    drawn = st.runner().flatmap(lambda self: st.sampled_from(choices(self)))
    return precondition(lambda self: bool(choices(self)))(rule(label=drawn)(refused))


def _complete(code: Any, spec: Spec) -> None:
    wanted = [action.name for action in spec.actions] + ["abstraction"]
    missing = [name for name in wanted if not callable(getattr(code, name, None))]
    if missing:
        raise ValueError(
            f"as_state_machine: implementation={type(code).__name__}: has no {', '.join(missing)}; "
            f"give it a method per action of {spec.name}, and abstraction()"
        )


def _same(code: Any, node: "_Node", name: str, when: str) -> None:
    seen = code.abstraction()
    for variable, value in seen.items():
        expected = node.state[variable]
        assert np.array_equal(expected, value), (
            f"{name}: {variable} {when}: the specification has {expected.tolist()}, "
            f"the implementation {np.asarray(value).tolist()}"
        )


@dataclasses.dataclass
class _Node:
    """One state with its variables, enabled labels, successors and violated claims."""

    key: Any
    words: np.ndarray
    state: dict[str, np.ndarray]
    labels: list[Label]
    enabled: np.ndarray
    successors: np.ndarray
    outside: np.ndarray
    wrong: np.ndarray
    broken: tuple[str, ...]
    pending: list[tuple[bool, bool]] | None = None

    # Most states are expanded ahead and never visited, so these are computed on demand.

    @cached_property
    def choices(self) -> dict[str, list[dict[str, int]]]:
        """The parameters of the enabled labels, by action."""
        found: dict[str, list[dict[str, int]]] = {}
        for i in np.flatnonzero(self.enabled):
            found.setdefault(self.labels[i].action, []).append(dict(self.labels[i].params))
        return found

    @cached_property
    def forbidden(self) -> list[tuple[str, dict[str, int]]]:
        """The labels that are not enabled."""
        return [(self.labels[i].action, dict(self.labels[i].params)) for i in np.flatnonzero(~self.enabled)]


class _Oracle:
    """The specification as a table of states, which is filled on visits and kept between runs."""

    AHEAD = 32
    """States that are expanded together: the smallest batch costs as much as one state."""

    def __init__(self, program: Program, mutant: Mutant | None):
        self.program, self.bug = program, 0 if mutant is None else mutant.bug
        spec = program.spec
        only = None if mutant is None else mutant.only
        kept = lambda names: np.array([only is None or name in only for name in names], bool)
        self._invariants, self._steps = list(spec.invariants), list(spec.steps)
        self._invariants_on, self._steps_on = kept(self._invariants), kept(self._steps)
        self._index = {(l.action, tuple(l.params.values())): i for i, l in enumerate(program.labels)}
        self._nodes: dict[Any, _Node] = {}
        self._waiting: dict[Any, np.ndarray] = {}
        self.initial, inside = pack_many(program.layout, initial_states(spec))
        if not inside.all():
            raise ValueError(f"{spec.name}: an initial state is out of bounds")

    def at(self, words: np.ndarray) -> _Node:
        """The node of a state. A new state is expanded, together with states seen and not yet expanded."""
        key = keys(words[None])[0].item()
        if key not in self._nodes:
            self._waiting.pop(key, None)
            batch = [words]
            while self._waiting and len(batch) < self.AHEAD:
                batch.append(self._waiting.popitem()[1])
            self._expand(np.stack(batch))
        return self._nodes[key]

    def index(self, state: Mapping[str, np.ndarray]) -> int:
        """The initial state with these variables."""
        batch = {name: np.asarray(value)[None] for name, value in state.items()}
        words, _ = pack_many(self.program.layout, batch)
        return int(np.flatnonzero((self.initial == words).all(1))[0])

    def step(self, node: _Node, action: str, params: Mapping[str, int]) -> tuple[Label, _Node]:
        """The label taken and the node it leads to; a step out of bounds or against a step invariant fails."""
        name = self.program.spec.name
        index = self._index[action, tuple(params.values())]
        label = self.program.labels[index]
        assert not node.outside[index], f"{name}: OutOfBounds after {label}"
        wrong = [step for step, bad in zip(self._steps, node.wrong[index], strict=True) if bad]
        assert not wrong, f"{name}: {', '.join(wrong)} violated by {label}"
        return label, self.at(node.successors[index])

    def hold(self, node: _Node, when: str) -> None:
        """Asserts the invariants of a state."""
        assert not node.broken, f"{self.program.spec.name}: {', '.join(node.broken)} violated {when}"

    def pending(self, node: _Node, claims: list[LeadsTo]) -> list[tuple[bool, bool]]:
        """Both sides of each leads-to in a state."""
        if node.pending is None:
            sides = [side for claim in claims for side in (claim.p, claim.q)]
            values = self.program.predicates(sides, node.words[None])[0] if sides else np.zeros(0, bool)
            node.pending = [(bool(p), bool(q)) for p, q in values.reshape(-1, 2)]
        return node.pending

    def _expand(self, words: np.ndarray) -> None:
        out = self.program.expand(words, self.bug)
        failed = ~self.program.inspect(words, self.bug).invariants & self._invariants_on[None, :]
        fields = unpack_many(self.program.layout, words)
        for b, key in enumerate(keys(words).tolist()):
            self._nodes[key] = _Node(
                key=key,
                words=words[b],
                state={name: np.asarray(values[b]) for name, values in fields.items()},
                labels=self.program.labels,
                enabled=out.enabled[b],
                successors=out.words[b],
                outside=out.enabled[b] & ~out.inside[b],
                wrong=~out.steps[b] & self._steps_on[None, :],
                broken=tuple(n for n, bad in zip(self._invariants, failed[b], strict=True) if bad),
            )
        seen = out.words[out.enabled & out.inside]
        for key, row in zip(keys(seen).tolist() if len(seen) else [], seen, strict=True):
            if key not in self._nodes:
                self._waiting[key] = row
