"""Exhaustive breadth-first exploration: every reachable state, level by level, so that traces are shortest."""

import time
from typing import Any, Literal, NamedTuple

import numpy as np

from ghostjax.formal._encoding import keys, pack_many, words_of
from ghostjax.formal._program import Program
from ghostjax.formal._spec import initial_states


Verdict = Literal["ok", "violated", "deadlock", "incomplete"]


class Violation(NamedTuple):
    """What was found violated first: the properties, the state it was found from, and the label of the step, if any."""

    properties: tuple[str, ...]
    state: int
    label: int | None


class Exploration(NamedTuple):
    """The explored graph: states in order of discovery, each with the label and the state that led to it first.

    `depth` counts levels (an initial state has depth 1), `generated` listed initial states and enabled
    (state, label) pairs, self-loops included. `edges` (source, label, target) is kept only on demand.
    """

    verdict: Verdict
    keys: np.ndarray
    parent: np.ndarray
    label: np.ndarray
    level: np.ndarray
    generated: int
    depth: int
    terminal: int
    coverage: dict[str, dict[str, int]]
    witnesses: dict[str, bool]
    violation: Violation | None
    edges: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    seconds: float
    why: str = ""


def explore(
    program: Program,
    *,
    bug: int = 0,
    only: tuple[str, ...] | None = None,
    max_states: int | None = None,
    max_seconds: float | None = None,
    keep_edges: bool = False,
) -> Exploration:
    """Explores everything reachable from the initial states, or stops at the first violated property.

    Out of bounds is a violation of its own, found before anything else is read from a successor. `only` narrows
    the invariants and step invariants that are checked. With a budget left over the verdict is "incomplete".
    """
    return _Search(program, bug, only, max_states, max_seconds, keep_edges).run()


class _Search:
    def __init__(
        self,
        program: Program,
        bug: int,
        only: tuple[str, ...] | None,
        max_states: int | None,
        max_seconds: float | None,
        keep_edges: bool,
    ):
        spec = program.spec
        self.program, self.spec, self.bug = program, spec, bug
        self.max_states, self.max_seconds, self.keep_edges = max_states, max_seconds, keep_edges
        kept = lambda names: np.array([only is None or name in only for name in names], bool)
        self.invariants, self.steps = list(spec.invariants), list(spec.steps)
        self.invariants_on, self.steps_on = kept(self.invariants), kept(self.steps)
        self.names = [action.name for action in spec.actions]
        self.action_of = np.array([self.names.index(label.action) for label in program.labels])
        self.enabled_count = np.zeros(len(self.names), np.int64)
        self.first_count = np.zeros(len(self.names), np.int64)
        self.deepest = np.zeros(len(self.names), np.int64)
        self.seen_witness = np.zeros(len(spec.witnesses), bool)
        self.levels: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.edges: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.generated, self.terminal, self.states = 0, 0, 0
        self.start = time.perf_counter()

    def run(self) -> Exploration:
        words, inside = pack_many(self.program.layout, initial_states(self.spec))
        self.generated = len(words)
        if not inside.all():
            return self._end("violated", Violation(("OutOfBounds",), -1, None), why="an initial state is out of bounds")
        initial = np.unique(self._canonical(words))
        self.known, self.known_id = initial, np.arange(len(initial))
        self.levels.append((initial, np.full(len(initial), -1), np.full(len(initial), -1)))
        self.states = len(initial)
        frontier, ids, bad = self._inspect(initial, np.arange(len(initial)))
        while bad is None and len(frontier):
            if self.max_states is not None and self.states >= self.max_states:
                return self._end("incomplete", why=f"{self.max_states} states were allowed")
            if self.max_seconds is not None and time.perf_counter() - self.start > self.max_seconds:
                return self._end("incomplete", why=f"{self.max_seconds:g} seconds were allowed")
            found, bad = self._expand(frontier, ids)
            if bad is not None:
                break
            new = self._admit(*found)
            if not len(new[0]):
                break
            frontier, ids, bad = self._inspect(*new)
        if bad is None:
            return self._end("ok")
        return self._end("deadlock" if bad.properties == ("Deadlock",) else "violated", bad)

    def _canonical(self, words: np.ndarray) -> np.ndarray:
        if not self.spec.symmetry:
            return keys(words)
        return keys(self.program.canonical(words))

    def _inspect(self, new: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, Violation | None]:
        """The frontier among `new` states (those within the constraint), unless an invariant fails."""
        result = self.program.inspect(words_of(new, self.program.layout.words), self.bug)
        self.seen_witness |= result.witnesses.any(0)
        failed = ~result.invariants & self.invariants_on[None, :]
        if failed.any():
            row = int(np.argmax(failed.any(1)))
            names = tuple(name for name, bad in zip(self.invariants, failed[row], strict=True) if bad)
            return new[:0], ids[:0], Violation(names, int(ids[row]), None)
        return new[result.constraint], ids[result.constraint], None

    def _expand(self, frontier: np.ndarray, ids: np.ndarray) -> tuple[tuple[Any, ...], Violation | None]:
        """Every successor of the frontier (keys, parents, labels), unless a step is wrong."""
        parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        i = 0
        while i < len(frontier):
            size = self.program.batch
            batch = ids[i : i + size]
            out = self.program.expand(words_of(frontier[i : i + size], self.program.layout.words), self.bug)
            row, label = np.nonzero(out.enabled)
            outside = ~out.inside[row, label]
            if outside.any():
                k = int(np.argmax(outside))
                return (), Violation(("OutOfBounds",), int(batch[row[k]]), int(label[k]))
            wrong = ~out.steps[row, label] & self.steps_on[None, :]
            if wrong.any():
                k = int(np.argmax(wrong.any(1)))
                names = tuple(name for name, bad in zip(self.steps, wrong[k], strict=True) if bad)
                return (), Violation(names, int(batch[row[k]]), int(label[k]))
            stuck = ~out.enabled.any(1)
            self.terminal += int(stuck.sum())
            if stuck.any() and self.spec.deadlock == "error":
                return (), Violation(("Deadlock",), int(batch[np.argmax(stuck)]), None)
            self.enabled_count += np.bincount(self.action_of[label], minlength=len(self.names))
            parts.append((keys(out.words[row, label]), batch[row], label))
            i += size
        self.generated += sum(len(part[0]) for part in parts)
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True)), None

    def _admit(self, found: np.ndarray, parent: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adds the states never seen before, in key order; the first (state, label) that reached each is its parent."""
        unique, first = np.unique(found, return_index=True)
        at = np.minimum(np.searchsorted(self.known, unique), len(self.known) - 1)
        fresh = self.known[at] != unique
        new, first = unique[fresh], first[fresh]
        ids = np.arange(self.states, self.states + len(new))
        where = np.searchsorted(self.known, new)
        self.known = np.insert(self.known, where, new)
        self.known_id = np.insert(self.known_id, where, ids)
        if self.keep_edges:
            self.edges.append((parent, label, self.known_id[np.searchsorted(self.known, found)]))
        if len(new):
            actions = self.action_of[label[first]]
            self.levels.append((new, parent[first], label[first]))
            self.first_count += np.bincount(actions, minlength=len(self.names))
            self.deepest[np.unique(actions)] = len(self.levels)
            self.states += len(new)
        return new, ids

    def _end(self, verdict: Verdict, violation: Violation | None = None, why: str = "") -> Exploration:
        levels = self.levels or [(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))]
        columns = [np.concatenate(column) for column in zip(*levels, strict=True)]
        level = np.repeat(np.arange(len(levels)) + 1, [len(one[0]) for one in levels])
        counts = zip(self.enabled_count.tolist(), self.first_count.tolist(), self.deepest.tolist(), strict=True)
        coverage: dict[str, dict[str, int]] = {
            name: dict(zip(("enabled", "first", "deepest"), numbers, strict=True))
            for name, numbers in zip(self.names, counts, strict=True)
        }
        edges = tuple(np.concatenate(c) for c in zip(*self.edges, strict=True)) if self.edges else None
        return Exploration(
            verdict=verdict,
            keys=columns[0],
            parent=columns[1],
            label=columns[2],
            level=level,
            generated=self.generated,
            depth=len(self.levels),
            terminal=self.terminal,
            coverage=coverage,
            witnesses=dict(zip(self.spec.witnesses, map(bool, self.seen_witness), strict=True)),
            violation=violation,
            edges=edges,  # type: ignore[arg-type]
            seconds=time.perf_counter() - self.start,
            why=why,
        )
