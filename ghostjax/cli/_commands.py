"""The commands that train."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from ghostjax import _run, _sweep
from ghostjax._types import require
from ghostjax.cli import _pages
from ghostjax.cli._config import dump, load, RunConfig, simulation, SweepConfig


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """One training: writes results, a checkpoint to resume from and a page."""

    config: Annotated[RunConfig, tyro.conf.arg(name="")]
    out: Path = Path("runs/run")
    """Where everything is written."""
    chunk: int = 50
    """Rounds between two looks from the host (progress, checkpoint, signals)."""


@dataclasses.dataclass(frozen=True)
class SweepOptions:
    """Every point of a product of axes, over seeds; a cell that is done is never done again."""

    config: Annotated[SweepConfig, tyro.conf.arg(name="")]
    out: Path = Path("runs/sweep")
    """Where everything is written."""
    shard: str = "0/1"
    """`i/n`: do the i-th of n parts only (for job arrays)."""


def run(argv: Sequence[str], console: Console) -> int:
    """`ghostjax run [CONFIG.yaml] [flags]`."""
    options = _parse("run", RunOptions, RunConfig, argv)
    sim = simulation(options.config)
    _keep(options.out / "run.yaml", dump(options.config))
    return _finish_run(options.config, sim, options.out, console, chunk=options.chunk)


def sweep(argv: Sequence[str], console: Console) -> int:
    """`ghostjax sweep CONFIG.yaml [flags]`."""
    options = _parse("sweep", SweepOptions, SweepConfig, argv)
    require(
        options.config.axes, "ghostjax sweep", "axes", options.config.axes, "name at least one axis in the YAML file"
    )
    index, count = _shard(options.shard)
    _keep(options.out / "sweep.yaml", dump(options.config))
    return _finish_sweep(options.config, options.out, console, shard=(index, count))


def resume(argv: Sequence[str], console: Console) -> int:
    """`ghostjax resume DIR`."""
    folder = _folder("resume", argv)
    if (folder / "run.yaml").exists():
        config = load(folder / "run.yaml", RunConfig)
        return _finish_run(config, simulation(config), folder, console)
    return _finish_sweep(load(folder / "sweep.yaml", SweepConfig), folder, console)


def report(argv: Sequence[str], console: Console) -> int:
    """`ghostjax report DIR`."""
    folder = _folder("report", argv)
    if (folder / "run.yaml").exists():
        path = _pages.run_page(folder, _run.load_run(folder), dump(load(folder / "run.yaml", RunConfig)))
    else:
        config = load(folder / "sweep.yaml", SweepConfig)
        path = _pages.sweep_page(folder, _sweep.collect(folder), dump(config))
    console.print(f"report: {path}")
    return 0
