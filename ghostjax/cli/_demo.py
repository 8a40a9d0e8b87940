"""`ghostjax demo`: the main job in under a minute."""

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console

from ghostjax import attribution
from ghostjax._files import unwritable
from ghostjax._run import Run, simulate
from ghostjax._types import require
from ghostjax.cli._config import dump, RunConfig, simulation
from ghostjax.cli._flags import parse
from ghostjax.cli._tables import print_table
from ghostjax.report import comparison, render, write


RULES = {
    "mean": "mean",
    "trimmed mean": "trimmed_mean(f=byzantine)",
    "NNM + trimmed mean": "nnm(trimmed_mean(f=byzantine), f=byzantine)",
}
"""What is compared: no defence, a classic, and the same with nearest-neighbour mixing in front."""


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """Real digits over uneven nodes, an adversary that hides in the honest spread, three rules side by side."""

    out: Path = Path("runs/demo")
    """Where the page is written."""
    nodes: int = 64
    """Number of identities."""
    byzantine: int = 10
    """How many of them the adversary holds."""
    rounds: int = 60
    """Number of rounds."""
    seeds: int = 3
    """Number of paired seeds."""


def demo(argv: Sequence[str], console: Console) -> int:
    """Trains, prints a table, writes the page, says where it is."""
    options = parse("demo", DemoOptions, DemoOptions(), argv)
    require(options.seeds >= 1, "demo", "seeds", options.seeds, "must be at least 1")
    require(options.rounds >= 1, "demo", "rounds", options.rounds, "must be at least 1")
    problem = unwritable(options.out)
    require(problem is None, "demo", "out", options.out, f"cannot be written to ({problem}); choose another folder")
    start = time.perf_counter()
    configs = {
        name: RunConfig(
            nodes=options.nodes,
            byzantine=options.byzantine,
            task="digits(alpha=0.3, model=mlp((64, 64, 10), tanh))",
            attack="alie(z=1.5)",
            aggregator=rule,
            rounds=options.rounds,
            evaluate_every=2,
        )
        for name, rule in RULES.items()
    }
    simulations = {name: simulation(config) for name, config in configs.items()}
    console.print(
        f"{options.nodes} nodes learn handwritten digits, {options.byzantine} of them held by an adversary "
        f"(ALIE), {options.rounds} rounds, {options.seeds} seeds"
    )
    blamed = "trimmed mean"
    runs: dict[str, list[Run]] = {}
    # Most of a demo is compiling, which leaves Python's lock to others: who is to blame is found beside the training.
    with ThreadPoolExecutor(1) as beside:
        try:
            predicting = beside.submit(attribution.adjoint, simulations[blamed], options.rounds, 0, probes=0)
            replaying = beside.submit(attribution.leave_one_out, simulations[blamed], options.rounds, 0)
            for name, sim in simulations.items():
                began = time.perf_counter()
                runs[name] = [simulate(sim, options.rounds, seed, progress=None) for seed in range(options.seeds)]
                console.print(f"  {name:<20} {time.perf_counter() - began:5.1f} s   {runs[name][0].result.value}")
            began = time.perf_counter()
            predicted, exact = predicting.result(), replaying.result()
            seconds = time.perf_counter() - began
            what = f"one backward pass, {options.nodes} exact replays"
            console.print(f"  {'who is to blame':<20} {seconds:5.1f} s   {what}, most of it beside the training")
        except BaseException:
            beside.shutdown(wait=False, cancel_futures=True)
            raise
    records = {
        name: {k: np.stack([run.record[k] for run in group]) for k in group[0].record} for name, group in runs.items()
    }
    byzantine = runs["mean"][0].byzantine
    ranking = comparison.Ranking(
        rule=blamed,
        predicted=predicted.scores,
        exact=exact.scores,
        spearman=attribution.spearman(predicted.scores, exact.scores),
        seed=0,
    )
    page = render(
        "Who moved the model?",
        f"{options.nodes} nodes learn handwritten digits, split unevenly (Dirichlet 0.3). An adversary holds "
        f"{options.byzantine} identities and hides in the spread of the honest ones (ALIE, z = 1.5). The same "
        "training, paired by seed, with the mean and with two robust rules.",
        comparison.blocks(records, byzantine, ranking, runs["mean"][0].provenance["summary"]),
        "\n---\n".join(dump(config) for config in configs.values()),
    )
    path = write(options.out / "report.html", page)
    columns, rows = comparison.table(records)
    print_table(console, columns, rows)
    top = ranking.predicted.argsort()[: options.byzantine]
    console.print(
        f"blame: {int(byzantine[top].sum())} of the {options.byzantine} identities blamed most are Byzantine; "
        f"rank correlation with exact replays {ranking.spearman:.3f}"
    )
    console.print(f"done in {time.perf_counter() - start:.0f} s")
    console.print(f"report: {path}")
    return 0
