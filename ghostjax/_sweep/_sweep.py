"""Runs every point of a product of axes, compiling at most once per structure."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ghostjax._border import whole
from ghostjax._participation import as_given, weights_of
from ghostjax._run._chunk import Pace
from ghostjax._run._dataset import declared_dims
from ghostjax._run._describe import describe
from ghostjax._run._progress import Progress, Reporter
from ghostjax._run._provenance import environment
from ghostjax._run._result import judge
from ghostjax._run._signals import Interruption
from ghostjax._simulation import Simulation
from ghostjax._sweep._arguments import check_pace, seeds_of, shard_of
from ghostjax._sweep._axis import as_axes
from ghostjax._sweep._cells import CellStore, Claim
from ghostjax._sweep._lanes import default_lanes, play_lanes, play_one, shared_leaves
from ghostjax._sweep._plan import build_cells, Cell, Group, group_cells
from ghostjax._sweep._result import assemble, SCHEMA, Sweep, write_plan


WAIT = 0.5
"""Seconds between two looks at cells that other workers hold."""


def sweep(
    simulation: Simulation | Callable[..., Simulation],
    axes: Any,
    rounds: int,
    *,
    seeds: int | Iterable[int] = 1,
    participation: Any = None,
    directory: str | Path | None = None,
    shard: tuple[int, int] = (0, 1),
    lanes: int | None = None,
    merge: bool | str = "auto",
    chunk: int | str = "auto",
    progress: Progress = "auto",
) -> Sweep:
    """Trains every point of the product of `axes` with every seed, and returns one labelled dataset.

    `axes` maps names to values: a name is a dotted path into the simulation (`"attack"`,
    `"protocol.aggregator.f"`, `"protocol.optimizer.knobs.learning_rate"`, `"byzantine"`), values are objects or
    numbers, as a list or as `{label: value}`; an `Axis` sets several paths at once. Most generally `simulation` is
    a function `build(**point)`, with `seed` among its arguments if it wants that too. A path that only some
    options of another axis have (`f` of a rule, where another rule has none) is set where it exists. `seeds`
    (a number or a list) are root keys: equal seeds share initial models, batches and noise in all cells.

    **Compiles** at most once per structure: numbers are traced. When more than three structures differ only in
    attack or rule (at a server), they are merged into one program that switches between them; `merge` forces or
    forbids it. **Bits:** a cell does not depend on its neighbours, on the shard, or on stopping and resuming.
    Unmerged on CPU it has the bits of `simulate`; merged, or with `lanes` > 1 (cells batched side by side, padded
    to one width; the default on accelerators), it may differ from that by rounding.

    With a `directory` each finished cell is a file named by the sha256 of its whole configuration: the same
    call continues after a crash, any number of processes may share the folder, `shard=(i, n)` computes every
    n-th cell only, and extending an axis computes the new cells only. Corrupt cells are computed again. SIGTERM
    and the like stop after the chunk. `collect(directory)` reads what is there.

    The result has a coordinate `num_byzantine`: how many identities the adversary holds in each cell, however
    `byzantine` says it.

    Errors: `ConfigurationError` for an unknown path (with the nearest one) and for every cell that cannot work,
    naming its axes and values, before anything compiles.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> base = gj.Simulation(task, gj.protocols.Server(gj.aggregators.TrimmedMean()), byzantine=2)
    >>> result = gj.sweep(base, {"protocol.aggregator.f": [1, 2], "attack": [gj.attacks.ALIE()]}, 3, seeds=2)
    >>> dict(result.dataset["accuracy"].sizes)
    {'protocol.aggregator.f': 2, 'attack': 1, 'seed': 2, 'round': 3}

    ```
    """
    rounds = whole(rounds, "sweep", "rounds", low=1)
    index, count = shard_of(shard)
    check_pace(lanes, chunk)
    axes, roots = as_axes(axes), seeds_of(seeds)
    cells = build_cells(simulation, axes, roots, rounds, as_given(participation, "sweep"))
    for cell in {id(cell.simulation): cell for cell in cells}.values():
        _weights(participation, rounds, cell.simulation)
    groups = group_cells(cells, merge)
    plan = {
        "schema": SCHEMA,
        "axes": [{"name": axis.name, "paths": list(axis.paths or ()), "labels": axis.labels} for axis in axes],
        "seeds": roots,
        "rounds": rounds,
        "cells": [cell.name for cell in cells],
        "byzantine": [cell.byzantine for cell in cells],
        "environment": environment(*(cell.simulation for cell in cells)),
    }
    directory = None if directory is None else Path(directory)
    store = CellStore(directory)
    if directory is not None:
        write_plan(directory, plan)
    mine = {cell.name for i, cell in enumerate(cells) if i % count == index}
    with (
        Interruption(directory is not None) as interruption,
        Reporter(progress, len(mine), "cell", "sweep") as report,
    ):
        worker = _Worker(store, participation, rounds, lanes, chunk, report, interruption, plan["environment"])
        for group in groups:
            worker.play(group, mine)
        while worker.postponed and not interruption.asked:
            time.sleep(WAIT)
            for group in groups:
                worker.play(group, mine)
    return assemble(plan, store, interrupted=interruption.asked and len(worker.done) < len(mine))


def _weights(participation: Any, rounds: int, simulation: Simulation) -> np.ndarray:
    counts = getattr(simulation.task, "counts", None)
    return weights_of(participation, rounds, simulation.num_nodes, "sweep", counts)


class _Worker:
    """Goes through groups and computes what nobody has computed and nobody else is computing."""

    def __init__(
        self,
        store: CellStore,
        participation: Any,
        rounds: int,
        lanes: int | None,
        chunk: int | str,
        report: Reporter,
        interruption: Interruption,
        environment: dict[str, Any],
    ):
        self.store, self.participation, self.rounds, self.lanes, self.chunk = store, participation, rounds, lanes, chunk
        self.report, self.interruption, self.environment = report, interruption, environment
        self.done: set[str] = set()
        self.postponed: set[str] = set()

    def play(self, group: Group, mine: set[str]) -> None:
        """Computes the cells of `group` that are `mine`."""
        todo: dict[tuple[int, ...], list[int]] = {}
        for i, cell in enumerate(group.cells):
            if cell.name in mine and cell.name not in self.done:
                todo.setdefault(group.branches[i], []).append(i)
        if not todo:
            return
        width = self.lanes or default_lanes(group.cells[0].simulation, max(map(len, todo.values())))
        shared = shared_leaves(group.programs, group.branches) if width > 1 else []
        pace = Pace(self.chunk, "sweep")
        for places in todo.values():
            batch: list[tuple[int, Claim]] = []
            for i in places:
                if self.interruption.asked:
                    break
                claim = self._claim(group.cells[i], {group.cells[j].name for j, _ in batch})
                if claim is not None:
                    batch.append((i, claim))
                if len(batch) == width:
                    self._compute(group, batch, width, shared, pace)
                    batch = []
            if batch:
                self._compute(group, batch, width, shared, pace)

    def _claim(self, cell: Cell, held: set[str]) -> Claim | None:
        """The right to compute `cell`, or None: it is done, twice in the sweep, or somebody else's for now."""
        if cell.name in held or cell.name in self.done:
            return None
        if self.store.load(cell.name) is not None:
            self._finished(cell)
            return None
        claim = self.store.claim(cell.name)
        if claim is None:
            self.postponed.add(cell.name)
            return None
        if self.store.load(cell.name) is not None:  # finished between the look and the claim
            claim.release()
            self._finished(cell)
            return None
        return claim

    def _compute(
        self, group: Group, batch: list[tuple[int, Claim]], width: int, shared: list[bool], pace: Pace
    ) -> None:
        def beat() -> bool:
            for _, claim in batch:
                claim.beat()
            return not self.interruption.asked

        programs = [group.programs[i] for i, _ in batch]
        keys = [jax.random.key(group.cells[i].seed) for i, _ in batch]
        weights = _weights(self.participation, self.rounds, programs[0])
        try:
            if width == 1:
                one = play_one(programs[0], keys[0], weights, pace, beat)
                played = None if one is None else [one]
            else:
                played = play_lanes(programs, keys, shared, width, weights, pace, beat)
            for (i, _), program, (record, state) in zip(batch, programs, played or [], strict=played is not None):
                cell = group.cells[i]
                manifest = {
                    "result": judge(program, record, state).name,
                    "dims": {name: list(dims) for name, dims in declared_dims(program, record).items()},
                    "environment": self.environment,
                    "width": width,
                    "merged": describe(group.branches[i]),
                    "config": cell.description,
                }
                self.store.save(cell.name, record, manifest)
                self._finished(cell, record)
        finally:
            for _, claim in batch:
                claim.release()

    def _finished(self, cell: Cell, record: dict[str, np.ndarray] | None = None) -> None:
        self.done.add(cell.name)
        self.postponed.discard(cell.name)
        self.report.update(len(self.done), record)
