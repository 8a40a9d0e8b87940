"""A counterexample, or a whole small graph, as one self-contained page that a reader steps through."""

import json
from importlib.resources import files
from typing import Any

import numpy as np

from ghostjax.formal._encoding import unpack_many, words_of
from ghostjax.formal._explore import explore
from ghostjax.formal._program import Program
from ghostjax.formal._report import Report
from ghostjax.formal._spec import Spec
from ghostjax.report._page import preamble


LIMIT = 50_000
"""States of a graph that a page holds."""


def trace_page(spec: Spec, report: Report) -> str:
    """The counterexample of `report` as a page: next and previous step, changed elements, violated claims.

    Errors: `ValueError` if the report has none.
    """
    if report.trace is None:
        raise ValueError(f"trace_page: report={report.spec}: {report.verdict}, it has no counterexample to show")
    steps = report.trace.steps
    states = [_flat(spec, step.state) for step in steps]
    title = f"{report.spec}: {', '.join(report.properties)}"
    mutant = "" if report.mutant is None else f"Mutant {report.mutant}. "
    subtitle = f"{mutant}A shortest behaviour that violates it, {len(steps)} states; the page opens at the last one."
    subtitle += "".join(f" {problem}." for problem in report.problems)
    if report.trace.loop is not None:
        subtitle = (
            f"{mutant}A fair behaviour on which it never comes true: it repeats from state {report.trace.loop + 1}."
        )
    trace = {
        "labels": [str(step.label or "initially") for step in steps],
        "loop": report.trace.loop,
        "properties": list(report.properties),
    }
    return _page(title, subtitle, spec, states, {}, {}, {"trace": trace})


def graph_page(spec: Spec | Program) -> str:
    """Every reachable state of a small specification as a page: a reader chooses among the enabled actions.

    A state shows the claims that it violates. Errors: `ValueError` for more than 50 000 states.
    """
    program = spec if isinstance(spec, Program) else Program(spec)
    spec = program.spec
    # Exploration does not stop at violations: the page also shows the states after one.
    free = Program(spec._replace(invariants={}, steps={}, deadlock="allowed"))
    graph = explore(free, max_states=LIMIT, keep_edges=True)
    if graph.verdict != "ok":
        why = graph.why or "a value leaves its bounds, or an index its array"
        raise ValueError(f"graph_page: spec={spec.name}: {graph.verdict}, {why}; choose smaller bounds")
    words = words_of(graph.keys, program.layout.words)
    fields = unpack_many(program.layout, words)
    states = np.concatenate([fields[name].reshape(len(words), -1) for name in spec.variables], axis=1).tolist()
    seen = program.inspect(words, 0)
    edges: list[list[list[int]]] = [[] for _ in states]
    for source, label, target in zip(*(graph.edges or ((), (), ())), strict=True):
        edges[int(source)].append([int(label), int(target)])
    content = {
        "graph": {
            "initial": np.flatnonzero(graph.parent < 0).tolist(),
            "labels": [str(label) for label in program.labels],
            "edges": [sorted(out) for out in edges],
        }
    }
    subtitle = f"{spec.statement} {len(states)} reachable states, {graph.generated} transitions and initial states."
    broken = _where(list(spec.invariants), ~seen.invariants)
    return _page(
        spec.name, subtitle.strip(), spec, states, broken, _where(list(spec.witnesses), seen.witnesses), content
    )


def _where(names: list[str], table: np.ndarray) -> dict[int, list[str]]:
    """The names that hold in a state, for each state with at least one."""
    rows = np.flatnonzero(table.any(1)).tolist()
    return {row: [name for name, on in zip(names, table[row], strict=True) if on] for row in rows}


def _flat(spec: Spec, state: dict[str, np.ndarray]) -> list[int]:
    return [int(v) for name in spec.variables for v in np.ravel(state[name])]


def _page(title: str, subtitle: str, spec: Spec, states: list[list[int]], broken: dict[int, list[str]],
          reached: dict[int, list[str]], content: dict[str, Any]) -> str:  # fmt: skip
    exploring = "graph" in content
    data = {
        "variables": [
            {"name": name, "shape": list(var.shape), "low": var.low, "high": var.high}
            for name, var in spec.variables.items()
        ],
        "states": states,
        "claims": list(spec.invariants) + ([] if exploring else list(spec.steps)),
        "witnesses": list(spec.witnesses),
        "broken": broken,
        "reached": reached,
        **content,
    }
    read = lambda package, name: files(package).joinpath(name).read_text(encoding="utf-8")
    style = read("ghostjax.report", "page.css") + read("ghostjax.formal", "stepper.css")
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    choices = '<div class="panel side"><h2 id="choices-title"></h2><ol id="choices"></ol></div>' if exploring else ""
    keys = "<kbd>←</kbd> <kbd>→</kbd> step <kbd>Home</kbd> <kbd>End</kbd>"
    keys += " <kbd>1</kbd>…<kbd>9</kbd> take an action" if exploring else ""
    return (
        preamble(title, subtitle, style) + '<div class="bar"><button id="first" title="first state">first</button>'
        '<button id="previous">← previous</button><button id="next">next →</button>'
        '<button id="last" title="last state">last</button>'
        '<select id="initial" hidden></select><span class="where" id="where"></span>'
        f'<span class="keys">{keys}</span></div>'
        f'<div class="split"><div>{choices}<div class="panel side"><h2>'
        f'{"The walk so far" if exploring else "Steps"}</h2><ol id="walk"></ol></div></div>'
        '<div><div class="panel"><h2>Claims</h2><div class="claims" id="claims"></div></div>'
        '<div class="scroll"><table class="state"><thead><tr><th>variable</th><th>value</th><th>was</th><th>from</th>'
        '<th>to</th></tr></thead><tbody id="state"></tbody></table></div>'
        '<p class="legend" id="legend"><span class="cell changed">1</span> changed by this step '
        '<span class="cell">1</span> as before <span class="cell zero">0</span> zero '
        '<span class="cell outside">9</span> beyond the range that is declared (from, to). '
        "A row of cells runs along the last axis of a variable.</p></div></div></main>"
        f'<script type="application/json" id="data">{text}</script><script>'
        + read("ghostjax.formal", "stepper.js")
        + "</script>"
        "</body></html>\n"
    )
