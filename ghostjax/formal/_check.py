"""`check(spec)`: every reachable state, every claim, or the shortest behaviour that breaks one."""

import itertools
import time
from typing import Literal

import numpy as np

from ghostjax.formal._encoding import unpack_many, words_of
from ghostjax.formal._explore import Exploration, explore
from ghostjax.formal._liveness import leads_to, LivenessResult, refuse_unsound
from ghostjax.formal._outside import claim_outside, step_outside
from ghostjax.formal._program import Program
from ghostjax.formal._replay import executable
from ghostjax.formal._report import Report, Step, Trace
from ghostjax.formal._spec import Mutant, Spec
from ghostjax.formal._symmetry import refuse_false


def check(
    spec: Spec | Program,
    mutant: Mutant | None = None,
    *,
    engine: Literal["auto", "numpy", "xla"] = "auto",
    max_states: int | None = None,
    max_seconds: float | None = None,
) -> Report:
    """Explores every reachable state of `spec` (or of one of its mutants) and decides every claim.

    Safety is checked first: invariants, step invariants, bounds and (if declared) deadlock. A counterexample is a
    shortest one and can be executed, also under symmetry. Then each leads-to is checked under its fairness, on the
    complete graph. A correct specification must also not be vacuous: every action is enabled somewhere, every witness
    is reached, and the left side of every leads-to is reachable. If a budget runs out before everything was explored,
    the verdict is "incomplete", never "ok".

    The property "OutOfBounds" is violated where jax would clamp or drop silently: by a value beyond the bounds of its
    variable, and by a read or write outside an array if its result counts (`where`, `cond` or the guard may leave it
    out). A claim that reads outside an array does not hold. Negative constants and parameters count from the end, as in
    Python; a negative index that depends on the state is outside. `symmetry` is tested on a sample of the states:
    renamed states must lead to the renamed successors, with the same claims.

    **Engines:** "numpy" compiles nothing, "xla" compiles, "auto" compiles only if NumPy has no form for an operation.
    All give the same results. Pass a `Program` instead of the specification to trace it once for several checks, e.g.
    of all its mutants. Errors: `Unsound` for leads-to together with symmetry or a constraint, before anything is
    explored, for a symmetry that a sampled state refutes, and for a counterexample that no renaming of identities
    executes; `ConfigurationError` for functions that return no whole numbers, other shapes, or no single truth value.
    """
    began = time.perf_counter()
    running = spec if isinstance(spec, Program) else Program(spec, engine)
    spec = running.spec
    want_edges = bool(spec.leads_to) and mutant is None
    if want_edges:
        refuse_unsound(spec, spec.leads_to[0])
    graph = explore(
        running,
        bug=0 if mutant is None else mutant.bug,
        only=None if mutant is None else mutant.only,
        max_states=max_states,
        max_seconds=max_seconds,
        keep_edges=want_edges,
    )
    words = words_of(graph.keys, running.layout.words)
    problems: list[str] = [graph.why] if graph.why else []
    properties: tuple[str, ...] = ()
    verdict: str = graph.verdict
    liveness: tuple[LivenessResult, ...] = ()
    trace = None
    if graph.violation is not None:
        properties = graph.violation.properties
        trace = _trace(running, graph, words, mutant)
        trace, said = _outside(running, trace, properties, 0 if mutant is None else mutant.bug)
        problems += said
    elif mutant is None and spec.symmetry:
        refuse_false(running, graph.keys)
    if verdict == "ok" and mutant is None:
        liveness = tuple(leads_to(running, graph, claim, words) for claim in spec.leads_to)
        for claim, result in zip(spec.leads_to, liveness, strict=True):
            if not result.reachable:
                problems.append(f"{claim.name}: its premise never happens")
            elif result.holds != claim.holds:
                found = "violated" if claim.holds else "holds, and was documented as violated"
                problems.append(f"{claim.name}: {found}")
                properties += (claim.name,)
                if claim.holds and trace is None:
                    trace = _lasso(running, result, words)
        problems += [f"{name}: never reached" for name, seen in graph.witnesses.items() if not seen]
        problems += [f"{name}: never enabled" for name, seen in graph.coverage.items() if not seen["enabled"]]
        if problems:
            verdict = "violated" if properties else "vacuous"
    return Report(
        spec=spec.name,
        mutant=None if mutant is None else mutant.name,
        verdict=verdict,
        properties=properties,
        problems=tuple(problems),
        distinct=len(graph.keys),
        generated=graph.generated,
        depth=graph.depth,
        terminal=graph.terminal,
        bits=running.layout.bits,
        labels=len(running.labels),
        engine=running.engine,
        seconds=time.perf_counter() - began,
        coverage=graph.coverage,
        witnesses=graph.witnesses,
        liveness=liveness,
        trace=trace,
    )


def _trace(running: Program, graph: Exploration, words: np.ndarray, mutant: Mutant | None) -> Trace | None:
    violation = graph.violation
    assert violation is not None
    if violation.state < 0:
        return None
    bug = 0 if mutant is None else mutant.bug
    chain = []
    at = violation.state
    while at >= 0:
        chain.append(at)
        at = int(graph.parent[at])
    chain.reverse()
    rows = [words[s] for s in chain]
    labels = [None] + [int(graph.label[s]) for s in chain[1:]]
    if violation.label is not None:
        out = running.expand(words[violation.state][None], bug)
        rows.append(out.words[0, violation.label])
        labels.append(violation.label)
    if running.spec.symmetry:
        rows, labels = executable(running, rows, labels, violation.properties, violation.label is not None, bug)
    return Trace(_steps(running, np.stack(rows), labels))


def _outside(
    running: Program, trace: Trace | None, properties: tuple[str, ...], bug: int
) -> tuple[Trace | None, list[str]]:
    """The trace with its last state as the action returns it, and a description of the value or index outside."""
    if trace is None:
        return None, []
    *before, last = trace.steps
    spec = running.spec
    if "OutOfBounds" in properties and last.label is not None:
        state, why = step_outside(spec, before[-1].state, last.label, bug)
        changed = tuple(name for name in state if (state[name] != before[-1].state[name]).any())
        return trace._replace(steps=(*before, Step(last.label, state, changed))), [why]
    if running.lowered is not None and not running.lowered.checked:
        return trace, []  # no index can be outside
    claims = {name: spec.invariants[name] for name in properties if name in spec.invariants}
    said = [f"{name}: {'; '.join(seen)}" for name, claim in claims.items()
            if (seen := claim_outside(spec, claim, last.state))]  # fmt: skip
    return trace, said


def _lasso(running: Program, result: LivenessResult, words: np.ndarray) -> Trace:
    states = [*result.prefix, *result.cycle[1:]]
    labels: list[int | None] = [None]
    for a, b in itertools.pairwise(states):
        out = running.expand(words[a][None], 0)
        same = (out.words[0] == words[b][None, :]).all(1) & out.enabled[0]
        labels.append(int(np.argmax(same)))
    return Trace(_steps(running, words[np.array(states)], labels), loop=len(result.prefix) - 1)


def _steps(running: Program, rows: np.ndarray, labels: list[int | None]) -> tuple[Step, ...]:
    fields = unpack_many(running.layout, rows)
    steps = []
    for i, label in enumerate(labels):
        state = {name: np.asarray(values[i]) for name, values in fields.items()}
        changed = tuple(name for name in state if i and (fields[name][i] != fields[name][i - 1]).any())
        steps.append(Step(None if label is None else running.labels[label], state, changed))
    return tuple(steps)
