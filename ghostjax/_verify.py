"""Checks the folder of a run or sweep against its seals."""

from pathlib import Path

from ghostjax._border import folder
from ghostjax._run._verify import is_run, verify_run
from ghostjax._sweep._verify import verify_sweep
from ghostjax._types import require


def verify(directory: str | Path) -> list[str]:
    """One line for every fault of the run or sweep in `directory`; an empty list if all is whole.

    Every file is read and compared with the sha256 that another file holds of it, and files are compared with each
    other. Faults are a changed byte, a missing file, a file of another run, and a sealed file whose content cannot be.
    Unfinished work is no fault. Nothing is changed.

    **A sha256 is no signature.** It detects damage, and files that do not belong together. Somebody who can write to
    the folder can write other numbers and matching seals. Against that, compare with a copy, or with a hash of the
    folder that is kept elsewhere.

    Errors: `ConfigurationError` where nothing in `directory` was written by ghostjax.

    ```python
    >>> import tempfile, ghostjax as gj
    >>> simulation = gj.Simulation(gj.tasks.quadratic(3, 2), gj.protocols.Server(gj.aggregators.Mean()))
    >>> folder = gj.simulate(simulation, 2).save(tempfile.mkdtemp())
    >>> gj.verify(folder)
    []
    >>> (folder / "final.npz").unlink()
    >>> gj.verify(folder)
    ['final.npz is missing']

    ```
    """
    path = folder(directory, "verify", "directory")
    sweep = (path / "sweep.json").exists() or (path / "cells").is_dir()
    known = sweep or (path.is_dir() and is_run(path))
    require(
        known, "verify", "directory", path, "nothing in it was written by ghostjax; name the folder of a run or sweep"
    )
    return verify_sweep(path) if sweep else verify_run(path)
