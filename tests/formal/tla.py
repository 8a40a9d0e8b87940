"""The hand-written TLA+ twins, executed: a second reading of each protocol that shares nothing with the engine.

A module in plain Python (`tla_module`) is searched breadth first with a dictionary. Leads-to is decided by the fixed
point of Emerson and Lei, which knows no components. The subset: finite sets, functions on 0 .. n, one assignment of
each primed variable per action, weak fairness.
"""

from typing import NamedTuple

from tla_module import Label, Module as Module


class Graph(NamedTuple):
    """What a search found: states with their level, and where a claim broke, the states of the counterexample."""

    level: dict[tuple, int]
    generated: int
    terminal: int
    broken: tuple[str, ...]
    length: int

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
    level, frontier = dict.fromkeys(module.initial, 1), list(dict.fromkeys(module.initial))
    generated, terminal, depth = len(module.initial), 0, 1
    while frontier:
        broken = [n for n, holds in invariants if not all(holds(s) for s in frontier)]
        if broken:
            return Graph(level, generated, terminal, tuple(broken), depth)
        following = []
        for s in frontier:
            enabled = 0
            for act in module.labels.values():
                t = act(s)
                if t is None:
                    continue
                enabled += 1
                broken += [n for n, holds in steps if n not in broken and not holds(s, t)]
                if t not in level:
                    level[t] = depth + 1
                    following.append(t)
            generated += enabled
            terminal += not enabled
        depth += 1
        if broken:
            return Graph(level, generated, terminal, tuple(broken), depth)
        frontier = following
    return Graph(level, generated, terminal, (), 0)


def leads_to(module: Module, graph: Graph, name: str, fairness: list[list[Label]] | None = None) -> bool:
    """Whether a leads-to holds: no state with P is in the largest set, free of Q, from which every fair action is
    refused or taken again and again within the set (Emerson and Lei 1986); staying put is a step."""
    p, q = module.claim(name)
    fair = module.fairness if fairness is None else fairness
    number = {s: i for i, s in enumerate(graph.level)}
    edges, backward = [dict[int, list[int]]() for _ in fair], [set[int]() for _ in number]
    names = [frozenset(one) for one in fair]
    for s, i in number.items():
        for label, act in module.labels.items():
            t = act(s)
            if t is None or t == s:
                continue
            backward[number[t]].add(i)
            for k, one in enumerate(names):
                if label in one:
                    edges[k].setdefault(i, []).append(number[t])
    inside = {i for s, i in number.items() if not q(s)}
    while True:
        kept = inside
        for steps in edges:
            goal = {i for i in kept if i not in steps or any(j in kept for j in steps[i])}
            queue, reach = list(goal), set(goal)
            while queue:
                for i in backward[queue.pop()]:
                    if i in kept and i not in reach:
                        reach.add(i)
                        queue.append(i)
            kept = reach
        if kept == inside:
            return not any(p(s) for s, i in number.items() if i in inside)
        inside = kept
