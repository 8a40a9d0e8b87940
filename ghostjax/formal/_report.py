"""The report of a check: a verdict, its numbers, and a readable counterexample."""

import json
from typing import Any, NamedTuple

import numpy as np

from ghostjax.formal._liveness import LivenessResult
from ghostjax.formal._spec import Label


class Step(NamedTuple):
    """A state of a trace: the label that led to it (none for an initial state), its variables, and which changed."""

    label: Label | None
    state: dict[str, np.ndarray]
    changed: tuple[str, ...]


class Trace(NamedTuple):
    """A behaviour: states in order; `loop` is the index where a cycle that repeats for ever begins, if one does."""

    steps: tuple[Step, ...]
    loop: int | None = None

    @property
    def length(self) -> int:
        """Number of states, the initial one included."""
        return len(self.steps)

    def to_itf(self, name: str) -> dict[str, Any]:
        """The trace in the JSON format of Apalache and Quint."""
        states = [
            {"#meta": {"index": i, "action": str(step.label) if step.label else "init"}}
            | {variable: np.asarray(value).tolist() for variable, value in step.state.items()}
            for i, step in enumerate(self.steps)
        ]
        variables = list(self.steps[0].state) if self.steps else []
        found: dict[str, Any] = {"#meta": {"format": "ITF", "source": name}, "vars": variables, "states": states}
        return found if self.loop is None else {**found, "loop": self.loop}

    def __str__(self) -> str:
        lines = []
        for i, step in enumerate(self.steps):
            if self.loop == i:
                lines.append("  -- from here on, repeated for ever --")
            shown = step.changed if step.label is not None else tuple(step.state)
            values = "  ".join(f"{name} = {_text(step.state[name])}" for name in shown)
            lines.append(f"{i + 1:>3}  {step.label or 'initially'!s:<32} {values}".rstrip())
        return "\n".join(lines)


class Report(NamedTuple):
    """The outcome of exploring one specification (or one mutant of it).

    `verdict` is "ok" only if every reachable state was visited and every claim was confirmed. `properties` names the
    violated properties, and `problems` describes every difference to the claims, vacuity included. `distinct`,
    `generated`, `depth`: reachable states, enabled (state, label) pairs plus listed initial states, breadth-first
    levels.
    """

    spec: str
    mutant: str | None
    verdict: str
    properties: tuple[str, ...]
    problems: tuple[str, ...]
    distinct: int
    generated: int
    depth: int
    terminal: int
    bits: int
    labels: int
    engine: str
    seconds: float
    coverage: dict[str, dict[str, int]]
    witnesses: dict[str, bool]
    liveness: tuple[LivenessResult, ...]
    trace: Trace | None

    @property
    def ok(self) -> bool:
        """Whether every claim was confirmed."""
        return self.verdict == "ok"

    @property
    def states_per_second(self) -> float:
        """Distinct states per second, tracing and compiling included."""
        return self.distinct / max(self.seconds, 1e-9)

    def to_json(self) -> str:
        """Everything as JSON; the trace in ITF form."""
        content = self._asdict()
        content["liveness"] = [r._asdict() for r in self.liveness]
        content["trace"] = None if self.trace is None else self.trace.to_itf(self.spec)
        content["states_per_second"] = self.states_per_second
        return json.dumps(content, indent=2, default=_plain)

    def __str__(self) -> str:
        name = self.spec if self.mutant is None else f"{self.spec} ({self.mutant})"
        lines = [
            f"{name}: {self.verdict}" + (f" {', '.join(self.properties)}" if self.properties else ""),
            f"  {self.distinct} distinct states, {self.generated} generated, depth {self.depth}, "
            f"{self.terminal} terminal, {self.seconds:.2f} s ({self.engine})",
        ]
        lines += [f"  {problem}" for problem in self.problems]
        if self.trace is not None:
            lines += ["", str(self.trace)]
        return "\n".join(lines)


def _text(value: Any) -> str:
    return json.dumps(np.asarray(value).tolist(), separators=(",", ":"))


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
