"""Exhaustive breadth-first exploration: every reachable state, level by level, so that traces are shortest."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np

from ghostjax._cores import usable_cores
from ghostjax.formal._declared import initial_states
from ghostjax.formal._encoding import columns_of, keys_of_columns, pack_many
from ghostjax.formal._program import Program
from ghostjax.formal._table import Table


Verdict = Literal["ok", "violated", "deadlock", "incomplete"]


class Violation(NamedTuple):
    """The first violation: the properties, the state that violates them or before the step, and the step's label."""

    properties: tuple[str, ...]
    state: int
    label: int | None


class Exploration(NamedTuple):
    """The explored graph: states in order of discovery, each with the label and the state that first led to it.

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
    threads: int | None = None,
) -> Exploration:
    """Explores everything reachable from the initial states, or stops at the first violated property.

    "OutOfBounds" is a separate violation, found before a successor is read. `only` narrows the invariants and step
    invariants that are checked. If a budget runs out, the verdict is "incomplete". The result is the same for every
    engine, batch size and number of threads: states of a level are in the order of their keys, and the first (state,
    label) in that order that reaches a new state is its parent.
    """
    search = _Search(program, bug, only, max_states, max_seconds, keep_edges, threads)
    try:
        return search.run()
    finally:
        search.close()


class _Found(NamedTuple):
    """The result of one block of the frontier: distinct keys that were not yet known, each with the first
    `row * labels + label` that reaches it; enabled pairs per label; terminal rows; a violation, if any; edges."""

    keys: np.ndarray
    tag: np.ndarray
    enabled: np.ndarray
    terminal: int
    violation: tuple[tuple[str, ...], int, int | None] | None
    edges: tuple[np.ndarray, np.ndarray, np.ndarray] | None


class _Stop(Exception):
    """A budget is used up."""


class _Search:
    def __init__(
        self,
        program: Program,
        bug: int,
        only: tuple[str, ...] | None,
        max_states: int | None,
        max_seconds: float | None,
        keep_edges: bool,
        threads: int | None,
    ):
        spec = program.spec
        self.program, self.spec, self.bug, self.only = program, spec, bug, only
        self.max_states, self.max_seconds, self.keep_edges = max_states, max_seconds, keep_edges
        self.invariants = list(spec.invariants)
        self.invariants_on = np.array([only is None or name in only for name in self.invariants], bool)
        self.names = [action.name for action in spec.actions]
        self.action_of = np.array([self.names.index(label.action) for label in program.labels])
        self.count = len(program.labels)
        self.enabled_count = np.zeros(self.count, np.int64)
        self.first_count = np.zeros(len(self.names), np.int64)
        self.deepest = np.zeros(len(self.names), np.int64)
        self.seen_witness = np.zeros(len(spec.witnesses), bool)
        self.levels: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.edges: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.table = Table(program.layout.words // 2, numbered=keep_edges)
        self.order: list[np.ndarray] = []
        self.label_type = np.min_scalar_type(-self.count)
        self.generated, self.terminal, self.states = 0, 0, 0
        self.threads = min(usable_cores(), 4) if threads is None else threads
        self.pool: ThreadPoolExecutor | None = None
        self.start = time.perf_counter()

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def run(self) -> Exploration:
        words, inside = pack_many(self.program.layout, initial_states(self.spec))
        self.generated = len(words)
        if not inside.all():
            return self._end("violated", Violation(("OutOfBounds",), -1, None), why="an initial state is out of bounds")
        initial, _ = self._distinct(self.program.canonical_columns(columns_of(words)), np.zeros(len(words), np.int64))
        self.table.add(initial)
        none = np.full(initial.shape[1], -1)
        self._level(initial, none, none)
        try:
            return self._search(initial)
        except _Stop as stop:
            return self._end("incomplete", why=str(stop))

    def _search(self, new: np.ndarray) -> Exploration:
        while True:
            ids = np.arange(self.states - new.shape[1], self.states)
            frontier, ids, bad = self._inspect(new, ids)
            if bad is None and not frontier.shape[1]:
                return self._end("ok")
            if bad is None:
                self._budget()
                new, bad = self._expand(frontier, ids)
            if bad is not None:
                return self._end("deadlock" if bad.properties == ("Deadlock",) else "violated", bad)
            if not new.shape[1]:
                return self._end("ok")

    def _budget(self) -> None:
        if self.max_states is not None and self.states >= self.max_states:
            raise _Stop(f"{self.max_states} states were allowed")
        if self.max_seconds is not None and time.perf_counter() - self.start > self.max_seconds:
            raise _Stop(f"{self.max_seconds:g} seconds were allowed")

    def _map(self, function: Callable[[int], Any], total: int) -> Iterator[Any]:
        """`function` of the beginning of every block, in order, by several threads if there are several."""
        starts = range(0, total, self.program.batch)
        if self.threads < 2 or len(starts) < 2:
            yield from map(function, starts)
            return
        if self.pool is None:
            self.pool = ThreadPoolExecutor(self.threads)
        waiting: deque[Future] = deque()
        for start in starts:
            waiting.append(self.pool.submit(function, start))
            if len(waiting) > 2 * self.threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _inspect(self, new: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, Violation | None]:
        """The frontier among `new` states (those within the constraint), unless an invariant fails."""
        within: list[np.ndarray] = []
        size = self.program.batch

        def look(i: int) -> tuple[int, Any]:
            return i, self.program.inspect_columns(new[:, i : i + size], self.bug)

        for i, result in self._map(look, new.shape[1]):
            self.seen_witness |= result.witnesses.any(0)
            within.append(result.constraint)
            failed = ~result.invariants & self.invariants_on[None, :]
            if failed.any():
                row = int(np.argmax(failed.any(1)))
                names = tuple(name for name, bad in zip(self.invariants, failed[row], strict=True) if bad)
                return new[:, :0], ids[:0], Violation(names, int(ids[i + row]), None)
        keep = np.concatenate(within)
        return (new, ids, None) if keep.all() else (new[:, keep], ids[keep], None)

    def _expand(self, frontier: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, Violation | None]:
        """The new successors of the frontier, in key order, unless a step is a violation."""
        size = self.program.batch
        parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        states = self.states

        def look(i: int) -> tuple[int, _Found]:
            return i, self._successors(frontier[:, i : i + size])

        for i, found in self._map(look, frontier.shape[1]):
            if found.violation is not None:
                names, row, label = found.violation
                return frontier[:, :0], Violation(names, int(ids[i + row]), label)
            self.enabled_count += found.enabled
            self.generated += int(found.enabled.sum())
            self.terminal += found.terminal
            fresh = self.table.add(found.keys)
            row, label = np.divmod(found.tag[fresh], self.count)
            parts.append((found.keys[:, fresh], ids[i + row], label.astype(self.label_type)))
            if found.edges is not None:
                keys, row, label = found.edges
                self.edges.append((ids[i + row], label, keys))
            self.states += len(fresh)
            self._budget()
        self.states = states
        keys = np.concatenate([part[0] for part in parts], axis=1)
        parent, label = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
        order = np.argsort(keys[0]) if len(keys) == 1 else np.lexsort(keys[::-1])
        keys = keys.take(order, axis=1)
        self._level(keys, parent.take(order), label.take(order), order)
        return keys, None

    def _successors(self, columns: np.ndarray) -> _Found:
        found = self.program.successors(columns, self.bug, self.only, loops=self.keep_edges)
        violation = self._wrong(columns, found)
        if violation is not None:
            return _Found(columns[:, :0], found.tag[:0], found.enabled, 0, violation, None)
        edges = None
        if self.keep_edges:
            edges = (self.program.canonical_columns(found.keys), *np.divmod(found.tag, self.count))
        keys, tag = self._distinct(found.keys, found.tag)
        if self.spec.symmetry:
            keys, tag = self._distinct(self.program.canonical_columns(keys), tag)
        keep = self.table.missing(keys)
        return _Found(keys.take(keep, axis=1), tag.take(keep), found.enabled, len(found.stuck), None, edges)

    def _wrong(self, columns: np.ndarray, found: Any) -> tuple[tuple[str, ...], int, int | None] | None:
        """The first row of a block with a step that is a violation, or with a deadlock that is one."""
        stuck = int(found.stuck[0]) if len(found.stuck) and self.spec.deadlock == "error" else -1
        row = found.wrong
        if stuck >= 0 and (row < 0 or stuck < row):
            return ("Deadlock",), stuck, None
        if row < 0:
            return None
        out = self.program.expand_columns(columns[:, row : row + 1], self.bug)
        on = np.array([self.only is None or name in self.only for name in self.spec.steps], bool)
        failed = ~out.steps[0] & on[None, :]
        bad = out.enabled[0] & (~out.inside[0] | failed.any(1))
        label = int(np.argmax(bad))
        names = tuple(name for name, wrong in zip(self.spec.steps, failed[label], strict=True) if wrong)
        return names if out.inside[0, label] else ("OutOfBounds",), row, label

    def _distinct(self, keys: np.ndarray, tag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The distinct keys in order, each with its smallest tag."""
        if not keys.shape[1]:
            return keys, tag
        bits = int(tag.max()).bit_length()
        if len(keys) == 1 and self.program.layout.used + bits <= 64:
            # Key and tag fit into one number, so that one sort of plain integers suffices.
            both = keys[0] << np.uint64(bits) | tag.view(np.uint64)
            both.sort()
            key = both >> np.uint64(bits)
            first = np.ones(len(key), bool)
            np.not_equal(key[1:], key[:-1], out=first[1:])
            first = np.flatnonzero(first)
            return key.take(first)[None], (both.take(first) & np.uint64((1 << bits) - 1)).view(np.int64)
        order = np.lexsort((tag, *keys[::-1]))
        keys, tag = keys.take(order, axis=1), tag.take(order)
        first = np.ones(len(tag), bool)
        first[1:] = (keys[:, 1:] != keys[:, :-1]).any(0)
        return keys.compress(first, axis=1), tag.compress(first)

    def _level(self, keys: np.ndarray, parent: np.ndarray, label: np.ndarray, order: np.ndarray | None = None) -> None:
        """A level of new states in key order. `order` are their places among the keys added to the table."""
        count = keys.shape[1]
        if not count:
            return
        if self.keep_edges:
            number = np.empty(count, np.int64)
            number[np.arange(count) if order is None else order] = np.arange(self.states, self.states + count)
            self.order.append(number)
        if order is not None:
            actions = self.action_of[label]
            self.first_count += np.bincount(actions, minlength=len(self.names))
            self.deepest[np.unique(actions)] = len(self.levels) + 1
        self.states += count
        kind = np.int32 if self.states < 2**31 else np.int64
        self.levels.append((keys, parent.astype(kind), label.astype(self.label_type)))

    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        if not self.edges:
            return None
        number = np.concatenate(self.order)
        target = [number[self.table.numbers(keys)] for _, _, keys in self.edges]
        source, label = (np.concatenate([edge[k] for edge in self.edges]) for k in (0, 1))
        return source, label, np.concatenate(target)

    def _end(self, verdict: Verdict, violation: Violation | None = None, why: str = "") -> Exploration:
        empty = np.zeros(0, np.int64)
        levels = self.levels or [(np.zeros((self.program.layout.words // 2, 0), np.uint64), empty, empty)]
        level = np.repeat(np.arange(len(levels), dtype=np.int32) + 1, [one[0].shape[1] for one in levels])
        enabled = np.bincount(self.action_of, self.enabled_count, len(self.names)).astype(np.int64)
        counts = zip(enabled.tolist(), self.first_count.tolist(), self.deepest.tolist(), strict=True)
        coverage: dict[str, dict[str, int]] = {
            name: dict(zip(("enabled", "first", "deepest"), numbers, strict=True))
            for name, numbers in zip(self.names, counts, strict=True)
        }
        return Exploration(
            verdict=verdict,
            keys=keys_of_columns(np.concatenate([one[0] for one in levels], axis=1)),
            parent=np.concatenate([one[1] for one in levels]),
            label=np.concatenate([one[2] for one in levels]),
            level=level,
            generated=self.generated,
            depth=len(self.levels),
            terminal=self.terminal,
            coverage=coverage,
            witnesses=dict(zip(self.spec.witnesses, map(bool, self.seen_witness), strict=True)),
            violation=violation,
            edges=self._edges() if verdict == "ok" else None,
            seconds=time.perf_counter() - self.start,
            why=why,
        )
