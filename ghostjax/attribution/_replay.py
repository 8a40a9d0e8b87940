"""Exact counterfactuals: the same run again, with somebody silenced."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ghostjax._border import member, whole
from ghostjax._compiled import compiled
from ghostjax._participation import Counts, weights_of
from ghostjax._random import root_key
from ghostjax._rollout import rollout
from ghostjax._simulation import Simulation
from ghostjax._types import Key, require
from ghostjax.attribution._outcome import goal_loss, Outcome
from ghostjax.attribution._result import Attribution


def unobserved(simulation: Simulation) -> Simulation:
    """The same simulation without metrics, which change nothing and would be computed and differentiated."""
    return eqx.tree_at(lambda s: s.metrics, simulation, ()) if simulation.metrics else simulation


def weights_for(call: str, simulation: Simulation, rounds: int, participation: Any) -> Array:
    """The participation weights `[T, n]` in the dtype of the messages, looked at as `simulate` does."""
    member(simulation, Simulation, call, "simulation")
    counts = getattr(simulation.task, "counts", None)
    return jnp.asarray(weights_of(participation, rounds, simulation.num_nodes, call, counts), simulation.ravel.dtype)


@compiled
def _outcomes(simulation: Simulation, key: Key, weights: Float[Array, "m T n"], outcome: Outcome) -> Array:
    def one(w: Array) -> Array:
        return outcome(simulation, rollout(simulation, key, w)[0])

    return one(weights[0])[None] if weights.shape[0] == 1 else jax.vmap(one)(weights)


def replay(
    simulation: Simulation,
    rounds: int,
    key: Key | int,
    masks: Any,
    *,
    participation: Any = None,
    outcome: Outcome = goal_loss,
    batch_size: int = 1,
) -> np.ndarray:
    """The outcome J `[m]` of the run under `participation * mask`, for each of m masks.

    `masks` `[m, n]` silence identities for the whole run, `[m, T, n]` single (round, identity) cells: 1 keeps,
    0 silences. Everything else, batches and noise included, is as in the run itself, so a mask of ones gives
    its outcome; a difference of outcomes is the effect of the silence and of nothing else.

    `batch_size` runs are batched in one program, at that many times the memory; all masks of one call run in the
    same program, and calls with the same `rounds` and `batch_size` compile once. **Static:** `rounds`,
    `batch_size`, `outcome`. Errors: masks or participation of another shape.
    """
    w = weights_for("replay", simulation, rounds, participation)
    masks = np.asarray(masks, w.dtype)
    require(
        masks.ndim in (2, 3) and masks.shape[1:] in (w.shape, w.shape[1:]),
        "replay",
        "masks",
        f"array of shape {masks.shape}",
        f"give [m, {w.shape[1]}] to silence identities or [m, {w.shape[0]}, {w.shape[1]}] to silence cells",
    )
    batch_size = whole(batch_size, "replay", "batch_size", low=1)
    simulation, key, count = unobserved(simulation), root_key(key, "replay"), masks.shape[0]
    values = []
    # One program for every number of masks: the host loops over full batches, the last one filled up.
    for start in range(0, count, batch_size):
        batch = masks[start : start + batch_size]
        filled = np.ones((batch_size, *w.shape), masks.dtype)
        filled[: len(batch)] = batch if masks.ndim == 3 else batch[:, None, :]
        values.append(_outcomes(simulation, key, w[None] * filled, outcome))
    return np.concatenate([np.asarray(v) for v in values])[:count]


def leave_one_out(
    simulation: Simulation,
    rounds: int,
    key: Key | int,
    *,
    participation: Any = None,
    outcome: Outcome = goal_loss,
    groups: Any = None,
    batch_size: int = 1,
) -> Attribution:
    """The exact effect of each removal: `score_i = J(without i) - J`, by n + 1 replays.

    `groups` `[g, n]` or `[g, T, n]` (true where silenced) asks for the removal of g groups of identities or
    cells instead of every single identity. This is the truth that estimates are measured against; what it
    cannot show is redundancy: of two identities that say the same, neither is missed.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(4, batch_size=4, model=gj.tasks.models.MLP((64, 10)))
    >>> sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> gj.attribution.leave_one_out(sim, 3, 0).scores.shape
    (4,)

    ```
    """
    w = weights_for("leave_one_out", simulation, rounds, participation)
    silenced = np.eye(simulation.num_nodes, dtype=bool) if groups is None else np.asarray(groups, bool)
    masks = np.concatenate([np.ones((1, *silenced.shape[1:]), bool), ~silenced])
    values = replay(
        simulation, rounds, key, masks, participation=Counts(np.asarray(w)), outcome=outcome, batch_size=batch_size
    )
    return Attribution(
        scores=values[1:] - values[0],
        outcome=float(values[0]),
        participation=np.asarray(w),
        values=values[1:],
        over="node" if groups is None else "group",
    )
