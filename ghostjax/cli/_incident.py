"""`ghostjax incident`: an attack on a collective from the first push to the repair."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console

from ghostjax import incident as incidents
from ghostjax._run import simulate
from ghostjax._run._dataset import write_dataset
from ghostjax._simulation import Simulation
from ghostjax._types import require
from ghostjax.cli._codes import OK
from ghostjax.cli._commands import owned, parsed
from ghostjax.cli._config import dump, followers, participation, RunConfig, simulation
from ghostjax.cli._expression import build
from ghostjax.cli._pages import incident_page, INCIDENTS as RESULTS
from ghostjax.cli._tables import print_table
from ghostjax.ledger._verify import standing
from ghostjax.report.incident import table, verdict
from ghostjax.sinks import Ledger


PAST = "own_past(skip=20, rounds=40)"


@dataclasses.dataclass(frozen=True)
class IncidentConfig(RunConfig):
    """One principal moves a collective a little in every round: who, since when, and does a repair help?

    The fields of a run describe the network. `byzantine` identities belong to the adversary, which carries out `attack`
    from round `t0` on. Thresholds are calibrated on honest runs.
    """

    byzantine: int | float = 16
    """How many identities the adversary owns (the last ones); a fraction below 1 is a share of the nodes."""
    task: str = "digits(partition=dirichlet_per_node(nodes, 0.5), model=mlp((64, 16, 10), tanh), batch_size=8)"
    """The learning problem, and its partition over the nodes; it needs an audit set."""
    learner: str = "gradient"
    """The local learning of a node between two exchanges."""
    attack: str = "backdoor(blank_pixels(32), target=3, eps=0.5)"
    """What the adversary does from round `t0` on."""
    aggregator: str = "mean"
    """The rule that turns messages into one vector."""
    rounds: int = 240
    """Number of rounds."""
    detectors: dict[str, str] = dataclasses.field(
        default_factory=lambda: {
            "network": f"watch(charter(blank_pixels([0, 32, 39])), 'charter_rise', shiryaev_roberts, {PAST})",
            "identities": f"watch(charter(blank_pixels([0, 32, 39])), 'charter_push', shiryaev_roberts, {PAST})",
        }
    )
    """Sequential tests by name; `alarm` names the one that starts a vote."""
    metrics: list[str] = dataclasses.field(default_factory=lambda: ["goal", "deviation"])
    """The recorded metrics, beside the charter's."""
    charter: str = "blank_pixels([0, 32, 39])"
    """The goal that the adversary acts against."""
    correction: list[str] = dataclasses.field(default_factory=lambda: ["quarantine", "rollback", "replay"])
    """The repairs that are compared."""
    naming: Literal["adjoint", "loss", "pushed"] = "adjoint"
    """The scores that name: the adjoint by replay of the charter's loss beyond its controls, or of the loss alone (in
    gossip), or the harm of an identity's own messages."""
    t0: int = 80
    """The round in which the attack begins."""
    alarm: str = "network"
    """The detector that starts a vote."""
    delay: int = 16
    """Rounds from the alarm to the execution of a verdict, without a governance."""
    patience: int = 48
    """Rounds for which a verdict that is not decisive waits for more evidence after its execution is due."""
    margin: int = 5
    """Rounds that a correction goes back before the estimated start."""
    honest_runs: int = 39
    """Honest runs that set the thresholds."""
    seeds: int = 8
    """Number of attacked runs, seeds `seed`, `seed` + 1, ..."""


@dataclasses.dataclass(frozen=True)
class IncidentOptions:
    """An incident over several seeds: thresholds, alarms, names, repairs. Writes results and a page."""

    config: IncidentConfig = dataclasses.field(default_factory=IncidentConfig)
    out: Path = Path("runs/incident")
    """Where everything is written."""


OF_SINGLE_RUNS = ("track", "jsonl", "stop", "chunk", "checkpoint_seconds", "progress", "allow_layout_change")
"""Fields of a run that say how it is played; an incident plays many in one program."""
NAMINGS = {
    "adjoint": incidents.Adjoint(),
    "loss": incidents.Adjoint(incidents.CharterLoss),
    "pushed": incidents.Pushed(),
}


def of_config(config: IncidentConfig) -> incidents.Incident:
    """The incident that `config` describes; raises `ConfigurationError` for one that cannot work."""
    made = simulation(config)
    network = Simulation(
        made.task, made.protocol, learner=made.learner, metrics=made.metrics, identity=made.identity,
        channel=made.channel,
    )  # fmt: skip
    return incidents.Incident(
        network,
        adversary=made.attack,
        owner=int(made.byzantine.sum()) if made.owner is None else np.asarray(made.owner),
        charter=build("charter", config.charter, "charters", {}),
        watches=made.detectors,
        governance=made.governance,
        electorate=made.electorate,
        t0=config.t0,
        rounds=config.rounds,
        participation=participation(config),
        alarm=config.alarm,
        delay=config.delay,
        margin=config.margin,
    )


def incident(argv: Sequence[str], console: Console) -> int:
    """`ghostjax incident [CONFIG.yaml] [flags]`."""
    options = parsed("incident", IncidentOptions, IncidentConfig, argv)
    return tell(options.config, options.out, console)


def tell(config: IncidentConfig, folder: Path, console: Console) -> int:
    """Plays the incident that `config` describes, and writes its dataset and its page to `folder`."""
    require(config.seeds >= 1, "incident", "seeds", config.seeds, "must be at least 1")
    for name in OF_SINGLE_RUNS:
        given, usual = getattr(config, name), getattr(IncidentConfig(), name)
        require(given == usual, "incident", name, given, "only a single run takes it; leave it out")
    kept = [one for one in followers(config) if isinstance(one, Ledger)]
    repairs = [build("correction", text, "correction", {}) for text in config.correction]
    case = of_config(config)
    with owned(folder, "incident.yaml", config):
        calibration = incidents.calibrate(case, config.honest_runs, key=config.seed)
        low, high = calibration.interval
        console.print(
            f"thresholds by {calibration.runs} honest runs: a further one alarms with probability .05 on average, "
            f"{low:.3f} to {high:.3f} for this many"
        )
        by = NAMINGS[config.naming]
        gaps = incidents.gaps_of(calibration, by)
        seeds = [config.seed + i for i in range(config.seeds)]
        outcomes = incidents.name(incidents.play(calibration.incident, seeds), by, gaps=gaps, patience=config.patience)
        for text, how in zip(config.correction, repairs, strict=True):
            outcomes = incidents.repair(outcomes, how, label=text)
        for one in kept:
            simulate(
                calibration.incident.attacked, config.rounds, config.seed, participation=case.participation,
                sinks=[one], progress=None,
            )  # fmt: skip
        story = incidents.story(calibration, outcomes).assign_coords(incident=seeds)
    write_dataset(story, folder / RESULTS)
    names, rows = table(story)
    print_table(console, names, rows)
    console.print(verdict(story).sentence)
    console.print(f"results: {folder / RESULTS}")
    for one in kept:
        console.print(f"ledger of seed {config.seed}: {one.directory}, {standing(one.directory)}")
    console.print(f"report: {incident_page(folder, story, dump(config))}")
    return OK
