"""Everything that is checked about one specification, case by case, within a budget."""

import dataclasses
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ghostjax.formal._bindings import Implementation, Recording
from ghostjax.formal._check import check
from ghostjax.formal._find import explain, Found
from ghostjax.formal._machine import fuzz, play, replay, Statistics
from ghostjax.formal._program import Program
from ghostjax.formal._report import Report, Trace
from ghostjax.formal._spec import Mutant, Spec
from ghostjax.formal._trace_mutation import mutated_traces
from ghostjax.formal._validate import validate_traces, Validation


@dataclasses.dataclass(frozen=True)
class Budget:
    """The budget of one specification: states and seconds of exploration, random runs and their steps.

    `large` asks a module for its `nightly()` configuration, if it has one.
    """

    states: int
    seconds: float
    examples: int
    steps: int
    large: bool = False


BUDGETS = {
    "ci": Budget(states=20_000_000, seconds=60.0, examples=20, steps=30),
    "nightly": Budget(states=500_000_000, seconds=3600.0, examples=500, steps=50, large=True),
}

Outcome = Literal["passed", "failed", "error", "incomplete", "undecided"]
"""`incomplete`: a budget was used up. `undecided`: exploration ended at a violation that is a separate case."""


class Case(NamedTuple):
    """One case that is checked: its kind and its name (for a mutant: `original/mutant`)."""

    kind: Literal[
        "module", "explored", "invariant", "step", "leads-to", "witness", "action", "mutant", "random",
        "lock step", "trace", "mutated trace", "machine", "code mutant",
    ]  # fmt: skip
    name: str

    def __str__(self) -> str:
        return self.kind if self.name == self.kind else f"{self.kind} {self.name}"


class Result(NamedTuple):
    """The outcome of a case, with a readable text, its report (if any), and the amount of play: steps of a machine,
    traces validated."""

    case: Case
    outcome: Outcome
    text: str
    seconds: float
    report: Report | None = None
    played: int = 0


MUTANT_EFFORT = 10
"""A mutant of code gets up to this many times the random runs of a specification."""


class Subject:
    """One specification found in a file, checked lazily: results that several cases need are computed once."""

    def __init__(self, found: Found, budget: Budget):
        self.found, self.budget = found, budget
        self.name, self.path = found.name, found.path
        self._programs: dict[int, Program | Exception] = {}
        self._reports: dict[tuple[int, str], Report] = {}
        self._recorded: dict[str, list[Any]] = {}

    def cases(self) -> list[Case]:
        """All cases, in the order of the table."""
        found, spec = self.found, self.found.spec
        if found.error is not None:
            return [Case("module", "module")]
        cases = []
        if spec is not None:
            cases = [
                Case("explored", "explored"),
                *(Case("invariant", name) for name in spec.invariants),
                *(Case("step", name) for name in spec.steps),
                *(Case("leads-to", claim.name) for claim in spec.leads_to),
                *(Case("witness", name) for name in spec.witnesses),
                *(Case("action", action.name) for action in spec.actions),
                *(Case("mutant", mutant.name) for mutant in spec.mutants),
                Case("random", "random"),
            ]
        for name, code in found.bindings.implementations.items():
            cases += [Case("lock step", name), *(Case("code mutant", f"{name}/{mutant}") for mutant in code.mutants)]
        for name, recording in found.bindings.traces.items():
            cases += [Case("trace", name), Case("mutated trace", name)]
            cases += [Case("code mutant", f"{name}/{mutant}") for mutant in recording.mutants]
        for name, machine in found.bindings.machines.items():
            cases += [Case("machine", name), *(Case("code mutant", f"{name}/{mutant}") for mutant in machine.mutants)]
        return cases

    def results(self) -> Iterator[Result]:
        """All cases, one after the other."""
        return map(self.run, self.cases())

    def run(self, case: Case) -> Result:
        """Runs one case. An exception of the specification is the error of the case."""
        start = time.perf_counter()
        try:
            ended = self._run(case)
        except Exception as error:
            ended = ("error", explain(error, self.where(case)))
        outcome, text, *more = ended
        return Result(case, outcome, text, time.perf_counter() - start, *more)

    def where(self, case: Case) -> Path:
        """The file that a case is about."""
        bound = case.kind in ("lock step", "trace", "mutated trace", "machine", "code mutant")
        return self.found.beside if bound and self.found.beside is not None else self.path

    @property
    def report(self) -> Report:
        """The exploration of the specification without mutants."""
        assert self.found.spec is not None
        return self._check(self.found.spec, None)

    @property
    def program(self) -> Program:
        """The specification, traced once for all cases."""
        assert self.found.spec is not None
        return self._traced(self.found.spec)

    def _traced(self, spec: Spec) -> Program:
        if id(spec) not in self._programs:
            try:
                self._programs[id(spec)] = Program(spec)
            except Exception as error:
                self._programs[id(spec)] = error
        program = self._programs[id(spec)]
        if isinstance(program, Exception):
            raise program
        return program

    def _check(self, spec: Spec, mutant: Mutant | None) -> Report:
        key = id(spec), "" if mutant is None else mutant.name
        if key not in self._reports:
            limits = {"max_states": self.budget.states, "max_seconds": self.budget.seconds}
            self._reports[key] = check(self._traced(spec), mutant, **limits)
        return self._reports[key]

    def _run(self, case: Case) -> tuple[Any, ...]:
        """Outcome, text, and, if there are any, the report and the amount of play."""
        if case.kind == "module":
            return "error", self.found.error or ""
        if case.kind == "mutant":
            return self._mutant(case.name)
        if case.kind == "random":
            return self._passes(lambda: _fuzzed(self.program, None, self.budget))
        bound = self.found.bindings
        if case.kind == "lock step":
            return self._passes(lambda: self._lock_step(bound.implementations[case.name]))
        if case.kind == "trace":
            return self._trace(case.name)
        if case.kind == "mutated trace":
            return self._corrupted(case.name)
        if case.kind == "machine":
            return self._machine(case.name)
        if case.kind == "code mutant":
            return self._mutant_of_code(*case.name.split("/", 1))
        report = self.report
        if case.kind == "explored":
            return self._explored(report)
        failed = case.name in report.properties
        if failed and case.kind in ("invariant", "step", "leads-to"):
            return "failed", str(report), report
        reached = {
            "witness": lambda: report.witnesses[case.name],
            "action": lambda: report.coverage[case.name]["enabled"] > 0,
        }.get(case.kind)
        if reached is not None and reached():
            return "passed", "", report
        if report.verdict == "incomplete":
            return "incomplete", f"incomplete: {'; '.join(report.problems)}", report
        if report.verdict not in ("ok", "vacuous") and not report.liveness:
            return "undecided", f"exploration ended at {', '.join(report.properties)}", report
        if reached is not None:
            return "failed", f"{case.name}: never {'reached' if case.kind == 'witness' else 'enabled'}", report
        empty = [problem for problem in report.problems if problem.startswith(f"{case.name}: ")]
        return ("failed", empty[0], report) if empty else ("passed", "", report)

    def _explored(self, report: Report) -> tuple[Outcome, str, Report]:
        if report.verdict == "incomplete":
            return "incomplete", f"incomplete: {'; '.join(report.problems)}", report
        properties = {"OutOfBounds", "Deadlock"} & set(report.properties)
        if properties:
            return "failed", str(report), report
        if report.verdict in ("ok", "vacuous") or report.liveness:
            counts = ("distinct", "generated", "depth", "terminal")
            wrong = [
                f"{name}: {getattr(report, name)}, the manifest has {self.found.manifest[name]}"
                for name in counts
                if self.found.manifest.get(name, getattr(report, name)) != getattr(report, name)
            ]
            if wrong:
                return "failed", "; ".join(wrong), report
            return "passed", "", report
        return "undecided", f"exploration ended at {', '.join(report.properties)}", report

    def _mutant(self, name: str) -> tuple[Outcome, str, Report]:
        spec = self.program.spec
        mutant = next(m for m in spec.mutants if m.name == name)
        report = self._check(spec, mutant)
        length = report.trace.length if report.trace is not None else 0
        if report.verdict == "incomplete":
            return "incomplete", f"incomplete: {'; '.join(report.problems)}", report
        if mutant.fires in report.properties and length == mutant.length:
            return "passed", "", report
        expected = f"{mutant.fires} with a counterexample of {mutant.length} states"
        found = f"{', '.join(report.properties) or report.verdict}" + (f" with {length} states" if length else "")
        return "failed", f"mutant {name}: expected {expected}, found {found}\n{report}", report

    def _passes(self, run: Any) -> tuple[Any, ...]:
        try:
            statistics = run()
        except AssertionError as error:
            return "failed", _said(error)
        refusals = f", {statistics.refused} refusals" if statistics.refused else ""
        played = statistics.steps + statistics.refused
        text = f"{statistics.steps} steps{refusals}, {len(statistics.visited)} states visited"
        text += f", never {', '.join(statistics.never)}" if statistics.never else ""
        return "passed", text, None, played

    def _lock_step(self, bound: Implementation, code: Any = None, effort: int = 1, **settings: Any) -> Statistics:
        """Plays the counterexamples of the specification's mutants, and random runs, on the code or a mutant of it."""
        spec = bound.spec or self.found.base
        assert spec is not None
        program, code = self._traced(spec), code or bound.code
        # Counterexamples come from the module's base specification, where they cost least.
        traces = self._counterexamples(spec) if bound.spec is None else {}
        replayed = replay(program, code, traces)
        statistics = _fuzzed(program, code, self.budget, effort, **settings)
        statistics.steps += replayed.steps
        statistics.refused += replayed.refused
        statistics.visited |= replayed.visited
        statistics.actions = {name: n + replayed.actions[name] for name, n in statistics.actions.items()}
        return statistics

    def _counterexamples(self, spec: Spec) -> dict[str, Trace]:
        reports = {mutant.name: self._check(spec, mutant) for mutant in spec.mutants}
        return {f"mutant {name}": report.trace for name, report in reports.items() if report.trace is not None}

    def _validate(self, recording: Recording, traces: list[Any]) -> list[Validation]:
        assert self.found.base is not None
        how = {"silent": recording.silent, "end": recording.end, "rounds": recording.rounds}
        return validate_traces(self._traced(self.found.base), traces, recording.project, **how)

    def _record(self, name: str) -> list[Any]:
        if name not in self._recorded:
            self._recorded[name] = [list(trace) for trace in self.found.bindings.traces[name].record()]
        return self._recorded[name]

    def _trace(self, name: str) -> tuple[Any, ...]:
        traces = self._record(name)
        verdicts = self._validate(self.found.bindings.traces[name], traces)
        wrong = [f"trace {i}: {verdict}" for i, verdict in enumerate(verdicts) if not verdict.ok]
        if wrong or not traces:
            return "failed", "\n".join(wrong) or "nothing was recorded", None, len(traces)
        events = sum(map(len, traces))
        return "passed", f"{len(traces)} traces, {events} events", None, len(traces)

    def _corrupted(self, name: str) -> tuple[Any, ...]:
        """Whether the recorded traces are refused after they were emptied, truncated or corrupted."""
        recording, traces = self.found.bindings.traces[name], self._record(name)
        if not traces:
            return "failed", "nothing was recorded"
        mutated = mutated_traces(traces[0])
        verdicts = iter(self._validate(recording, [trace for group in mutated.values() for trace in group]))
        lacking, refused = [], 0
        for kind, group in mutated.items():
            accepted = sum(next(verdicts).ok for _ in group)
            refused += len(group) - accepted
            # No truncated trace may pass. Of another kind of corruption, not all traces may pass.
            if accepted == len(group) or (accepted and kind in ("empty", "truncated")):
                lacking.append(f"{kind}: {accepted} of {len(group)} such traces are accepted")
        if lacking:
            return "failed", "\n".join([*lacking, "give `end`, `rounds` or more observations"])
        return "passed", f"{refused} of {sum(map(len, mutated.values()))} refused"

    def _machine(self, name: str) -> tuple[Any, ...]:
        bound = self.found.bindings.machines[name]
        try:
            steps = play(bound.machine, bound.effort * self.budget.examples, self.budget.steps)
        except AssertionError as error:
            return "failed", _said(error)
        lacking = bound.enough(bound.machine) if bound.enough is not None else None
        return ("failed", lacking, None, steps) if lacking else ("passed", f"{steps} steps", None, steps)

    def _mutant_of_code(self, of: str, name: str) -> tuple[Any, ...]:
        """A mutant must be caught. Hypothesis does not shrink the failure, which nobody reads."""
        from hypothesis import Phase

        bound, settings = self.found.bindings, {"phases": [Phase.generate]}
        if of in bound.traces and name in bound.traces[of].mutants:
            recording = bound.traces[of]
            verdict = self._validate(recording, [list(recording.mutants[name]())])[0]
            return ("failed", f"{name}: its trace is accepted") if verdict.ok else ("passed", verdict.why)
        try:
            if of in bound.implementations and name in bound.implementations[of].mutants:
                implementation = bound.implementations[of]
                self._lock_step(implementation, implementation.mutants[name], MUTANT_EFFORT, **settings)
            else:
                effort = MUTANT_EFFORT * bound.machines[of].effort * self.budget.examples
                play(bound.machines[of].mutants[name], effort, self.budget.steps, **settings)
        except AssertionError as error:
            return "passed", str(error).splitlines()[0] if str(error) else "caught"
        return "failed", f"{name}: the mutant of {of} is not caught"


def _fuzzed(program: Program, code: Any, budget: Budget, effort: int = 1, **settings: Any) -> Statistics:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fuzz: .* never took")  # the result contains it
        return fuzz(program, code, examples=effort * budget.examples, steps=budget.steps, **settings)


def _said(error: AssertionError) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def summary(subject: Subject, results: list[Result]) -> dict[str, Any]:
    """One row of the table: verdict, counts, caught mutants (also of code), witnesses, steps, traces, seconds."""
    report = next((r.report for r in results if r.case.kind == "explored" and r.report is not None), None)
    of = lambda *kinds: [r for r in results if r.case.kind in kinds]
    good = lambda kind: f"{sum(r.outcome == 'passed' for r in of(kind))}/{len(of(kind))}" if of(kind) else "-"
    played = lambda *kinds: sum(r.played for r in of(*kinds) if r.outcome == "passed") if of(*kinds) else None
    return {
        "spec": subject.name,
        "verdict": verdict(results, report),
        "distinct": report.distinct if report else None,
        "generated": report.generated if report else None,
        "depth": report.depth if report else None,
        "mutants": good("mutant"),
        "witnesses": good("witness"),
        "random": played("random", "machine"),
        "lock step": played("lock step"),
        "traces": played("trace"),
        "code mutants": good("code mutant"),
        "seconds": sum(r.seconds for r in results),
        "path": str(Path(subject.path)),
    }


def verdict(results: list[Result], report: Report | None) -> str:
    """The verdict on a specification in one word: `ok` only if every case passed."""
    outcomes = {r.outcome for r in results}
    failed = {r.case.kind for r in results if r.outcome == "failed"}
    if "error" in outcomes:
        return "error"
    if report is not None and report.verdict not in ("ok",):
        return report.verdict
    for kind, word in {"mutant": "mutant lives", "code mutant": "code mutant lives"}.items():
        if kind in failed:
            return word
    if failed & {"lock step", "trace", "mutated trace"}:
        return "code differs"
    if failed:
        return "violated"
    return "incomplete" if "incomplete" in outcomes else "ok"
