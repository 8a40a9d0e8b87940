"""The hand-written TLA+ translations, executed: a second reading of each protocol that shares nothing with the engine.

A module in plain Python (`tla_module`) is searched breadth first with a dictionary. Leads-to is decided by the fixed
point of Emerson and Lei, which knows no components. The subset: finite sets, functions on 0 .. n, one assignment of
each primed variable per action, weak fairness.
"""

from typing import NamedTuple

from .tla_module import Label, Module as Module


class Graph(NamedTuple):
    """What a search found: states with their level, and where a claim broke, the states of the counterexample. `edges`
    are the steps that change something: state, label, state, by their numbers in the order of discovery."""

    level: dict[tuple, int]
    edges: list[tuple[int, int, int]]
    generated: int
    terminal: int
    broken: tuple[str, ...] = ()
    length: int = 0

    @property
    def distinct(self) -> int:
        return len(self.level)

    @property
    def depth(self) -> int:
        return max(self.level.values())


def search(module: Module, only: tuple[str, ...] | None = None) -> Graph:
    """Breadth first, until a claim breaks: the same order of judgement as the engine, steps before states."""
    kept = lambda names: [(n, module.predicate(n)) for n in names if only is None or n in only]
    invariants, steps = kept(module.invariants), kept(n for n in module.properties if n in module.steps)
    frontier = list(dict.fromkeys(module.initial))
    level, number = dict.fromkeys(frontier, 1), {s: i for i, s in enumerate(frontier)}
    edges: list[tuple[int, int, int]] = []
    generated, terminal, depth = len(module.initial), 0, 1
    actions = list(enumerate(module.labels.values()))
    while frontier:
        broken = [n for n, holds in invariants if not all(holds(s) for s in frontier)]
        if broken:
            return Graph(level, edges, generated, terminal, tuple(broken), depth)
        following = []
        for s in frontier:
            enabled, here = 0, number[s]
            for label, act in actions:
                t = act(s)
                if t is None:
                    continue
                enabled += 1
                broken += [n for n, holds in steps if n not in broken and not holds(s, t)]
                there = number.setdefault(t, len(number))
                if t not in level:
                    level[t] = depth + 1
                    following.append(t)
                if there != here:
                    edges.append((here, label, there))
            generated += enabled
            terminal += not enabled
        depth += 1
        if broken:
            return Graph(level, edges, generated, terminal, tuple(broken), depth)
        frontier = following
    return Graph(level, edges, generated, terminal)


def leads_to(module: Module, graph: Graph, name: str, fairness: list[list[Label]] | None = None) -> bool:
    """Whether a leads-to holds: no state with P is in the largest set, free of Q, from which every fair action is
    refused or taken again and again within the set (Emerson and Lei 1986); staying put is a step."""
    p, q = module.claim(name)
    states = list(graph.level)
    numbers = {label: k for k, label in enumerate(module.labels)}
    fair = [{numbers[label] for label in one} for one in (module.fairness if fairness is None else fairness)]
    taken, backward = [dict[int, list[int]]() for _ in fair], [list[int]() for _ in states]
    for i, label, j in graph.edges:
        backward[j].append(i)
        for steps, one in zip(taken, fair, strict=True):
            if label in one:
                steps.setdefault(i, []).append(j)
    inside = {i for i, s in enumerate(states) if not q(s)}
    while True:
        kept = inside
        for steps in taken:
            goal = {i for i in kept if i not in steps or any(j in kept for j in steps[i])}
            queue, reach = list(goal), set(goal)
            while queue:
                for i in backward[queue.pop()]:
                    if i in kept and i not in reach:
                        reach.add(i)
                        queue.append(i)
            kept = reach
        if kept == inside:
            return not any(p(states[i]) for i in inside)
        inside = kept
