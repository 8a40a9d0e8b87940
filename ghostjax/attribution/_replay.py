"""Exact counterfactuals: the same run again, with some identities silenced."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from ghostjax._border import whole
from ghostjax._compiled import compiled
from ghostjax._rollout import rollout
from ghostjax._round import State
from ghostjax._run import Run
from ghostjax._simulation import Simulation
from ghostjax._training import Training, Unset
from ghostjax._types import Key, require
from ghostjax.attribution._of import training_of, unobserved, weights_in
from ghostjax.attribution._outcome import goal_loss, Outcome
from ghostjax.attribution._result import Attribution


@compiled
def _outcomes(
    simulation: Simulation, key: Key, weights: Float[Array, "m T n"], outcome: Outcome, start: State | None
) -> Array:
    def one(w: Array) -> Array:
        return outcome(simulation, rollout(simulation, key, w, start)[0])

    return one(weights[0])[None] if weights.shape[0] == 1 else jax.vmap(one)(weights)


def replay(
    simulation: Simulation | Training | Run,
    rounds: int | None = None,
    key: Key | int | Unset = Unset.unset,
    masks: Any = None,
    *,
    participation: Any = None,
    outcome: Outcome = goal_loss,
    batch_size: int = 1,
) -> np.ndarray:
    """The outcome J `[m]` of the run under `participation * mask`, for each of m masks.

    The run is given as a simulation with `rounds`, `key` and `participation`, as a `gj.Training`, or as a `Run`.
    `masks` `[m, n]` silence identities for the whole run, `[m, T, n]` single (round, identity) cells: 1 keeps,
    0 silences. Everything else, batches and noise included, is as in the run. So a mask of ones gives the outcome of
    the run, and a difference of outcomes is the effect of the silencing alone.

    `batch_size` runs are batched in one program, at that many times the memory; all masks of one call run in the
    same program, and calls with the same `rounds` and `batch_size` compile once. **Static:** `rounds`,
    `batch_size`, `outcome`. Errors: masks or participation of another shape.
    """
    training = training_of("replay", simulation, rounds, key, participation)
    w = weights_in(training)
    masks = np.asarray(masks, w.dtype)
    require(
        masks.ndim in (2, 3) and masks.shape[1:] in (w.shape, w.shape[1:]),
        "replay",
        "masks",
        f"array of shape {masks.shape}",
        f"give [m, {w.shape[1]}] to silence identities or [m, {w.shape[0]}, {w.shape[1]}] to silence cells",
    )
    batch_size = whole(batch_size, "replay", "batch_size", low=1)
    played, count = unobserved(training.simulation), masks.shape[0]
    values = []
    # One program for every number of masks: the host loops over full batches, the last one filled up.
    for start in range(0, count, batch_size):
        batch = masks[start : start + batch_size]
        filled = np.ones((batch_size, *w.shape), masks.dtype)
        filled[: len(batch)] = batch if masks.ndim == 3 else batch[:, None, :]
        values.append(_outcomes(played, training.key, w[None] * filled, outcome, training.state))
    return np.concatenate([np.asarray(v) for v in values])[:count]


def leave_one_out(
    simulation: Simulation | Training | Run,
    rounds: int | None = None,
    key: Key | int | Unset = Unset.unset,
    *,
    participation: Any = None,
    outcome: Outcome = goal_loss,
    groups: Any = None,
    batch_size: int = 1,
) -> Attribution:
    """The exact effect of each removal: `score_i = J(without i) - J`, by n + 1 replays.

    Of a simulation with `rounds`, `key` and `participation`, of a `gj.Training`, or of a `Run`.
    `groups` `[g, n]` or `[g, T, n]` (true where silenced) asks for the removal of g groups of identities or
    cells instead of every single identity. Estimates are compared with this truth. It does not show redundancy: of two
    identities with equal messages, the removal of one has no effect.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(4, batch_size=4, model=gj.tasks.models.MLP((64, 10)))
    >>> sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> gj.attribution.leave_one_out(sim, 3, 0).scores.shape
    (4,)

    ```
    """
    training = training_of("leave_one_out", simulation, rounds, key, participation)
    silenced = np.eye(training.simulation.num_nodes, dtype=bool) if groups is None else np.asarray(groups, bool)
    masks = np.concatenate([np.ones((1, *silenced.shape[1:]), bool), ~silenced])
    values = replay(training, masks=masks, outcome=outcome, batch_size=batch_size)
    return Attribution(
        scores=values[1:] - values[0],
        outcome=float(values[0]),
        participation=np.asarray(weights_in(training)),
        values=values[1:],
        over="node" if groups is None else "group",
    )
