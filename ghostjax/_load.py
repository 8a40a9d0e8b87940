"""Reads a saved run, and rebuilds its simulation from the configuration."""

import warnings
from pathlib import Path

from ghostjax._run import load_run as _load_run, Run
from ghostjax._run._load import unlike
from ghostjax._simulation import Simulation
from ghostjax._types import ConfigurationError


def load_run(directory: str | Path, simulation: Simulation | None = None, *, rebuild: bool = True) -> Run:
    """Reads a run that `Run.save` wrote; with the `simulation` also its state and its training.

    Then `params`, `evaluate`, `extend` and the calls of `attribution` work as on the run itself: key, participation
    and a given start are read back. The simulation of a run that `ghostjax run` made is built again from its
    configuration, unless `rebuild` is False. If the configuration makes another simulation today, or none, a warning
    says so and the run is read without a simulation.

    A file is read only if its sha256 is the one in `seal.json`. A sha256 is no signature: it detects damage and mixed
    files. It does not detect a forger who writes a new seal as well.

    Errors: `ConfigurationError` if there is no saved run, a file is corrupt, or another simulation ran.

    ```python
    >>> import tempfile
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> simulation = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> folder = gj.simulate(simulation, 3, progress=None).save(tempfile.mkdtemp())
    >>> gj.load_run(folder, simulation).extend(5, progress=None).rounds
    5

    ```
    """
    run = _load_run(directory, simulation)
    if simulation is not None or not rebuild:
        return run
    found = _rebuilt(run)
    return run if found is None else _load_run(directory, found)


def _rebuilt(run: Run) -> Simulation | None:
    """The simulation that the configuration of `run` makes, if it is the one that ran."""
    from ghostjax.cli._config import rebuilt

    try:
        found = rebuilt(run.provenance.get("config"))
    except (ConfigurationError, OSError) as error:
        why = str(error).splitlines()[0]
        warnings.warn(f"load_run: directory={run.directory}: {why}; read without its simulation", stacklevel=3)
        return None
    lines = "" if found is None else unlike(run.description, found)
    if not lines:
        return found
    warnings.warn(
        f"load_run: directory={run.directory}: its configuration makes another simulation here ({lines}); read without "
        "it",
        stacklevel=3,
    )
    return None
