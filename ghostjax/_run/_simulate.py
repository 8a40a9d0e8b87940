"""Runs a simulation from the host, chunk by chunk."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._border import member, whole
from ghostjax._participation import weights_of
from ghostjax._random import root_key
from ghostjax._run import _checkpoint
from ghostjax._run._chunk import advance, begin, fetched, joined, own, Pace, rows_of
from ghostjax._run._dataset import declared_dims
from ghostjax._run._describe import describe
from ghostjax._run._progress import Progress, Reporter
from ghostjax._run._provenance import environment
from ghostjax._run._result import judge, RunResult
from ghostjax._run._run import Run
from ghostjax._run._signals import Interruption
from ghostjax._run._summary import summary
from ghostjax._simulation import Simulation
from ghostjax._types import Key


def simulate(
    simulation: Simulation,
    rounds: int,
    key: Key | int = 0,
    *,
    participation: Any = None,
    chunk: int | str = "auto",
    directory: str | Path | None = None,
    resume: bool = True,
    checkpoint_seconds: float = 30.0,
    allow_layout_change: bool = False,
    progress: Progress = "auto",
    config: Mapping[str, Any] | None = None,
) -> Run:
    """Trains `simulation` for `rounds` rounds from the root `key` and returns what happened.

    `participation` `[rounds, n]` are the weights of identities per round (1 unless given; `[n]` holds for all
    rounds): how many identities each counts for, 0 for an absent one. Stake is declared, `gj.stake(shares)`, and so
    are FedAvg's weights, `"by_examples"`; weights that are all below 1/2 are refused. The host looks in every `chunk`
    rounds; "auto" takes as many as last about a second. Neither the chunk nor stopping and resuming changes a bit of
    the result, and one compiled program serves all simulations of one structure, whatever their knobs, keys and
    numbers of rounds.

    With a `directory` the run survives: a checkpoint at most every `checkpoint_seconds`, the last two kept,
    each written whole or not at all. After a crash, `kill -9` included, the same call continues from the last
    one; SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 end the chunk, save, and return `RunResult.interrupted`. A
    finished run is read back and not played again, and is there for `load_run`. `resume=False` starts over.
    A checkpoint of another simulation, key, participation or number of rounds is refused, naming the
    difference; so is another device, mesh or float format, unless `allow_layout_change`; other versions of
    the libraries only warn. A corrupt checkpoint is set aside with a warning and the one before it used.

    `progress` is "auto" (a bar on a terminal, otherwise a line every ten seconds), "lines", None for silence, or a
    function `(done, total, latest)`. `config`, plain data, is kept in the provenance.

    Errors: `ConfigurationError` before anything compiles.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> run = gj.simulate(gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean())), 3)
    >>> run.result.name, run.rounds
    ('completed', 3)

    ```
    """
    member(simulation, Simulation, "simulate", "simulation")
    rounds = whole(rounds, "simulate", "rounds", low=1)
    key = root_key(key, "simulate")
    counts = getattr(simulation.task, "counts", None)
    weights = weights_of(participation, rounds, simulation.num_nodes, "simulate", counts)
    pace = Pace(chunk, "simulate")
    provenance = {
        "environment": environment(simulation),
        "rounds": rounds,
        "key": describe(key),
        "participation": None if participation is None else describe(weights),
        "simulation": describe(simulation),
        "summary": summary(simulation),
        "config": None if config is None else dict(config),
    }
    directory = None if directory is None else Path(directory)
    found = _find(directory, resume, provenance, allow_layout_change)
    done = 0 if found is None else found[0].round
    pieces: list[dict[str, np.ndarray]] = []
    saved = done

    def save() -> None:
        assert directory is not None
        _checkpoint.save(directory, state, joined(pieces), {**provenance, "round": done})

    with (
        Interruption(directory is not None) as interruption,
        Reporter(progress, rounds, "round", "simulate", done) as report,
    ):
        state = own(begin(simulation, key), simulation, key)
        if found is not None:
            state, record = _checkpoint.restore(found[1], state, found[0].path)
            pieces = [record]
        pending, clock, last_save = None, None, time.monotonic()

        def collect() -> None:
            # One chunk behind: the device plays the next one while its predecessor is fetched.
            nonlocal pending, clock
            if pending is not None:
                record, count, upto = pending
                pieces.append(fetched(record, count))
                report.update(upto, pieces[-1])
                now = time.monotonic()
                if clock is not None:
                    pace.took(count, now - clock)
                clock, pending = now, None

        while done < rounds and not interruption.asked:
            count = pace.take(rounds - done)
            constants = (simulation, key, *rows_of(weights, done, count, pace.capacity))
            state, record = advance(constants, state)
            done += count
            collect()
            pending = (record, count, done)
            if directory is not None and done < rounds and time.monotonic() - last_save >= checkpoint_seconds:
                collect()
                save()
                saved, last_save = done, time.monotonic()
        collect()
        if directory is not None and saved < done:
            save()

    record = joined(pieces)
    run = Run(
        result=RunResult.interrupted if done < rounds else judge(simulation, record, state),
        record=record,
        state=state,
        provenance=provenance,
        models=simulation.protocol.models(state.protocol),
        dims=declared_dims(simulation, record),
        byzantine=np.asarray(simulation.byzantine),
        simulation=simulation,
    )
    if directory is not None and done == rounds:
        run.save(directory)
    return run


def _find(
    directory: Path | None, resume: bool, provenance: dict[str, Any], allow_layout_change: bool
) -> tuple[_checkpoint.CheckpointStatus, dict[str, Any]] | None:
    """The checkpoint to continue from, or None to begin."""
    if directory is None:
        return None
    if not resume:
        for path in directory.glob("checkpoint-*.npz"):
            path.unlink()
        return None
    found = _checkpoint.newest(directory)
    if found is not None:
        _checkpoint.check_same(found[0].manifest, provenance, directory, allow_layout_change)
    return found
