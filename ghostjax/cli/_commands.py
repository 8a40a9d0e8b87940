"""The commands that train."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro
import yaml
from rich.console import Console

from ghostjax._run import load_run, RunResult, simulate
from ghostjax._simulation import Simulation
from ghostjax._sweep import collect, sweep as run_sweep
from ghostjax._types import ConfigurationError, require
from ghostjax.cli import _pages
from ghostjax.cli._codes import FAILED, OK, RESUMABLE
from ghostjax.cli._config import at, dump, load, RunConfig, simulation, SweepConfig
from ghostjax.cli._tables import print_table
from ghostjax.report import comparison, write


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """One training: writes results, a checkpoint to resume from and a page."""

    config: RunConfig = dataclasses.field(default_factory=RunConfig)
    out: Path = Path("runs/run")
    """Where everything is written."""
    chunk: int = 0
    """Rounds between two looks from the host (progress, checkpoint, signals); 0 takes as many as last a second."""


@dataclasses.dataclass(frozen=True)
class SweepOptions:
    """Every point of a product of axes, over seeds; a cell that is done is never done again."""

    config: SweepConfig = dataclasses.field(default_factory=SweepConfig)
    out: Path = Path("runs/sweep")
    """Where everything is written."""
    shard: str = "0/1"
    """`i/n`: do the i-th of n parts only (for job arrays)."""


def run(argv: Sequence[str], console: Console) -> int:
    """`ghostjax run [CONFIG.yaml] [flags]`."""
    options = _parse("run", RunOptions, RunConfig, argv)
    require(options.chunk >= 0, "ghostjax run", "chunk", options.chunk, "must not be negative")
    sim = simulation(options.config)
    _keep(options.out / "run.yaml", dump(options.config))
    return _finish_run(options.config, sim, options.out, console, options.chunk or "auto")


def sweep(argv: Sequence[str], console: Console) -> int:
    """`ghostjax sweep CONFIG.yaml [flags]`."""
    options = _parse("sweep", SweepOptions, SweepConfig, argv)
    require(
        options.config.axes, "ghostjax sweep", "axes", options.config.axes, "name at least one axis in the YAML file"
    )
    shard = _shard(options.shard)
    _keep(options.out / "sweep.yaml", dump(options.config))
    return _finish_sweep(options.config, options.out, console, shard)


def resume(argv: Sequence[str], console: Console) -> int:
    """`ghostjax resume DIR`."""
    folder = _folder("resume", argv)
    if (folder / "run.yaml").exists():
        config = load(folder / "run.yaml", RunConfig)
        return _finish_run(config, simulation(config), folder, console, "auto")
    return _finish_sweep(load(folder / "sweep.yaml", SweepConfig), folder, console)


def report(argv: Sequence[str], console: Console) -> int:
    """`ghostjax report DIR`."""
    folder = _folder("report", argv)
    if (folder / "run.yaml").exists():
        config = load(folder / "run.yaml", RunConfig)
        path = _pages.run_page(folder, load_run(folder), dump(config), config.aggregator)
    else:
        path = _pages.sweep_page(folder, collect(folder), (folder / "sweep.yaml").read_text())
    console.print(f"report: {path}")
    return 0


def _finish_run(config: RunConfig, sim: Simulation, folder: Path, console: Console, chunk: int | str) -> int:
    run = simulate(sim, config.rounds, config.seed, directory=folder, chunk=chunk, config=dataclasses.asdict(config))
    console.print(run.result.value)
    if run.result is RunResult.interrupted:
        console.print(f"continue with: ghostjax resume {folder}")
        return RESUMABLE
    records = {config.aggregator: {name: column[None] for name, column in run.record.items()}}
    print_table(console, *comparison.table(records))
    console.print(f"results: {folder / 'results.nc'}")
    console.print(f"report: {_pages.run_page(folder, run, dump(config), config.aggregator)}")
    return OK if run.result.ok else FAILED


def _finish_sweep(config: SweepConfig, folder: Path, console: Console, shard: tuple[int, int] = (0, 1)) -> int:
    result = run_sweep(
        lambda **point: simulation(at(config, point)),
        config.axes,
        config.rounds,
        seeds=range(config.seed, config.seed + config.seeds),
        directory=folder,
        shard=shard,
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


def _parse(name: str, kind: type, config_kind: type, argv: Sequence[str]) -> Any:
    """Flags over YAML over defaults: `[CONFIG.yaml] [flags]`."""
    rest = list(argv)
    base = config_kind()
    if rest and not rest[0].startswith("-"):
        base = load(Path(rest.pop(0)), config_kind)
    return tyro.cli(
        kind, prog=f"ghostjax {name} [CONFIG.yaml]", args=rest, default=kind(config=base),
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagConversionOff),
    )  # fmt: skip


def _folder(name: str, argv: Sequence[str]) -> Path:
    require(len(argv) == 1, f"ghostjax {name}", "DIR", " ".join(argv) or "nothing", "name one folder of a run or sweep")
    folder = Path(argv[0])
    known = (folder / "run.yaml").exists() or (folder / "sweep.yaml").exists()
    require(known, f"ghostjax {name}", "DIR", folder, "it holds neither run.yaml nor sweep.yaml")
    return folder


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    good = index.isdigit() and count.isdigit() and int(index) < int(count)
    require(good, "ghostjax sweep", "shard", text, "write i/n with 0 <= i < n, e.g. 0/4")
    return int(index), int(count)


def _keep(path: Path, text: str) -> None:
    """Writes the resolved configuration, unless the folder belongs to another one."""
    if path.exists() and path.read_text() != text:
        changed = [f"{a.strip()} -> {b.strip()}" for a, b in _differences(path.read_text(), text)]
        raise ConfigurationError(
            f"out={path.parent}: holds another configuration ({'; '.join(changed[:3])}); choose another folder"
        )
    write(path, text)


def _differences(old: str, new: str) -> list[tuple[str, str]]:
    a, b = yaml.safe_load(old) or {}, yaml.safe_load(new) or {}
    keys = sorted(a.keys() | b.keys())
    return [(f"{k}: {a.get(k)}", f"{b.get(k)}") for k in keys if a.get(k) != b.get(k)]
