"""Everything that is checked about one specification, case by case, within a budget."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ghostjax.formal._check import check
from ghostjax.formal._find import explain, Found
from ghostjax.formal._machine import fuzz
from ghostjax.formal._program import Program
from ghostjax.formal._report import Report


@dataclasses.dataclass(frozen=True)
class Budget:
    """What one specification may cost: states and seconds of exploration, random runs and their steps.

    `large` asks a module for its `nightly()` configuration, where it has one.
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
"""`incomplete`: a budget was used up; `undecided`: exploration ended at a violation that is a case of its own."""


class Case(NamedTuple):
    """One thing that is checked: of what kind, and its name."""

    kind: Literal["module", "explored", "invariant", "step", "leads-to", "witness", "action", "mutant", "random"]
    name: str

    def __str__(self) -> str:
        return self.kind if self.name == self.kind else f"{self.kind} {self.name}"


class Result(NamedTuple):
    """How a case ended, with a text that a person can read and the report behind it, if any."""

    case: Case
    outcome: Outcome
    text: str
    seconds: float
    report: Report | None = None


class Subject:
    """One specification found in a file, checked lazily: what several cases need is computed once."""

    def __init__(self, found: Found, budget: Budget):
        self.found, self.budget = found, budget
        self.name, self.path = found.name, found.path
        self._program: Program | None = None
        self._report: Report | None = None
        self._error: Exception | None = None

    def cases(self) -> list[Case]:
        """All cases, in the order in which they are best read."""
        spec = self.found.spec
        if spec is None:
            return [Case("module", "module")]
        return [
            Case("explored", "explored"),
            *(Case("invariant", name) for name in spec.invariants),
            *(Case("step", name) for name in spec.steps),
            *(Case("leads-to", claim.name) for claim in spec.leads_to),
            *(Case("witness", name) for name in spec.witnesses),
            *(Case("action", action.name) for action in spec.actions),
            *(Case("mutant", mutant.name) for mutant in spec.mutants),
            Case("random", "random"),
        ]

    def results(self) -> Iterator[Result]:
        """All cases, one after the other."""
        return map(self.run, self.cases())

    def run(self, case: Case) -> Result:
        """One case; whatever the specification raises is its error."""
        start = time.perf_counter()
        try:
            outcome, text, report = self._run(case)
        except Exception as error:
            outcome, text, report = "error", explain(error, self.path), None
        return Result(case, outcome, text, time.perf_counter() - start, report)

    @property
    def report(self) -> Report:
        """The exploration of the specification as it stands."""
        if self._report is None:
            self._report = check(self.program, max_states=self.budget.states, max_seconds=self.budget.seconds)
        return self._report

    @property
    def program(self) -> Program:
        """The specification, traced once for all cases."""
        if self._error is not None:
            raise self._error
        if self._program is None:
            assert self.found.spec is not None
            try:
                self._program = Program(self.found.spec)
            except Exception as error:
                self._error = error
                raise
        return self._program

    def _run(self, case: Case) -> tuple[Outcome, str, Report | None]:
        if case.kind == "module":
            return "error", self.found.error or "", None
        if case.kind == "mutant":
            return self._mutant(case.name)
        if case.kind == "random":
            return self._random()
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
        own = {"OutOfBounds", "Deadlock"} & set(report.properties)
        if own:
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
        report = check(self.program, mutant, max_states=self.budget.states, max_seconds=self.budget.seconds)
        length = report.trace.length if report.trace is not None else 0
        if report.verdict == "incomplete":
            return "incomplete", f"incomplete: {'; '.join(report.problems)}", report
        if mutant.fires in report.properties and length == mutant.length:
            return "passed", "", report
        expected = f"{mutant.fires} with a counterexample of {mutant.length} states"
        found = f"{', '.join(report.properties) or report.verdict}" + (f" with {length} states" if length else "")
        return "failed", f"mutant {name}: expected {expected}, found {found}\n{report}", report

    def _random(self) -> tuple[Outcome, str, None]:
        try:
            statistics = fuzz(self.program, examples=self.budget.examples, steps=self.budget.steps)
        except AssertionError as error:
            return "failed", "\n".join([str(error), *getattr(error, "__notes__", [])]), None
        return "passed", f"{statistics.steps} steps", None


def summary(subject: Subject, results: list[Result]) -> dict[str, Any]:
    """One row of the table: verdict, counts, mutants killed, witnesses, random steps, seconds."""
    report = next((r.report for r in results if r.case.kind == "explored" and r.report is not None), None)
    of = lambda kind: [r for r in results if r.case.kind == kind]
    good = lambda kind: f"{sum(r.outcome == 'passed' for r in of(kind))}/{len(of(kind))}" if of(kind) else "-"
    random = of("random")
    return {
        "spec": subject.name,
        "verdict": verdict(results, report),
        "distinct": report.distinct if report else None,
        "generated": report.generated if report else None,
        "depth": report.depth if report else None,
        "mutants": good("mutant"),
        "witnesses": good("witness"),
        "random": random[0].text if random and random[0].outcome == "passed" else "-",
        "seconds": sum(r.seconds for r in results),
        "path": str(Path(subject.path)),
    }


def verdict(results: list[Result], report: Report | None) -> str:
    """In one word how a specification stands: `ok` only if every case passed."""
    outcomes = {r.outcome for r in results}
    if "error" in outcomes:
        return "error"
    if report is not None and report.verdict not in ("ok",):
        return report.verdict
    if any(r.outcome == "failed" and r.case.kind == "mutant" for r in results):
        return "mutant lives"
    if "failed" in outcomes:
        return "violated"
    return "incomplete" if "incomplete" in outcomes else "ok"
