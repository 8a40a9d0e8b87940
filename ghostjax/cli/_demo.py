"""`ghostjax demo`: the main job in under a minute."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from ghostjax import attribution
from ghostjax._files import unwritable
from ghostjax._run import Run, simulate
from ghostjax._run._dataset import write_dataset
from ghostjax._simulation import Simulation
from ghostjax._types import require
from ghostjax.cli._config import dump, RunConfig, simulation
from ghostjax.cli._flags import parse
from ghostjax.cli._naming import LIMIT, name as name_from, Named
from ghostjax.cli._tables import print_table
from ghostjax.report import comparison, Finding, render, verdict, write
from ghostjax.report._numbers import last


RULES = {
    "mean": "mean",
    "trimmed mean": "trimmed_mean(f=byzantine)",
    "NNM + trimmed mean": "nnm(trimmed_mean(f=byzantine), f=byzantine)",
}
"""The compared rules: no defence, a classic, and the same after nearest-neighbour mixing."""
TASK = "digits(alpha=0.3, model=mlp((64, 64, 10), tanh))"
FREE, REMOVED = "mean, no attack", "mean, without the named"
SHOWN = (*RULES, FREE, REMOVED)


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """Real digits over uneven nodes, an adversary that pushes against everybody, three rules side by side."""

    out: Path = Path("runs/demo")
    """Where the page and the results are written."""
    nodes: int = 64
    """Number of identities."""
    byzantine: int = 10
    """How many of them the adversary holds."""
    rounds: int = 60
    """Number of rounds."""
    seeds: int = 3
    """Number of paired seeds."""


def demo(argv: Sequence[str], console: Console) -> int:
    """Trains, prints the answer and a table, writes the page and the results, and prints their paths."""
    options = parse("demo", DemoOptions, DemoOptions(), argv)
    require(options.seeds >= 1, "demo", "seeds", options.seeds, "must be at least 1")
    require(options.rounds >= 1, "demo", "rounds", options.rounds, "must be at least 1")
    problem = unwritable(options.out)
    require(problem is None, "demo", "out", options.out, f"cannot be written to ({problem}); choose another folder")
    start = time.perf_counter()
    configs = {name: _config(options, rule) for name, rule in RULES.items()}
    simulations = {name: simulation(config) for name, config in configs.items()}
    console.print(
        f"{options.nodes} nodes learn handwritten digits, {options.byzantine} of them held by an adversary "
        f"(sign flip), {options.rounds} rounds, {options.seeds} seeds"
    )
    runs, named, alarms, ranking = _investigate(simulations, options, console)
    byzantine = runs["mean"][0].byzantine
    found = _finding(runs, named, alarms, byzantine, options)
    shown = {name: {**records(runs[name]), "test_accuracy": tested(runs[name])[:, None]} for name in SHOWN}
    answer = verdict(found)
    page = render(
        "Who moved the model?",
        f"{options.nodes} nodes learn to read handwritten digits together. Each holds a few classes only (Dirichlet "
        f"0.3), trains on its own examples and sends an update; a rule turns the updates of a round into one step. An "
        f"adversary holds {options.byzantine} identities and sends the opposite of what they learned, three times as "
        "large (sign flip). The same training, paired by seed, with the mean, which defends nothing, with a trimmed "
        f"mean, which drops the {options.byzantine} highest and lowest values of each coordinate, and with "
        "nearest-neighbour mixing (NNM), which replaces each update by the mean of those nearest to it, before it. "
        f"'{FREE}' is the baseline; '{REMOVED}' is the attacked training replayed without the identities named above.",
        [
            answer,
            *comparison.blocks(
                shown, byzantine, ranking, runs["mean"][0].provenance["summary"], baseline=FREE, replayed=REMOVED
            ),
        ],
        "\n---\n".join(dump(config) for config in configs.values()),
    )
    path = write(options.out / "report.html", page)
    results = _save(options.out / "results.nc", runs, found)
    columns, rows = comparison.table(shown)
    print_table(console, columns, rows)
    console.print(answer.sentence)
    console.print(f"rank correlation of attribution with exact replays {ranking.spearman:.3f}")
    console.print(f"done in {time.perf_counter() - start:.0f} s")
    console.print(f"results: {results}")
    console.print(f"report: {path}")
    return 0


def _config(options: DemoOptions, rule: str) -> RunConfig:
    return RunConfig(
        nodes=options.nodes,
        byzantine=options.byzantine,
        task=TASK,
        attack="sign_flip(scale=3)",
        aggregator=rule,
        rounds=options.rounds,
        evaluate_every=2,
    )


def _investigate(
    simulations: Mapping[str, Simulation], options: DemoOptions, console: Console
) -> tuple[dict[str, list[Run]], Named, Named, comparison.Ranking]:
    """All trainings, the identities named in the attacked and in the attack-free one, and exact replays."""
    seeds, mean = range(options.seeds), simulations["mean"]
    honest = {name: _attack_free(sim) for name, sim in simulations.items()}
    runs: dict[str, list[Run]] = {}

    def train(name: str, sim: Simulation, participation: np.ndarray | None = None) -> None:
        runs[name] = [simulate(sim, options.rounds, seed, participation=participation, progress=None) for seed in seeds]

    def attribute() -> tuple[Named, Named, comparison.Ranking]:
        named = _named(mean, options)
        exact = attribution.leave_one_out(mean, options.rounds, 0).scores
        agree = attribution.spearman(named.scores[0], exact)
        return named, _named(honest["mean"], options), comparison.Ranking("mean", named.scores[0], exact, agree, 0)

    # Most of a demo is compilation, which releases Python's lock. So attribution runs in a thread beside the training.
    with ThreadPoolExecutor(1) as beside:
        try:
            attributing = beside.submit(attribute)
            for name, sim in simulations.items():
                began = time.perf_counter()
                train(name, sim)
                train(_free(name), honest[name])
                console.print(f"  {name:<20} {time.perf_counter() - began:5.1f} s   {runs[name][0].result.name}")
            began = time.perf_counter()
            named, alarms, ranking = attributing.result()
            train(REMOVED, mean, np.where(np.isin(np.arange(options.nodes), named.identities), 0.0, 1.0))
            seconds = time.perf_counter() - began
            what = f"backward passes and {options.nodes} exact replays, most of it beside the training"
            console.print(f"  {'attribution':<20} {seconds:5.1f} s   {what}")
        except BaseException:
            beside.shutdown(wait=False, cancel_futures=True)
            raise
    return runs, named, alarms, ranking


def _free(name: str) -> str:
    return f"{name}, no attack"


def _attack_free(sim: Simulation) -> Simulation:
    """The same program, in which nobody is Byzantine."""
    return eqx.tree_at(lambda s: s.byzantine, sim, jnp.zeros(sim.num_nodes, bool))


def _named(sim: Simulation, options: DemoOptions) -> Named:
    def scores_of(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.broadcast_to(weights, (options.rounds, options.nodes))
        found = [
            attribution.adjoint(sim, options.rounds, seed, participation=rows, probes=0)
            for seed in range(options.seeds)
        ]
        return np.stack([one.scores for one in found]), np.stack([np.asarray(one.cells) for one in found])

    return name_from(scores_of, options.nodes)


def _finding(
    runs: Mapping[str, list[Run]], named: Named, alarms: Named, byzantine: np.ndarray, options: DemoOptions
) -> Finding:
    # Chosen on validation data, reported on test data.
    choice = {name: float(last(records(runs[name])["accuracy"]).mean()) for name in RULES if name != "mean"}
    defence = max(choice, key=choice.__getitem__)
    return Finding(
        nodes=options.nodes,
        named=named.identities,
        since=named.since,
        limit=LIMIT,
        weakest=named.weakest,
        suspect=named.suspect,
        false_alarms=len(alarms.identities),
        byzantine=tuple(np.flatnonzero(byzantine).tolist()),
        attack_free=tested(runs[FREE]),
        attacked=tested(runs["mean"]),
        removed=tested(runs[REMOVED]),
        defence=defence,
        defended=tested(runs[defence]),
        defended_free=tested(runs[_free(defence)]),
    )


def tested(group: list[Run]) -> np.ndarray:
    """Test accuracies of one group, `[seed]`."""
    return np.array([run.evaluate("test")["accuracy"] for run in group])


def records(group: list[Run]) -> dict[str, np.ndarray]:
    """The records of one group, `[seed, round, ...]`."""
    return {key: np.stack([run.record[key] for run in group]) for key in group[0].record}


def _save(path: Path, runs: Mapping[str, list[Run]], found: Finding) -> Path:
    """All trainings with dimensions `training`, `seed` and `round`, and the findings as attributes."""
    import xarray

    every = [records(group) for group in runs.values()]
    dims = next(iter(runs.values()))[0].dims
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        key: (("training", "seed", "round", *dims.get(key, ())), np.stack([one[key] for one in every]))
        for key in every[0]
    }
    coords = {
        "training": list(runs),
        "seed": np.arange(found.seeds),
        "byzantine": (("training", "node"), np.stack([group[0].byzantine for group in runs.values()])),
    }
    variables["test_accuracy"] = (("training", "seed"), np.stack([tested(group) for group in runs.values()]))
    attributes = {"named": " ".join(map(str, found.named)), "since": found.since, "defence": found.defence}
    write_dataset(xarray.Dataset(variables, coords, attributes), path)
    return path
