"""From what a command wrote to the page that it shows."""

from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._run import Run
from ghostjax.report import comparison, render, sweep, write


def run_page(folder: Path, run: Run, config: str, name: str = "run") -> Path:
    """The page of one run."""
    dataset = run.dataset
    record = {str(k): v.values[None] for k, v in dataset.data_vars.items()}
    page = render(
        "One training",
        run.result.value[0].upper() + run.result.value[1:] + ".",
        comparison.blocks({name: record}, run.byzantine),
        config,
    )
    return write(folder / "report.html", page)


def sweep_page(folder: Path, dataset: Any, config: str) -> Path:
    """The page of a sweep."""
    done = dataset["done"].values if "done" in dataset else np.ones(1, bool)
    page = render(
        "A sweep",
        f"{int(done.sum())} of {done.size} cells done.",
        sweep.blocks(dataset),
        config,
    )
    return write(folder / "report.html", page)
