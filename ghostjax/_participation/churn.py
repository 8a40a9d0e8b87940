"""Nodes that leave and come back."""

import dataclasses
from typing import Any

import numpy as np

from ghostjax._border import number
from ghostjax._participation._base import AbstractParticipation
from ghostjax._participation._numbers import numbers
from ghostjax._participation._stream import seed_of, uniforms
from ghostjax._types import Key, require


@dataclasses.dataclass(frozen=True, eq=False)
class Churn(AbstractParticipation):
    """A two-state Markov chain per node; see `churn`."""

    arrive: float
    depart: float
    start: float | np.ndarray
    seed: int | None = None

    @property
    def drawn(self) -> bool:
        return self.seed is None

    def rows(self, rounds: int, n: int, key: Key | None) -> np.ndarray:
        start = np.asarray(self.start)
        require(
            start.shape in ((), (n,)), "churn", "start", f"array of shape {start.shape}",
            f"give one probability, or one per node, [{n}]",
        )  # fmt: skip
        u = uniforms(key, self.seed, rounds, n)
        weights = np.zeros((rounds, n), np.int8)
        there = u[0] < start
        weights[0] = there
        for t in range(1, rounds):
            # One number decides both moves, since a node can make only one of them.
            there = np.where(there, u[t] >= self.depart, u[t] < self.arrive)
            weights[t] = there
        return weights


def churn(arrive: float, depart: float, start: Any = None, seed: int | None = None) -> Churn:
    """Participation of nodes that leave and come back, each by an independent Markov chain.

        P(there at t + 1 | away at t) = arrive,    P(away at t + 1 | there at t) = depart

    `start` is the probability to be there in round 0: one number for all nodes, or `[n]` (a mask fixes it). The default
    is the long-run share of rounds that a node is there, `arrive / (arrive + depart)`. Then all rounds have the same
    distribution:

        P(there at t) = p + (start - p) (1 - arrive - depart)^t,    p = arrive / (arrive + depart)

    A stay lasts `1 / depart` rounds on average, an absence `1 / arrive`. Nodes are independent. A node that is there
    counts 1. A round in which nobody is there changes nothing, and the result code says so. The draws come from the
    stream "participation" of the run's key, or of a `seed`, by round: see `sampled`.

    **Errors:** probabilities outside [0, 1], no `start` where both are 0.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> simulation = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> run = gj.simulate(simulation, 20, participation=gj.churn(arrive=0.2, depart=0.1))
    >>> bool(run.record["present"].min() < run.record["present"].max())
    True

    ```
    """
    arrive, depart = (float(number(p, "churn", name, 0, 1)) for name, p in {"arrive": arrive, "depart": depart}.items())
    if start is None:
        remedy = "no node ever arrives or departs; give start, the probability to be there"
        require(arrive + depart > 0, "churn", "arrive", f"{arrive:g}, depart={depart:g}", remedy)
        start = arrive / (arrive + depart)
    values = numbers(start, "churn", "start")
    wrong = values[~((values >= 0) & (values <= 1))]
    require(not wrong.size, "churn", "start", wrong.flat[0] if wrong.size else "", "a probability lies between 0 and 1")
    return Churn(arrive, depart, float(values) if values.ndim == 0 else values, seed_of(seed, "churn"))
