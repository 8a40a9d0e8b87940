"""Checks the folder of a run or sweep against its seals."""

from pathlib import Path

from ghostjax._border import folder
from ghostjax._run._verify import is_run, verify_run
from ghostjax._sweep._verify import verify_sweep
from ghostjax._types import require
from ghostjax.ledger._log import is_ledger
from ghostjax.ledger._verify import verify_ledger


def verify(directory: str | Path) -> list[str]:
    """One line for every fault of the run, sweep or ledger in `directory`; an empty list if all is whole.

    Every file is read and compared with the sha256 that another file holds of it, and files are compared with each
    other. Faults are a changed byte, a missing file, a file of another run, and a sealed file whose content cannot be.
    Unfinished work is no fault. Nothing is changed.

    **A sha256 is no signature.** It tells damage, and files that do not belong together. Whoever can write the folder
    can write other numbers and seals that fit them; against that, compare with a copy, or with the hash of the folder
    kept elsewhere. Heads of a ledger may be signed: then whoever has not the key cannot, and the first forged entry is
    named.

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
    if is_ledger(path):
        return verify_ledger(path)
    sweep = (path / "sweep.json").exists() or (path / "cells").is_dir()
    known = sweep or (path.is_dir() and is_run(path))
    remedy = "nothing in it was written by ghostjax; name the folder of a run, a sweep or a ledger"
    require(known, "verify", "directory", path, remedy)
    return verify_sweep(path) if sweep else verify_run(path)
