"""Runs every point of a product of axes, compiling at most once per structure."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ghostjax._border import folder, whole
from ghostjax._files import remove_drafts, unwritable
from ghostjax._participation import as_given
from ghostjax._run._provenance import environment
from ghostjax._run._signals import Interruption
from ghostjax._simulation import Simulation
from ghostjax._sweep._arguments import check_batch, check_names, seed_of, seeds_of, shard_of
from ghostjax._sweep._axis import as_axes
from ghostjax._sweep._cells import CellStore
from ghostjax._sweep._plan import build_cells, group_cells
from ghostjax._sweep._result import assemble, loaded, Sweep
from ghostjax._sweep._sealed import begin_plan, end_plan, SCHEMA
from ghostjax._sweep._worker import Worker
from ghostjax._training import as_training, Training, Unset
from ghostjax._types import require
from ghostjax.sinks._reporter import How, Reporter


WAIT = 0.5
"""Seconds between two looks at cells that other workers hold."""


def sweep(
    simulation: Simulation | Training | Callable[..., Simulation],
    axes: Any,
    rounds: int | None = None,
    *,
    seeds: int | Iterable[int] | Unset = Unset.unset,
    participation: Any = None,
    directory: str | Path | None = None,
    shard: tuple[int, int] = (0, 1),
    batch: int | None = None,
    merge: bool | str = "auto",
    chunk: int | str = "auto",
    progress: How = "auto",
) -> Sweep:
    """Trains every point of the product of `axes` with every seed, and returns one labelled dataset.

    `axes` maps names to values: a name is a dotted path into the simulation (`"attack"`,
    `"protocol.aggregator.f"`, `"protocol.optimizer.knobs.learning_rate"`, `"byzantine"`), values are objects or
    numbers, as a list or as `{label: value}`; an `Axis` sets several paths at once. In the most general form,
    `simulation` is a function `build(**point)`, which may have an argument `seed`. A path that only some options of
    another axis have (such as `f` of a rule) is set where it exists. `seeds` (a number or a list, one by default) are
    root keys: equal seeds share initial models, batches and noise in all cells. A `gj.Training` in place of the
    simulation contains rounds and participation; its own key is the seed unless `seeds` are given.

    **Compiles** at most once per structure: numbers are traced. When more than three structures differ only in
    attack, learner, identity, channel, detectors, governance, electorate or rule (at a server), they are merged into
    one program that switches between them; `merge` forces or forbids it. Members that record something else, or pass
    on arrays of other kinds, stay apart, as do tasks, metrics, protocols and graphs, which give the rest its shape.
    **Bits:** a cell does not depend on its neighbours, on the shard, or on stopping and resuming. Unmerged on CPU it
    has the bits of `simulate`; merged, or with `batch` > 1 (cells batched side by side, padded to one width; the
    default on accelerators), it may differ from that by rounding.

    With a `directory` each finished cell is a file named by the sha256 of its whole configuration: the same
    call continues after a crash, any number of processes may share the folder, `shard=(i, n)` computes every
    n-th cell only, and extending an axis computes the new cells only. A finished cell is used again only if the same
    program would run now (equal traces, package source, jax and device). Other cells, and corrupt ones, are computed
    again with a warning. SIGTERM and other signals stop the sweep after the chunk. `collect(directory)` reads all
    finished cells, and `ghostjax verify` checks the folder.

    The result has a variable `num_byzantine`: the number of identities that the adversary holds in each cell.

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
    if isinstance(simulation, Training):
        training = as_training("sweep", simulation, rounds, participation=participation)
        fresh = training.state is None
        require(fresh, "sweep", "training", "from a given state", "cells begin from models of their own; leave it out")
        seeds = [seed_of(training.key)] if seeds is Unset.unset else seeds
        simulation, rounds, participation = training.simulation, training.rounds, training.participation
    rounds = whole(rounds, "sweep", "rounds", low=1)
    index, count = shard_of(shard)
    check_batch(batch, chunk)
    axes, roots = as_axes(axes), seeds_of(1 if seeds is Unset.unset else seeds)
    cells = build_cells(simulation, axes, roots, rounds, as_given(participation, "sweep"))
    different = {id(cell.simulation): cell.simulation for cell in cells}.values()
    for one in different:
        Training(one, rounds, roots[0], participation, call="sweep")
    check_names([axis.name for axis in axes], [one.outputs for one in different])
    groups = group_cells(cells, merge)
    plan = {
        "kind": "sweep",
        "schema": SCHEMA,
        "axes": [{"name": axis.name, "paths": list(axis.paths or ()), "labels": axis.labels} for axis in axes],
        "seeds": roots,
        "rounds": rounds,
        "cells": [cell.name for cell in cells],
        "byzantine": [cell.byzantine for cell in cells],
        "environment": environment(*(cell.simulation for cell in cells)),
    }
    where = None if directory is None else _opened(directory)
    store = CellStore(where)
    store.open()
    if where is not None:
        begin_plan(where, plan)
    # Shards are made of points, so that a shard has all seeds of its points.
    mine = {cell.name for i, cell in enumerate(cells) if i // len(roots) % count == index}
    with (
        Interruption(where is not None) as interruption,
        Reporter(progress, len(mine), "cell", "sweep") as report,
    ):
        worker = Worker(store, participation, rounds, batch, chunk, report, interruption, plan["environment"])
        for group in groups:
            worker.play(group, mine)
        while worker.postponed and not interruption.requested:
            time.sleep(WAIT)
            for group in groups:
                worker.play(group, mine)
    store.clear()
    found = loaded(plan, store)
    if where is not None:
        end_plan(where, plan, found)
    return assemble(plan, found, interrupted=interruption.requested and len(worker.done) < len(mine))


def _opened(directory: str | Path) -> Path:
    """The folder, writable, and without the drafts of killed writers."""
    where = folder(directory, "sweep", "directory")
    problem = unwritable(where)
    require(problem is None, "sweep", "directory", where, f"cannot be written to ({problem}); choose another")
    remove_drafts(where)
    return where
