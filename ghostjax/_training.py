"""A training: simulation, rounds, key, participation and start, checked once for every caller."""

import dataclasses
import enum
from typing import Any

import numpy as np

from ghostjax._border import member, shown, whole
from ghostjax._participation import AbstractParticipation, Counts, declared, Weights, weights_of
from ghostjax._random import root_key
from ghostjax._simulation import Simulation
from ghostjax._start import started
from ghostjax._types import ConfigurationError, require


LARGEST = 2**31 - 1
"""The largest number of rounds: an int32 counts them."""


class Unset(enum.Enum):
    """The default of a parameter whose absence differs from None."""

    unset = "unset"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Training:
    """`rounds` rounds of `simulation` from the root `key`, under `participation`, beginning with `state`.

    It is data and runs nothing: `gj.simulate(training)`, `gj.sweep(training, axes)`,
    `gj.attribution.adjoint(training)` and `gj.attribution.leave_one_out(training)` run it. A `Run` remembers the
    training that made it, `run.training`.

    `participation` says how much every identity counts in every round: None for 1 everywhere, an array `[n]` or
    `[rounds, n]` of counts, `gj.stake(shares)`, `"by_examples"`, `gj.sampled(share)` or `gj.churn(...)`. `weights`
    `[rounds, n]` are the resulting numbers. `state` is where the training begins: None for
    `simulation.init(key)`, a model (flat `[d]`, in gossip also `[n, d]`, or a tree of parameters), or a `gj.State`,
    which keeps its memories and whose round becomes 0.

    **Errors:** `ConfigurationError` in one line for each argument, before anything compiles.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> simulation = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> training = gj.Training(simulation, rounds=3, key=0, participation=gj.sampled(0.5))
    >>> training.weights.sum(1).tolist()
    [4.0, 4.0, 4.0]
    >>> gj.simulate(training).training is training
    True

    ```
    """

    simulation: Simulation
    rounds: int
    key: Any = 0
    participation: Any = None
    state: Any = None
    call: dataclasses.InitVar[str] = "Training"
    """The call that errors name."""
    weights: np.ndarray = dataclasses.field(init=False)
    declared: AbstractParticipation | None = dataclasses.field(init=False)
    """The participation as a declaration, None for everybody."""

    def __post_init__(self, call: str):
        member(self.simulation, Simulation, call, "simulation")
        rounds, key = whole(self.rounds, call, "rounds", 1, LARGEST), root_key(self.key, call)
        found = declared(self.participation, call, getattr(self.simulation.task, "counts", None))
        weights = weights_of(found, rounds, self.simulation.num_nodes, call, key=key)
        weights.flags.writeable = False
        state = None if self.state is None else started(self.simulation, key, self.state, call)
        looked = {"rounds": rounds, "key": key, "declared": found, "weights": weights, "state": state}
        for name, value in looked.items():
            object.__setattr__(self, name, value)

    def resized(self, rounds: int, participation: Any = None, *, played: int, call: str = "Training") -> "Training":
        """The same training with another number of rounds; the first `played` keep their weights.

        For fewer rounds the rows of weights are cut. For more rounds new rows have to be given.
        """
        rounds = whole(rounds, call, "rounds", 1, LARGEST)
        given = self.participation if participation is None else participation
        rows = self.declared
        if participation is None and isinstance(rows, Weights | Counts) and rows.weights.ndim == 2:
            given = type(rows)(rows.weights[:rounds])
        found = Training(self.simulation, rounds, self.key, given, self.state, call=call)
        same = np.array_equal(found.weights[:played], self.weights[:played])
        remedy = f"the first {played} rows are those that were played"
        require(same, call, "participation", "other weights", remedy)
        return found

    def __repr__(self) -> str:
        who = "everybody" if self.participation is None else f"participation={shown(self.participation)}"
        start = "" if self.state is None else ", from a given state"
        return f"Training({self.simulation!r}, {self.rounds} rounds, {who}{start})"


def as_training(
    call: str,
    given: Any,
    rounds: Any = None,
    key: Any = Unset.unset,
    participation: Any = None,
    state: Any = None,
) -> Training:
    """`given` if it is a training; then no other argument is allowed. Otherwise a training made of all arguments."""
    if not isinstance(given, Training):
        return Training(given, rounds, 0 if key is Unset.unset else key, participation, state, call=call)
    beside = {"rounds": rounds, "participation": participation, "state": state}
    beside = {name: value for name, value in beside.items() if value is not None}
    beside |= {} if key is Unset.unset else {"key": key}
    if beside:
        name, value = next(iter(beside.items()))
        raise ConfigurationError(f"{call}: {name}={shown(value)}: the training contains it already; leave it out")
    return given
