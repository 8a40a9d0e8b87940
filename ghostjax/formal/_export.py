"""The explored graph for other checkers: a TLA+ module; traces as ITF and line-delimited JSON."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ghostjax._files import write_atomic
from ghostjax.formal._encoding import words_of
from ghostjax.formal._errors import Unsound
from ghostjax.formal._explore import explore
from ghostjax.formal._program import Program
from ghostjax.formal._report import Trace
from ghostjax.formal._spec import Spec


_TAKEN = frozenset((
    "s", "Init", "Next", "Safety", "TypeOK", "Int", "Nat", "ASSUME", "AXIOM", "CASE", "CHOOSE", "CONSTANT", "DOMAIN",
    "ELSE", "ENABLED", "EXCEPT", "EXTENDS", "IF", "IN", "INSTANCE", "LET", "LOCAL", "MODULE", "OTHER", "UNION",
    "SUBSET", "THEN", "THEOREM", "UNCHANGED", "VARIABLE", "WITH", "TRUE", "FALSE", "BOOLEAN", "STRING",
))  # fmt: skip


class Module(NamedTuple):
    """A TLA+ module and its model configurations: "safety" (counts), and one per leads-to, by name."""

    name: str
    text: str
    configurations: dict[str, str]

    def write(self, folder: Path) -> list[Path]:
        """Writes `NAME.tla` and `NAME_CONFIGURATION.cfg`; returns the paths, the module's first."""
        paths = [folder / f"{self.name}.tla"]
        write_atomic(paths[0], self.text.encode())
        for which, text in self.configurations.items():
            paths.append(folder / f"{self.name}_{which}.cfg")
            write_atomic(paths[-1], text.encode())
        return paths


class Counts(NamedTuple):
    """The result of another checker: distinct and generated states, depth, and whether a property was violated."""

    distinct: int
    generated: int
    depth: int
    violated: bool


def to_tla(spec: Spec | Program, max_states: int = 100_000) -> Module:
    """The explored graph as an explicit TLA+ module, so that another checker works on exactly the same graph.

    One variable `s` holds the number of a state, from 0 in order of discovery; an action is a tuple of sets of
    successors. Each leads-to gets a specification with its weak fairness, and a separate configuration.

    Errors: `ValueError` if the graph is not explored completely within `max_states`; `Unsound` for leads-to
    together with symmetry or a constraint.
    """
    program = spec if isinstance(spec, Program) else Program(spec)
    spec = program.spec
    if spec.leads_to and (spec.symmetry or spec.constraint is not None):
        raise Unsound(f"to_tla: spec={spec.name}: leads-to is unsound with symmetry or a constraint; drop one of them")
    graph = explore(program, max_states=max_states, keep_edges=True)
    if graph.verdict != "ok":
        raise ValueError(f"to_tla: spec={spec.name}: {graph.verdict} {graph.why}; only a complete graph is exported")
    count = len(graph.keys)
    source, label, target = graph.edges or (np.zeros(0, np.int64),) * 3
    name = _identifier(spec.name)
    of_action = {
        action.name: [i for i, l in enumerate(program.labels) if l.action == action.name] for action in spec.actions
    }
    single = {fair.action for claim in spec.leads_to for fair in claim.fair if fair.per_label}
    groups: dict[str, list[int]] = {_identifier(action): labels for action, labels in of_action.items()}
    for action in sorted(single):
        groups |= {_label(program, i): [i] for i in of_action[action]}
    lines = [f"---- MODULE {name} ----", "EXTENDS Integers", "VARIABLE s", ""]
    for group, labels in groups.items():
        chosen = np.isin(label, labels)
        outgoing: list[set[int]] = [set() for _ in range(count)]
        for a, b in zip(source[chosen].tolist(), target[chosen].tolist(), strict=True):
            outgoing[a].add(b)
        sets = ", ".join("{" + ", ".join(map(str, sorted(out))) + "}" for out in outgoing)
        lines += [f"{group}_to == << {sets} >>", f"{group} == s' \\in {group}_to[s + 1]", ""]
    initial = np.flatnonzero(graph.parent < 0).tolist()
    steps = " \\/ ".join(map(_identifier, of_action))
    lines += [f"Init == s \\in {_set(initial)}", f"Next == {steps}"]
    lines += ["Safety == Init /\\ [][Next]_s", f"TypeOK == s \\in 0..{count - 1}", ""]
    configurations = {"safety": "SPECIFICATION Safety\nINVARIANT TypeOK\nCHECK_DEADLOCK FALSE\n"}
    words = words_of(graph.keys, program.layout.words)
    for claim in spec.leads_to:
        which = _identifier(claim.name)
        which = f"{which}_holds" if which in groups else which
        p, q = program.predicates([claim.p, claim.q], words).T
        fair = []
        for one in claim.fair:
            names = [_label(program, i) for i in of_action[one.action]] if one.per_label else [_identifier(one.action)]
            fair += [f" /\\ WF_s({action})" for action in names]
        lines += [
            f"{which}_P == s \\in {_set(np.flatnonzero(p).tolist())}",
            f"{which}_Q == s \\in {_set(np.flatnonzero(q).tolist())}",
            f"{which}_Fair == Safety{''.join(fair)}",
            f"{which} == {which}_P ~> {which}_Q",
            "",
        ]
        configurations[which] = f"SPECIFICATION {which}_Fair\nPROPERTY {which}\nCHECK_DEADLOCK FALSE\n"
    return Module(name, "\n".join([*lines, "===="]) + "\n", configurations)


def to_itf(trace: Trace, name: str) -> str:
    """A trace in the JSON format of Apalache and Quint."""
    return json.dumps(trace.to_itf(name), indent=2) + "\n"


def to_ndjson(trace: Trace) -> str:
    """A trace as one JSON object per line: `step`, `action`, `params`, `obs` (what changed; all at first)."""
    lines = []
    for i, step in enumerate(trace.steps):
        shown = step.changed if step.label is not None else tuple(step.state)
        lines.append(
            json.dumps(
                {
                    "step": i,
                    "action": step.label.action if step.label is not None else None,
                    "params": dict(step.label.params) if step.label is not None else {},
                    "obs": {name: np.asarray(step.state[name]).tolist() for name in shown},
                }
            )
        )
    return "\n".join(lines) + "\n"


def referee() -> Path | None:
    """The jar named by `GHOSTJAX_TLA2TOOLS`, if it and `java` are there."""
    jar = os.environ.get("GHOSTJAX_TLA2TOOLS")
    return Path(jar) if jar and Path(jar).exists() and shutil.which("java") else None


def judged(jar: Path, module: Path, configuration: Path, timeout: float = 600.0) -> Counts:
    """The result of TLC for a module under a configuration, with one worker, so that the depth is exact.

    Errors: `RuntimeError` with TLC's output if it did not finish.
    """
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            "java", "-XX:+UseParallelGC", "-cp", str(jar), "tlc2.TLC", "-workers", "1", "-lncheck", "final", "-metadir",
            scratch, "-config", str(configuration.absolute()), module.name,
        ]  # fmt: skip
        run = subprocess.run(command, cwd=module.parent, capture_output=True, text=True, timeout=timeout)
    return parsed(run.stdout + run.stderr)


def parsed(output: str) -> Counts:
    """The counts in the output of TLC."""
    counts = re.findall(r"([\d,]+) states generated, ([\d,]+) distinct states found", output)
    depth = re.findall(r"depth of the complete state graph search is ([\d,]+)", output)
    violated = bool(re.search(r"(is|was|were) violated|Temporal properties were violated", output))
    if not counts or not (violated or "No error has been found" in output):
        raise RuntimeError(f"TLC did not come to an end:\n{output}")
    number = lambda text: int(text.replace(",", ""))
    return Counts(number(counts[-1][1]), number(counts[-1][0]), number(depth[-1]) if depth else 0, violated)


def _set(states: list[int]) -> str:
    return "{" + ", ".join(map(str, states)) + "}"


def _identifier(name: str) -> str:
    """`name` as a TLA+ identifier that is unique in the module."""
    plain = re.sub(r"\W", "_", name)
    return f"{plain}_" if plain in _TAKEN else plain


def _label(program: Program, i: int) -> str:
    label = program.labels[i]
    return "_".join([_identifier(label.action), *map(str, label.params.values())])
