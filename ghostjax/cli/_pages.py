"""The pages of commands, from the files that they wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ghostjax._run import Run
from ghostjax._sweep import Sweep
from ghostjax.report import comparison, incident, render, sweep, Verdict, write


INCIDENTS = "incidents.nc"
"""The dataset of `gj.incident.story` in the folder of an incident."""


def run_page(folder: Path, run: Run, config: str, name: str = "run") -> Path:
    """The page of one run."""
    dataset = run.dataset
    record = {str(k): v.values[None] for k, v in dataset.data_vars.items()}
    blocks = comparison.blocks({name: record}, run.byzantine, summary=run.provenance.get("summary"))
    page = render("One training", _setting(run), [Verdict(_sentence(run.result.value)), *blocks], config)
    return write(folder / "report.html", page)


def sweep_page(folder: Path, result: Sweep, config: str) -> Path:
    """The page of a sweep."""
    text = "Every point of a product of axes, with paired seeds."
    if not result.finished:
        text += " The same command continues with the cells that are not done."
    return write(folder / "report.html", render("A sweep", text, sweep.blocks(result), config))


def incident_page(folder: Path, story: Any, config: str) -> Path:
    """The page of an incident."""
    rounds, t0 = story.sizes["round"], story.attrs["t0"]
    text = (
        f"A network of {story.sizes['node']} identities that nobody owns learns for {rounds} rounds. From round {t0} "
        f"on one principal moves it a little in every round. {story.sizes['incident']} attacked runs, and "
        f"{story.attrs['honest_runs']} honest ones that set the thresholds. Who did it, since when, and does a repair "
        f"help? Every number is in {INCIDENTS}, and every run can be played again from the configuration below."
    )
    return write(folder / "report.html", render("A ghost on the wire", text, incident.blocks(story), config))


def _setting(run: Run) -> str:
    """The setting in a sentence: nodes, task, protocol, attack and rounds."""
    config: Mapping[str, Any] = run.provenance.get("config") or {}
    held = f"{int(run.byzantine.sum())} of {len(run.byzantine)} identities"
    if not config:
        return f"{run.rounds} rounds; {held} are Byzantine."
    rule = f"the rule {config['aggregator']}"
    place = rule + (" at a server" if config["protocol"] == "server" else f" by gossip over {config['topology']}")
    attack = f"attacked by {config['attack']} from {held}" if run.byzantine.any() else "without an adversary"
    return (
        f"{len(run.byzantine)} nodes learn {config['task']} for {run.rounds} rounds with {place}, {attack}. Learner "
        f"{config['learner']}, optimizer {config['optimizer']}, seed {config['seed']}."
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
