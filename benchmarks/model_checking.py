"""Model checking: distinct states per second beside breadth-first searches in plain Python tuned by hand (on tuples,
and on integers with bit operations), both engines, memory per state, what all specifications cost, and the steps per
second of their machines with the implementation attached.

    python benchmarks/model_checking.py [--largest 8] [--specs specs] [--only PART]

The protocol is two-phase commit with 7, 8, ... resource managers. The searches take turns in one run; tracing is
included, for the "xla" engine compilation as well. Wall time is of use on an idle machine only.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, check, fuzz, Program, Spec, Var
from ghostjax.formal._explore import explore
from ghostjax.formal._find import find, load
from ghostjax.formal._machine import play


WORKING, PREPARED, COMMITTED, ABORTED = range(4)


class State(NamedTuple):
    """Resource managers, the transaction manager, what it was told, and the messages ever sent."""

    rm: Any
    tm: Any
    told: Any
    sent: Any
    commit: Any
    abort: Any


def two_phase(managers: int) -> Spec:
    """Two-phase commit."""

    def tm_commit(s: State, bug: Any) -> tuple[Any, State]:
        return (s.tm == 0) & (s.told == 1).all(), s._replace(tm=jnp.int32(1), commit=jnp.int32(1))

    def tm_abort(s: State, bug: Any) -> tuple[Any, State]:
        return s.tm == 0, s._replace(tm=jnp.int32(2), abort=jnp.int32(1))

    def tm_hear(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return (s.tm == 0) & (s.sent[r] == 1), s._replace(told=s.told.at[r].set(1))

    def prepare(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return s.rm[r] == WORKING, s._replace(rm=s.rm.at[r].set(PREPARED), sent=s.sent.at[r].set(1))

    def give_up(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return s.rm[r] == WORKING, s._replace(rm=s.rm.at[r].set(ABORTED))

    def hear_commit(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return s.commit == 1, s._replace(rm=s.rm.at[r].set(COMMITTED))

    def hear_abort(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return s.abort == 1, s._replace(rm=s.rm.at[r].set(ABORTED))

    zero, each = np.zeros(managers, np.int32), {"r": managers}
    bit = Var((managers,), 1)
    return Spec(
        name=f"two-phase commit, {managers} managers",
        state=State,
        variables={"rm": Var((managers,), 3), "tm": Var((), 2), "told": bit, "sent": bit, "commit": Var((), 1),
                   "abort": Var((), 1)},
        init=[State(zero, 0, zero, zero, 0, 0)],
        actions=(
            Action("TMCommit", tm_commit), Action("TMAbort", tm_abort), Action("TMRcvPrepared", tm_hear, each),
            Action("RMPrepare", prepare, each), Action("RMChooseToAbort", give_up, each),
            Action("RMRcvCommit", hear_commit, each), Action("RMRcvAbort", hear_abort, each),
        ),
        invariants={"Consistent": lambda s: ~((s.rm == COMMITTED).any() & (s.rm == ABORTED).any())},
    )  # fmt: skip


def plain_python(n: int) -> tuple[int, int, int]:
    """The same protocol and search by hand: states are integers, transitions bit operations, parents a dictionary."""
    managers = range(n)
    full = (1 << n) - 1
    tm_at, told_at, sent_at = 2 * n, 2 * n + 2, 3 * n + 2
    tm_mask, all_told = 3 << tm_at, full << told_at
    commit, abort = 1 << (4 * n + 2), 1 << (4 * n + 3)
    decide_commit, decide_abort = 1 << tm_at | commit, 2 << tm_at | abort
    hear = [(1 << (sent_at + r), 1 << (told_at + r)) for r in managers]
    work = [(3 << 2 * r, PREPARED << 2 * r | 1 << (sent_at + r), ABORTED << 2 * r) for r in managers]
    to_commit = [(~(3 << 2 * r), COMMITTED << 2 * r) for r in managers]
    to_abort = [3 << 2 * r for r in managers]
    even = sum(1 << 2 * r for r in managers)
    parent: dict[int, int] = {0: -1}
    frontier, generated, depth = [0], 1, 1
    while True:
        new: list[int] = []
        add = new.append
        for s in frontier:
            # Each manager has two bits: 10 is committed, 11 is aborted.
            high, low = s >> 1 & even, s & even
            assert not (high & ~low and high & low), "inconsistent"
            if not s & tm_mask:
                if s & all_told == all_told:
                    generated += 1
                    t = s | decide_commit
                    if t not in parent:
                        parent[t] = s
                        add(t)
                generated += 1
                t = s | decide_abort
                if t not in parent:
                    parent[t] = s
                    add(t)
                for sent, told in hear:
                    if s & sent:
                        generated += 1
                        t = s | told
                        if t not in parent:
                            parent[t] = s
                            add(t)
            for mask, prepared, aborted in work:
                if not s & mask:
                    generated += 2
                    t = s | prepared
                    if t not in parent:
                        parent[t] = s
                        add(t)
                    t = s | aborted
                    if t not in parent:
                        parent[t] = s
                        add(t)
            if s & commit:
                generated += n
                for keep, committed in to_commit:
                    t = s & keep | committed
                    if t not in parent:
                        parent[t] = s
                        add(t)
            if s & abort:
                generated += n
                for aborted in to_abort:
                    t = s | aborted
                    if t not in parent:
                        parent[t] = s
                        add(t)
        if not new:
            return len(parent), generated, depth
        frontier, depth = new, depth + 1


def plain_tuples(n: int) -> tuple[int, int, int]:
    """The same by hand with states as tuples of small integers, as one writes it first, and tunes it."""
    managers = tuple(range(n))
    start = ((WORKING,) * n, 0, (0,) * n, (0,) * n, 0, 0)
    parent: dict[tuple, tuple | None] = {start: None}
    frontier, generated, depth = [start], 1, 1
    all_told = (1,) * n
    while True:
        new: list[tuple] = []
        for s in frontier:
            rm, tm, told, sent, commit, abort = s
            assert not (COMMITTED in rm and ABORTED in rm), "inconsistent"
            after: list[tuple] = []
            add = after.append
            if tm == 0:
                if told == all_told:
                    add((rm, 1, told, sent, 1, abort))
                add((rm, 2, told, sent, commit, 1))
                for r in managers:
                    if sent[r]:
                        add((rm, tm, (*told[:r], 1, *told[r + 1 :]), sent, commit, abort))
            for r in managers:
                if rm[r] == WORKING:
                    add(((*rm[:r], PREPARED, *rm[r + 1 :]), tm, told, (*sent[:r], 1, *sent[r + 1 :]), commit, abort))
                    add(((*rm[:r], ABORTED, *rm[r + 1 :]), tm, told, sent, commit, abort))
                if commit:
                    add(((*rm[:r], COMMITTED, *rm[r + 1 :]), tm, told, sent, commit, abort))
                if abort:
                    add(((*rm[:r], ABORTED, *rm[r + 1 :]), tm, told, sent, commit, abort))
            generated += len(after)
            for t in after:
                if t not in parent:
                    parent[t] = s
                    new.append(t)
        if not new:
            return len(parent), generated, depth
        frontier, depth = new, depth + 1


def measured(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result, CPU seconds and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def search(spec: Spec, engine: Any, threads: int | None = None) -> tuple[int, int, int]:
    """Distinct, generated, depth."""
    found = explore(Program(spec, engine), threads=threads)
    assert found.verdict == "ok", found.verdict
    return len(found.keys), found.generated, found.depth


def beside_python(largest: int) -> None:
    """The searches alternating, with counts compared: distinct states per second, and ratios."""
    print("Distinct states per second; ratio = ghostjax / Python. Every count is compared.\n")
    print("| managers | distinct | generated | depth | per | tuples | integers | ghostjax | / tuples | / integers |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for managers in range(7, largest + 1):
        spec = two_phase(managers)
        counts, *tuples = measured(lambda n=managers: plain_tuples(n))
        bits, *integers = measured(lambda n=managers: plain_python(n))
        ours, *threads = measured(lambda s=spec: search(s, "numpy"))
        again, *one = measured(lambda s=spec: search(s, "numpy", 1))
        assert counts == bits == ours == again, (counts, bits, ours, again)
        n = counts[0]
        rows = {
            "CPU second, one thread": (tuples[0], integers[0], one[0]),
            "wall second, all threads": (tuples[1], integers[1], threads[1]),
        }
        for per, (a, b, c) in rows.items():
            print(f"| {managers} | {n} | {counts[1]} | {counts[2]} | {per} | {n / a:.0f} | {n / b:.0f} | {n / c:.0f} | "
                  f"{a / c:.1f} | {b / c:.1f} |", flush=True)  # fmt: skip


def engines() -> None:
    """Cold CPU seconds of both engines by size: from where on compiling pays."""
    print(f"\n{'managers':>8} {'distinct':>10} {'numpy cold s':>12} {'xla cold s':>11} {'xla warm s':>11}   (CPU)")
    for managers in (3, 5, 6, 7):
        spec = two_phase(managers)
        (count, _, _), numpy, _ = measured(lambda s=spec: search(s, "numpy"))
        program = Program(spec, "xla")
        _, cold, _ = measured(lambda p=program: explore(p))
        _, warm, _ = measured(lambda p=program: explore(p))
        print(f"{managers:>8} {count:>10} {numpy:>12.3f} {cold:>11.2f} {warm:>11.2f}")


def specifications(folder: Path) -> None:
    """All specifications of a folder with their mutants, each traced once."""
    print(f"\n{'specification':<24} {'distinct':>9} {'mutants':>7} {'CPU s':>7}")
    total = 0.0
    for path in find([folder]):
        spec = load(path).spec
        if spec is None:
            continue

        def everything(spec: Spec) -> int:
            program = Program(spec)
            distinct = check(program).distinct
            for mutant in spec.mutants:
                check(program, mutant)
            return distinct

        distinct, cpu, _ = measured(lambda s=spec: everything(s))
        total += cpu
        print(f"{spec.name:<24} {distinct:>9} {len(spec.mutants):>7} {cpu:>7.2f}")
    print(f"{'together':<24} {'':>9} {'':>7} {total:>7.2f}")


def machines(folder: Path) -> None:
    """Steps per CPU second of every machine: specification and implementation in lock step, and machines of their own.

    The second of two equal runs is measured, the first of which compiles and explores.
    """
    print(f"\n{'machine':<48} {'steps':>6} {'refusals':>8} {'CPU s':>6} {'per CPU s':>9}")
    for path in find([folder]):
        found = load(path)
        played: dict[str, Callable[[], tuple[int, int]]] = {}
        for name, offered in found.bindings.implementations.items():
            spec = offered.spec or found.base
            assert spec is not None
            program = Program(spec, "numpy")

            def lock_step(program: Program = program, code: Any = offered.code) -> tuple[int, int]:
                statistics = fuzz(program, code, examples=40, steps=30)
                return statistics.steps, statistics.refused

            played[name] = lock_step
        for name, own in found.bindings.machines.items():
            played[name] = lambda machine=own.machine: (play(machine, 40, 30), 0)
        for name, run in played.items():
            run()
            (steps, refused), cpu, _ = measured(run)
            print(f"{found.name + ', ' + name:<48} {steps:>6} {refused:>8} {cpu:>6.2f} {(steps + refused) / cpu:>9.0f}",
                  flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--largest", type=int, default=8, help="resource managers of the largest run")
    parser.add_argument("--specs", type=Path, default=Path("specs"))
    parts: dict[str, Callable[[], None]] = {
        "memory": lambda: memory(options.largest),
        "python": lambda: beside_python(options.largest),
        "engines": engines,
        "specifications": lambda: specifications(options.specs),
        "machines": lambda: machines(options.specs),
    }
    parser.add_argument("--only", choices=parts, help="one part instead of all")
    options = parser.parse_args()
    for name, part in parts.items():
        if options.only in (None, name):
            part()


def memory(largest: int) -> None:
    """Bytes per state at the peak."""
    before = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count, _, _ = search(two_phase(largest), "numpy")
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"memory: {count} states, {peak / count:.0f} bytes each at the peak, "
          f"{16e9 / (peak / count) / 1e6:.0f} million states in 16 GB\n")  # fmt: skip


if __name__ == "__main__":
    main()
