"""The pages of commands, from the files that they wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ghostjax._run import Run
from ghostjax._sweep import Sweep
from ghostjax.report import comparison, render, sweep, Verdict, write


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
