"""Runs a simulation from the host, chunk by chunk."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import choice, folder, members, number, whole
from ghostjax._declared import attributes_of
from ghostjax._output import with_blanks
from ghostjax._run import _checkpoint
from ghostjax._run._archive import content_digest
from ghostjax._run._chunk import advance, begin, ChunkSizer, fetched, joined, named_leaves, rows_of, unshared
from ghostjax._run._describe import describe, fingerprint
from ghostjax._run._host import Host
from ghostjax._run._loop import play
from ghostjax._run._plain import plain_config
from ghostjax._run._prepare import prepare, recorded_dims, stands
from ghostjax._run._present import Present
from ghostjax._run._program import program_digest
from ghostjax._run._provenance import environment
from ghostjax._run._result import judge, RunResult
from ghostjax._run._run import Run
from ghostjax._run._signals import Interruption
from ghostjax._run._summary import summary
from ghostjax._simulation import Simulation
from ghostjax._training import as_training, LARGEST, Training, Unset
from ghostjax._types import ConfigurationError, Key, require
from ghostjax.sinks import AbstractSink, Beginning, Progress
from ghostjax.sinks._reporter import How, known_progress


def simulate(
    simulation: Simulation | Training,
    rounds: int | None = None,
    key: Key | int | Unset = Unset.unset,
    *,
    participation: Any = None,
    state: Any = None,
    chunk: int | str = "auto",
    directory: str | Path | None = None,
    resume: bool = True,
    checkpoint_seconds: float = 30.0,
    allow_layout_change: bool = False,
    progress: How = "auto",
    sinks: Sequence[AbstractSink] = (),
    config: Mapping[str, Any] | None = None,
) -> Run:
    """Trains `simulation` for `rounds` rounds from the root `key` and returns the run.

    A `gj.Training` in place of the simulation contains rounds, key, participation and state. `participation`
    `[rounds, n]` are the weights of identities per round (default 1; `[n]` holds for all rounds): how many identities
    each counts for, 0 for an absent one. Declarations are stake, `gj.stake(shares)`, FedAvg's weights, `"by_examples"`,
    sampling, `gj.sampled(share)`, and churn, `gj.churn(arrive, depart)`. Weights that are all below 1/2 are refused. A
    `state` is the start of round 0: a flat model `[d]` or a tree of parameters, with new memories, or a `gj.State` with
    its memories, whose round becomes 0. The host gets control every `chunk` rounds; "auto" takes as many as last about
    a second. Neither the chunk nor stopping and resuming changes a bit of the result. One compiled program serves all
    simulations of one structure, for all values of knobs, keys and numbers of rounds.

    With a `directory` (`~` is the home directory) the run survives a crash. A checkpoint is written at most every
    `checkpoint_seconds`, whole or not at all, and the last two are kept. After a crash, `kill -9` included, the same
    call continues from the last one. SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 end the chunk, save, and return
    `RunResult.interrupted`. A finished run is read back and not played again, and `load_run` reads it. With more
    `rounds` it continues, with the bits of one uninterrupted run. `resume=False` starts over. A checkpoint of another
    simulation, key, participation or start is refused, and the error names the difference. A checkpoint of another
    program is refused too: a function, a base class or a constant that the simulation uses has changed. Another
    device, mesh or float format is refused unless `allow_layout_change`. Other versions of the libraries only warn
    if the traced program is the same. A corrupt checkpoint is set aside with a warning, and the one before it is used.

    `progress` is "auto" (a bar on a terminal, one line in a notebook, otherwise a line every ten seconds), "lines",
    None for silence, or a function `(done, total, latest)`. `sinks` follow the run (`gj.sinks`): logs, trackers, early
    stopping. An exception in a sink ends the run and is raised with a note; rounds that a directory can keep are saved.
    `config` is kept in the provenance: numpy numbers become plain numbers, arrays and tuples become lists, paths become
    text.

    Errors: `ConfigurationError` before the first round, also for data that could not be written after the last one.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> run = gj.simulate(gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean())), 3)
    >>> run.result.name, run.rounds
    ('completed', 3)

    ```
    """
    training = as_training("simulate", simulation, rounds, key, participation, state)
    sizer = ChunkSizer(chunk, "simulate")
    followers = _followers(progress, sinks, "simulate")
    number(checkpoint_seconds, "simulate", "checkpoint_seconds", 0, inf=True)
    choice(resume, (True, False), "simulate", "resume")
    choice(allow_layout_change, (True, False), "simulate", "allow_layout_change")
    provenance = _provenance(training, config)
    path = None if directory is None else folder(directory, "simulate", "directory")
    found = None if path is None else _find(path, resume, provenance, training.weights, allow_layout_change)
    interruption = Interruption(path is not None)
    with Host(followers, lambda: interruption.requested) as host:
        with interruption:
            state, root = first_state(training), training.key
            dims = recorded_dims(training.simulation, root, state)
            keeper = None
            if path is not None or sinks:
                provenance["program"] = program_digest(training.simulation, root, state)
            if path is not None:
                if found is not None:
                    _checkpoint.check_program(found.status.manifest, provenance, path, allow_layout_change)
                keeper = prepare(path, found, resume, checkpoint_seconds, provenance, training, state)
            begun, before = (0, {}) if found is None else (found.status.round, found.record)
            if found is not None:
                state = _checkpoint.restore(found.arrays, state, found.status.path)
            host.begin(Beginning(training, provenance, begun, before, _name(provenance)), keeper)
            state, done = _play(training, state, sizer, host, begun)
            host.check(path, done)
            run = _run(training, provenance, dims, state, host, done, path)
            if path is not None and run.result is not RunResult.interrupted and not stands(run, path):
                run.save(path)
        host.end(run)
    return run


def extend(run: Run, rounds: int, participation: Any, options: dict[str, Any]) -> Run:
    """`Run.extend`: in the folder of the run if it has one, otherwise from its state."""
    rounds = whole(rounds, "Run.extend", "rounds", 1, LARGEST)
    require(rounds >= run.rounds, "Run.extend", "rounds", rounds, f"{run.rounds} are played; give at least as many")
    if run.training is None:
        raise ConfigurationError(
            "Run.extend: simulation=None: the simulation of this run is unknown; read it with "
            "load_run(directory, simulation)"
        )
    training = run.training.resized(rounds, participation, played=run.rounds, call="Run.extend")
    if run.directory is not None or "directory" in options:
        return simulate(training, **{"directory": run.directory, "config": run.provenance.get("config"), **options})
    known = {"chunk", "progress", "sinks"}
    require(not options.keys() - known, "Run.extend", "options", sorted(options.keys() - known), f"use {sorted(known)}")
    sizer = ChunkSizer(options.get("chunk", "auto"), "Run.extend")
    followers = _followers(options.get("progress", "auto"), options.get("sinks", ()), "Run.extend")
    provenance = {**run.provenance, "rounds": rounds, "participation": describe(training.declared)}
    if options.get("sinks"):
        provenance["program"] = program_digest(training.simulation, training.key, run.state)
    with Host(followers) as host:
        host.begin(Beginning(training, provenance, run.rounds, run.record, _name(provenance)))
        state, done = _play(training, jax.tree.map(jnp.copy, run.state), sizer, host, run.rounds)
        host.check(None, done)
        longer = _run(training, provenance, dict(run.dims), state, host, done, None)
        host.end(longer)
    return longer


def first_state(training: Training) -> Any:
    """The state before the first round, without shared buffers, so that it can be donated."""
    simulation, key = training.simulation, training.key
    state = begin(simulation, key) if training.state is None else training.state
    return unshared(state, simulation, key, training.state)


def _play(training: Training, state: Any, sizer: ChunkSizer, host: Host, done: int) -> tuple[Any, int]:
    """Plays the rounds of `training` from `done` on, by the compiled chunk."""
    simulation, key, outputs = training.simulation, training.key, training.simulation.outputs

    def step(state: Any, start: int, count: int) -> Any:
        return advance((simulation, key, *rows_of(training.weights, start, count, sizer.capacity)), state)

    def fetch(record: Any, start: int, count: int) -> dict[str, np.ndarray]:
        return with_blanks(fetched(record, count), outputs, start)

    if done < training.rounds:
        host.look(state, done)
    return play(step, fetch, training.rounds, sizer, state, host, done)


def _run(
    training: Training,
    provenance: dict[str, Any],
    dims: dict[str, tuple[str, ...]],
    state: Any,
    host: Host,
    done: int,
    directory: Path | None,
) -> Run:
    simulation, record = training.simulation, joined(host.pieces)
    over, stopped = done == training.rounds, host.enough(done)
    result = judge(simulation, record, state) if over or stopped else RunResult.interrupted
    if not over and result is RunResult.completed:
        result = RunResult.stopped
    return Run(
        result=result,
        record=record,
        state=state,
        provenance=provenance,
        models=simulation.protocol.models(state.protocol),
        dims=dims,
        byzantine=np.asarray(simulation.byzantine),
        simulation=simulation,
        outputs=attributes_of(simulation),
        training=training,
        directory=directory,
    )


def _provenance(training: Training, config: Any) -> dict[str, Any]:
    """The provenance of a run, as plain data."""
    start = None if training.state is None else content_digest(dict(named_leaves(training.state)))
    return {
        "environment": environment(training.simulation),
        "rounds": training.rounds,
        "key": describe(training.key),
        "participation": describe(training.declared),
        "start": None if start is None else {"sha256": start},
        "simulation": describe(training.simulation),
        "summary": summary(training.simulation),
        "config": plain_config(config, "simulate"),
    }


def _name(provenance: Mapping[str, Any]) -> str:
    """The name under which sinks keep a run and its continuations elsewhere."""
    return fingerprint({part: provenance.get(part) for part in ("key", "simulation", "start")})[:16]


def _followers(progress: How, sinks: Any, call: str) -> list[AbstractSink]:
    """All sinks of a run, the progress sink first."""
    given = members(sinks, AbstractSink, call, "sinks")
    shown = [] if known_progress(progress, call) is None else [Progress(progress)]
    return [*shown, *given]


def _find(
    directory: Path, resume: bool, provenance: dict[str, Any], weights: np.ndarray, allow_layout_change: bool
) -> _checkpoint.Checkpoint | None:
    """The checkpoint to continue from, or None to begin."""
    if not directory.is_dir() or not resume:
        return None
    found = _checkpoint.newest(directory)
    if found is not None:
        now = {**provenance, "weights": Present(weights).upto(min(found.status.round, len(weights)))}
        _checkpoint.check_same(found.status.manifest, now, directory, allow_layout_change)
    return found
