"""`ghostjax demo`: an incident told end to end, in under a minute."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ghostjax._files import unwritable
from ghostjax._types import require
from ghostjax.cli._flags import parse
from ghostjax.cli._incident import IncidentConfig, tell


PAST = "own_past(skip={skip}, rounds={rounds})"


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """One principal owns a quarter of a network and moves it a little: who, since when, how sure, and is it repaired?

    The settings were chosen on other seeds. `ghostjax incident` has every other knob.
    """

    out: Path = Path("runs/demo")
    """Where the page and the results are written."""
    nodes: int = 64
    """Number of identities."""
    owned: int = 16
    """How many of them one principal owns."""
    eps: float = 0.7
    """The size of each push, in median distances of honest messages from their mean."""
    rounds: int = 200
    """Number of rounds."""
    t0: int = 60
    """The round of the first push."""
    honest_runs: int = 39
    """Honest runs that set the thresholds; 19 at least."""
    seeds: int = 8
    """Number of attacked runs."""


def demo(argv: Sequence[str], console: Console) -> int:
    """Plays the incident, prints the answer and a table, writes the page and the results, and prints their paths."""
    options = parse("demo", DemoOptions, DemoOptions(), argv)
    for name in ("rounds", "seeds", "t0"):
        require(getattr(options, name) >= 1, "demo", name, getattr(options, name), "must be at least 1")
    problem = unwritable(options.out)
    require(problem is None, "demo", "out", options.out, f"cannot be written to ({problem}); choose another folder")
    start = time.perf_counter()
    console.print(
        f"{options.nodes} nodes learn handwritten digits; one principal owns {options.owned} of them and pushes a "
        f"little with each, from round {options.t0} of {options.rounds} on"
    )
    code = tell(config(options), options.out, console)
    console.print(f"done in {time.perf_counter() - start:.0f} s")
    return code


def config(options: DemoOptions) -> IncidentConfig:
    """The incident of a demo."""
    past = PAST.format(skip=options.t0 // 3, rounds=options.t0 - options.t0 // 3)
    signals = {"network": "charter_rise", "identities": "charter_push"}
    return IncidentConfig(
        nodes=options.nodes,
        byzantine=options.owned,
        attack=f"backdoor(blank_pixels(32), target=3, eps={options.eps})",
        rounds=options.rounds,
        t0=options.t0,
        detectors={
            name: f"watch(charter(blank_pixels([0, 32, 39])), '{signal}', shiryaev_roberts, {past})"
            for name, signal in signals.items()
        },
        honest_runs=options.honest_runs,
        seeds=options.seeds,
    )
