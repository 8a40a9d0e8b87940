"""The commands that train."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostjax._load import load_run
from ghostjax._run import RunResult, simulate
from ghostjax._run._dataset import dataset_of
from ghostjax._simulation import Simulation
from ghostjax._sweep import collect, sweep as run_sweep
from ghostjax._types import ConfigurationError, require
from ghostjax._verify import verify as verify_folder
from ghostjax.cli import _pages
from ghostjax.cli._codes import DAMAGED, FAILED, OK, RESUMABLE
from ghostjax.cli._config import at, dump, followers, HOW, load, participation, RunConfig, simulation, SweepConfig
from ghostjax.cli._flags import parse
from ghostjax.cli._tables import print_table
from ghostjax.cli._yaml import parse as read_back
from ghostjax.ledger._log import is_ledger
from ghostjax.ledger._verify import standing
from ghostjax.report import comparison, write
from ghostjax.sinks import Ledger


OF_A_RUN = {
    "track": "is tracked",
    "jsonl": "is logged",
    "stop": "is stopped",
    "ledger": "keeps a ledger",
    "ledger_key": "keeps a ledger",
    "ledger_every": "keeps a ledger",
}
"""Fields that a sweep refuses, and why."""


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """One training: writes results, a checkpoint to resume from, and a page."""

    config: RunConfig = dataclasses.field(default_factory=RunConfig)
    out: Path = Path("runs/run")
    """Where everything is written."""


@dataclasses.dataclass(frozen=True)
class SweepOptions:
    """Every point of a product of axes, over seeds. A finished cell is not computed again."""

    config: SweepConfig = dataclasses.field(default_factory=SweepConfig)
    out: Path = Path("runs/sweep")
    """Where everything is written."""
    shard: str = "0/1"
    """`i/n`: compute the i-th of n parts only (for job arrays)."""


def run(argv: Sequence[str], console: Console) -> int:
    """`ghostjax run [CONFIG.yaml] [flags]`."""
    options = parsed("run", RunOptions, RunConfig, argv)
    sim = simulation(options.config)
    with owned(options.out, "run.yaml", options.config):
        return _finish_run(options.config, sim, options.out, console)


def sweep(argv: Sequence[str], console: Console) -> int:
    """`ghostjax sweep CONFIG.yaml [flags]`."""
    options = parsed("sweep", SweepOptions, SweepConfig, argv)
    for name, does in OF_A_RUN.items():
        given = getattr(options.config, name)
        require(given == getattr(RunConfig, name), "sweep", name, given, f"only a single run {does}; leave it out")
    require(options.config.axes, "sweep", "axes", options.config.axes, "name at least one axis in the YAML file")
    shard = _shard(options.shard)
    with owned(options.out, "sweep.yaml", options.config):
        return _finish_sweep(options.config, options.out, console, shard)


def resume(argv: Sequence[str], console: Console) -> int:
    """`ghostjax resume DIR [--rounds N]`."""
    words, rounds = _rounds(list(argv))
    folder = _folder("resume", words)
    if folder is None:
        console.print(_HELP["resume"])
        return OK
    if (folder / "run.yaml").exists():
        return _continue_run(folder, rounds, console)
    require(rounds is None, "resume", "--rounds", rounds, "only a run continues to more rounds; sweep again with more")
    return _finish_sweep(load(folder / "sweep.yaml", SweepConfig), folder, console)


def _continue_run(folder: Path, rounds: int | None, console: Console) -> int:
    """Plays the missing rounds. A new number of rounds is written to the configuration first, and undone if refused."""
    path = folder / "run.yaml"
    before = path.read_text()
    config = load(path, RunConfig)
    sim = simulation(config)
    if rounds is not None:
        config = dataclasses.replace(config, rounds=rounds)
        write(path, dump(config))
    try:
        return _finish_run(config, sim, folder, console)
    except ConfigurationError:
        write(path, before)
        raise


def _rounds(argv: list[str]) -> tuple[list[str], int | None]:
    """The words without `--rounds N`, and N."""
    for i, word in enumerate(argv):
        name, _, value = word.partition("=")
        if name == "--rounds":
            length = 1 if "=" in word else 2
            value = value if "=" in word else "".join(argv[i + 1 : i + 2])
            good = value.isascii() and value.isdigit() and 0 < len(value) < 12
            require(good, "resume", "--rounds", value or "nothing", "give a whole number, those played included")
            return argv[:i] + argv[i + length :], int(value)
    return argv, None


def verify(argv: Sequence[str], console: Console) -> int:
    """`ghostjax verify DIR`."""
    if "-h" in argv or "--help" in argv:
        console.print(_HELP["verify"])
        return OK
    require(
        len(argv) == 1, "verify", "DIR", " ".join(argv) or "nothing", "name one folder of a run, a sweep or a ledger"
    )
    faults = verify_folder(argv[0])
    for fault in faults:
        console.print(fault)
    console.print(f"{argv[0]}: {f'{len(faults)} faults' if len(faults) > 1 else '1 fault' if faults else 'whole'}")
    if not faults and is_ledger(Path(argv[0]).expanduser()):
        console.print(standing(Path(argv[0]).expanduser()))
    return DAMAGED if faults else OK


def report(argv: Sequence[str], console: Console) -> int:
    """`ghostjax report DIR`."""
    folder = _folder("report", argv)
    if folder is None:
        console.print(_HELP["report"])
        return OK
    if (folder / "run.yaml").exists():
        config = load(folder / "run.yaml", RunConfig)
        there = (folder / "results.nc").exists() and (folder / "final.npz").exists()
        require(there, "report", "DIR", folder, f"its run is not finished: ghostjax resume {folder}")
        path = _pages.run_page(folder, load_run(folder, rebuild=False), dump(config), config.aggregator)
    elif (folder / "incident.yaml").exists():
        there = (folder / _pages.INCIDENTS).exists()
        require(there, "report", "DIR", folder, "its incident is not finished; give the same command again")
        story = dataset_of((folder / _pages.INCIDENTS).read_bytes())
        path = _pages.incident_page(folder, story, (folder / "incident.yaml").read_text())
    else:
        there = (folder / "sweep.json").exists()
        require(there, "report", "DIR", folder, f"its sweep has not begun: ghostjax resume {folder}")
        path = _pages.sweep_page(folder, collect(folder), dump(load(folder / "sweep.yaml", SweepConfig)))
    console.print(f"report: {path}")
    return OK


def _finish_run(config: RunConfig, sim: Simulation, folder: Path, console: Console) -> int:
    sinks = followers(config)
    run = simulate(
        sim,
        config.rounds,
        config.seed,
        participation=participation(config),
        directory=folder,
        chunk=config.chunk or "auto",
        checkpoint_seconds=config.checkpoint_seconds,
        allow_layout_change=config.allow_layout_change,
        progress=None if config.progress == "none" else config.progress,
        sinks=sinks,
        config=dataclasses.asdict(config),
    )
    console.print(run.result.value)
    if run.result is RunResult.interrupted:
        console.print(f"continue with: ghostjax resume {folder}")
        return RESUMABLE
    records = {config.aggregator: {name: column[None] for name, column in run.record.items()}}
    print_table(console, *comparison.table(records))
    console.print(f"results: {folder / 'results.nc'}")
    for sink in sinks:
        if isinstance(sink, Ledger):
            console.print(f"ledger: {sink.directory}, {standing(sink.directory)}")
    console.print(f"report: {_pages.run_page(folder, run, dump(config), config.aggregator)}")
    return OK if run.result.ok else FAILED


def _finish_sweep(config: SweepConfig, folder: Path, console: Console, shard: tuple[int, int] = (0, 1)) -> int:
    result = run_sweep(
        lambda **point: simulation(at(config, point)),
        config.axes,
        config.rounds,
        seeds=range(config.seed, config.seed + config.seeds),
        participation=participation(config),
        directory=folder,
        shard=shard,
        chunk=config.chunk or "auto",
        progress=None if config.progress == "none" else config.progress,
    )
    done = result.dataset["done"].values
    console.print(f"{int(done.sum())} of {done.size} cells done")
    if result.interrupted:
        console.print(f"continue with: ghostjax resume {folder}")
        return RESUMABLE
    console.print(f"results: {result.save(folder / 'results.nc')}")
    console.print(f"report: {_pages.sweep_page(folder, result, dump(config))}")
    bad = int((result.dataset["result"] == RunResult.diverged.name).sum())
    if bad:
        console.print(f"{bad} cells failed: {RunResult.diverged.value}")
    return FAILED if bad else OK


def parsed(name: str, kind: type, config_kind: type, argv: Sequence[str]) -> Any:
    """Flags over YAML over defaults: `[CONFIG.yaml] [flags]`."""
    rest = list(argv)
    base = config_kind()
    if rest and not rest[0].startswith("-"):
        base = load(Path(rest.pop(0)), config_kind)
    return parse(name, kind, kind(config=base), rest, "[CONFIG.yaml] [flags]")


_HELP = {
    "resume": "ghostjax resume DIR [--rounds N]\n\nContinues the interrupted run or sweep in DIR to the same bits; "
    "a run, finished or not, to N rounds in all.",
    "verify": "ghostjax verify DIR\n\nReads every file of the run, sweep or ledger in DIR and says of each that is "
    "not what was written; of a ledger, the first forged entry. Exit codes: 0 whole, 1 damaged or forged, 2 nothing "
    "that ghostjax wrote.\nA sha256 is no signature: who can write the folder can seal what he writes. Heads of a "
    "ledger may be signed (ghostjax run --ledger DIR --ledger-key FILE).",
    "report": "ghostjax report DIR\n\nWrites the page of the run or sweep in DIR again.",
}


def _folder(name: str, argv: Sequence[str]) -> Path | None:
    """The named folder, or None if help is asked for."""
    if "-h" in argv or "--help" in argv:
        return None
    require(len(argv) == 1, name, "DIR", " ".join(argv) or "nothing", "name one folder of a run or sweep")
    folder = Path(argv[0])
    kinds = ("run.yaml", "sweep.yaml", *(("incident.yaml",) if name == "report" else ()))
    known = any((folder / kind).exists() for kind in kinds)
    require(known, name, "DIR", folder, "it holds neither run.yaml nor sweep.yaml; name the --out of a run or sweep")
    return folder


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    good = text.isascii() and index.isdigit() and count.isdigit() and int(index) < int(count)
    require(good, "sweep", "shard", text, "write i/n with 0 <= i < n, e.g. 0/4")
    return int(index), int(count)


@contextlib.contextmanager
def owned(folder: Path, name: str, config: RunConfig) -> Iterator[None]:
    """Writes the resolved configuration to `folder`, unless the folder belongs to another one.

    A refusal before anything was computed leaves the folder unchanged.
    """
    path = folder / name
    call = name.removesuffix(".yaml")
    require(folder.is_dir() or not folder.exists(), call, "out", folder, "is a file; name a folder")
    new = not path.exists()
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    if new:
        write(path, dump(config))
    else:
        try:
            changed = _differences(load(path, type(config)), config)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{call}: out={folder}: belongs to another run ({error}); choose another folder"
            ) from error
        require(
            not changed, call, "out", folder,
            f"holds another configuration ({'; '.join(changed[:3])}); choose another folder",
        )  # fmt: skip
    try:
        yield
    except ConfigurationError:
        if new:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                for one in made:
                    one.rmdir()  # only if it is empty
        raise


def _differences(old: RunConfig, new: RunConfig) -> list[str]:
    # Compared as YAML: a tuple and a list are equal there.
    a, b = (read_back(dump(config)) for config in (old, new))
    return [f"{key}: {a[key]} -> {b[key]}" for key in sorted(a) if a[key] != b[key] and key not in HOW]
