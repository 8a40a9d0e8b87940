"""`P ~> Q` under weak fairness, decided exactly on the explored graph."""

from collections import deque
from typing import NamedTuple

import numpy as np

from ghostjax.formal._errors import Unsound
from ghostjax.formal._explore import Exploration
from ghostjax.formal._program import Program
from ghostjax.formal._spec import LeadsTo, Spec


class LivenessResult(NamedTuple):
    """Whether a leads-to holds; if not, a lasso: states of the prefix, then of the cycle that repeats for ever.

    `reachable` says whether P occurs at all: a leads-to whose P never happens is vacuous.
    """

    name: str
    holds: bool
    reachable: bool
    prefix: tuple[int, ...] = ()
    cycle: tuple[int, ...] = ()


def leads_to(program: Program, graph: Exploration, claim: LeadsTo, words: np.ndarray) -> LivenessResult:
    """Decides `claim` on a completely explored graph with its edges.

    Weak fairness is a generalised Buechi condition, so it suffices to look at the maximal strongly connected components
    of the states where Q does not hold. A component is a fair counterexample if each fair action satisfies one of two
    conditions: some state of the component has no state-changing step of the action, or such a step stays inside. A
    self-loop neither enables nor satisfies fairness, and an endless repetition of one state (stuttering) is a
    behaviour.

    Errors: `Unsound` with symmetry or a constraint, or on an incomplete graph.
    """
    spec = program.spec
    refuse_unsound(spec, claim)
    if (graph.edges is None and len(graph.keys) > 1) or graph.verdict != "ok":
        raise Unsound(f"{spec.name}: {claim.name}: leads-to needs a complete exploration with its edges")
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    count = len(graph.keys)
    # If P reads outside an array it counts as true, and if Q does it counts as false.
    p, q = program.predicates([claim.p], words, blind=True)[:, 0], program.predicates([claim.q], words)[:, 0]
    source, label, target = graph.edges if graph.edges is not None else (np.zeros(0, np.int64),) * 3
    start = np.flatnonzero(p & ~q)
    if not p.any():
        return LivenessResult(claim.name, True, False)
    if not len(start):
        return LivenessResult(claim.name, True, True)
    inside = ~q[source] & ~q[target]
    within = csr_array((np.ones(inside.sum(), np.int8), (source[inside], target[inside])), (count, count))
    # An extra node with an edge to every start reduces "reachable from any start" to one search.
    rows = np.concatenate([source[inside], np.full(len(start), count)])
    columns = np.concatenate([target[inside], start])
    extended = csr_array((np.ones(len(rows), np.int8), (rows, columns)), (count + 1, count + 1))
    order = breadth_first_order(extended, count, return_predecessors=False)
    reached = np.zeros(count, bool)
    reached[order[order < count]] = True
    number, component = connected_components(within, directed=True, connection="strong")
    bad = np.zeros(number, bool)
    bad[component[reached]] = True

    changing = source != target
    requirements = [r for fair in claim.fair for r in _labels(program, fair.action, fair.per_label)]
    for labels in requirements:
        steps = changing & np.isin(label, labels)
        enabled = np.zeros(count, bool)
        enabled[source[steps]] = True
        rests = np.zeros(number, bool)
        rests[component[~enabled & ~q]] = True
        stays = np.zeros(number, bool)
        inner = steps & inside & (component[source] == component[target])
        stays[component[source[inner]]] = True
        bad &= rests | stays
    bad_states = np.flatnonzero(bad[component] & reached & ~q)
    if not len(bad_states):
        return LivenessResult(claim.name, True, True)
    return _lasso(claim, graph, start, bad_states, component, requirements, q)


def refuse_unsound(spec: Spec, claim: LeadsTo) -> None:
    """Raises `Unsound` if leads-to is undecidable for `spec`: symmetry merges states, a constraint cuts behaviours."""
    if spec.symmetry or spec.constraint is not None:
        what = "symmetry" if spec.symmetry else "a constraint"
        raise Unsound(
            f"{spec.name}: {claim.name}: leads-to is unsound with {what}; check it on the specification without"
        )


def _labels(program: Program, action: str, per_label: bool) -> list[np.ndarray]:
    """The label sets with a fairness condition each: the union of the action's labels, or every label."""
    of_action = np.array([i for i, label in enumerate(program.labels) if label.action == action])
    if not len(of_action):
        raise ValueError(f"{program.spec.name}: fairness of {action!r}: no such action")
    return [np.array([i]) for i in of_action] if per_label else [of_action]


def _lasso(claim, graph, start, bad_states, component, requirements, q) -> LivenessResult:
    """The shortest way into a bad component, and a cycle in it that satisfies every fairness condition."""
    source, label, target = graph.edges
    outgoing: dict[int, list[tuple[int, int]]] = {}
    keep = ~q[source] & ~q[target]
    for a, l, b in zip(source[keep].tolist(), label[keep].tolist(), target[keep].tolist(), strict=True):
        outgoing.setdefault(a, []).append((l, b))
    goal = set(bad_states.tolist())
    first = min(start.tolist(), key=lambda s: graph.level[s])
    path = _path(outgoing, start.tolist(), goal) or [first]
    home = component[path[-1]]
    members = {s for s in goal if component[s] == home}
    inner = {s: [(l, b) for l, b in outgoing.get(s, []) if b in members] for s in members}
    cycle = [path[-1]]
    changing = source != target
    for labels in requirements:
        steps = changing & np.isin(label, labels)
        enabled = set(source[steps].tolist())
        resting = {s for s in members if s not in enabled}
        if resting:
            cycle += _path(inner, [cycle[-1]], resting)[1:]
            continue
        chosen = set(labels.tolist())
        taking = {s for s in members if any(l in chosen and b != s for l, b in inner[s])}
        cycle += _path(inner, [cycle[-1]], taking)[1:]
        cycle.append(next(b for l, b in inner[cycle[-1]] if l in chosen and b != cycle[-1]))
    cycle += _path(inner, [cycle[-1]], {cycle[0]})[1:]
    lead = []
    at = path[0]
    while at >= 0:
        lead.append(int(at))
        at = int(graph.parent[at])
    return LivenessResult(claim.name, False, True, tuple(lead[::-1]) + tuple(path[1:]), tuple(cycle))


def _path(outgoing: dict[int, list[tuple[int, int]]], starts: list[int], goals: set[int]) -> list[int]:
    """A shortest path from any start to any goal, by breadth-first search; empty if there is none."""
    parent: dict[int, int | None] = dict.fromkeys(starts)
    queue = deque(starts)
    while queue:
        at = queue.popleft()
        if at in goals:
            path, node = [], at
            while node is not None:
                path.append(node)
                node = parent[node]
            return path[::-1]
        for _, b in outgoing.get(at, []):
            if b not in parent:
                parent[b] = at
                queue.append(b)
    return []
