"""From what a command wrote to the page that it shows."""

from pathlib import Path

from ghostjax._run import Run
from ghostjax._sweep import Sweep
from ghostjax.report import comparison, render, sweep, write


def run_page(folder: Path, run: Run, config: str, name: str = "run") -> Path:
    """The page of one run."""
    dataset = run.dataset
    record = {str(k): v.values[None] for k, v in dataset.data_vars.items()}
    page = render(
        "One training",
        run.result.value[0].upper() + run.result.value[1:] + ".",
        comparison.blocks({name: record}, run.byzantine, summary=run.provenance.get("summary")),
        config,
    )
    return write(folder / "report.html", page)


def sweep_page(folder: Path, result: Sweep, config: str) -> Path:
    """The page of a sweep."""
    done = result.dataset["done"].values
    text = "Every point of a product of axes, with paired seeds."
    if not done.all():
        text += f" {int((~done).sum())} cells are not done yet: run the same command again to continue."
    return write(folder / "report.html", render("A sweep", text, sweep.blocks(result), config))
