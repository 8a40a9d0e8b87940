"""The trajectory adjoint: every (round, identity) cell attributed by one backward pass."""

import math
import warnings
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ghostjax._border import whole
from ghostjax._compiled import compiled
from ghostjax._participation import Counts
from ghostjax._random import stream
from ghostjax._round import State
from ghostjax._run import Run
from ghostjax._simulation import Simulation
from ghostjax._training import Training, Unset
from ghostjax._types import Key, require
from ghostjax.attribution._agreement import pearson, spearman
from ghostjax.attribution._of import training_of, unobserved, weights_in
from ghostjax.attribution._outcome import goal_loss, Outcome
from ghostjax.attribution._replay import replay
from ghostjax.attribution._result import Attribution, Certificate


AGREES = 0.8
"""A ranking with a smaller Spearman correlation to exact removals gets a warning."""

Checkpoints = Literal["nested", "round", "none"]


def _segment(rounds: int) -> int:
    """The length c of a segment: near sqrt(T), and a divisor of T if there is one within a factor 1.5 of it."""
    root = math.sqrt(rounds)
    near = [c for c in range(1, rounds + 1) if rounds % c == 0 and root / 1.5 <= c <= root * 1.5]
    return min(near, key=lambda c: abs(c - root)) if near else math.ceil(root)


def _worth_keeping(primitive: Any, *_: Any, **__: Any) -> bool:
    # Masked rows and masks spread over coordinates are [n, d] each. One fused pass over kept data recomputes them. This
    # is cheaper than writing and reading them.
    return primitive.name not in ("select_n", "broadcast_in_dim", "is_finite", "convert_element_type")


def _last_state(
    simulation: Simulation,
    key: Key,
    w: Float[Array, "T n"],
    checkpoints: Checkpoints,
    start: State | None = None,
    count: Int[Array, ""] | None = None,
) -> State:
    """The final state of `rollout`, with what the backward pass keeps decided by `checkpoints`.

    With a `count`, which may be traced, that after so many rounds; checkpoints are then "nested".
    """

    state = simulation.init(key) if start is None else start
    # Keys enter the scans as plain data: jax's check for key reuse takes a segment that is computed twice for a
    # second use of its key.
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    data = jax.random.key_data(key) if typed else key

    def play(state: State, row: Array) -> tuple[State, None]:
        root = jax.random.wrap_key_data(data, impl=jax.random.key_impl(key)) if typed else data
        return simulation.step(state, row, root)[0], None

    # Inside a scan nothing can be merged with the forward pass, so the barriers of prevent_cse only cost.
    if checkpoints == "none":
        return jax.lax.scan(jax.checkpoint(play, prevent_cse=False, policy=_worth_keeping), state, w)[0]
    again = jax.checkpoint(play, prevent_cse=False)
    if checkpoints == "round":
        return jax.lax.scan(again, state, w)[0]

    length = _segment(w.shape[0])
    short = -w.shape[0] % length
    rows = jnp.concatenate([w, jnp.zeros((short, w.shape[1]), w.dtype)]).reshape(-1, length, w.shape[1])
    if not short and count is None:
        segment = jax.checkpoint(lambda state, rows: jax.lax.scan(again, state, rows), prevent_cse=False)
        return jax.lax.scan(segment, state, rows)[0]

    def guarded(state: State, row: tuple[Array, Array]) -> tuple[State, None]:
        return jax.lax.cond(row[1], lambda s: play(s, row[0])[0], lambda s: s, state), None

    on = (jnp.arange(rows.shape[0] * length) < (w.shape[0] if count is None else count)).reshape(-1, length)
    inner = jax.checkpoint(guarded, prevent_cse=False)
    segment = jax.checkpoint(lambda state, rows: jax.lax.scan(inner, state, rows), prevent_cse=False)
    return jax.lax.scan(segment, state, (rows, on))[0]


@compiled
def _gradient(
    simulation: Simulation,
    key: Key,
    w: Float[Array, "T n"],
    outcome: Outcome,
    checkpoints: Checkpoints,
    start: State | None = None,
) -> tuple[Float[Array, ""], Float[Array, "T n"]]:
    """J and dJ/dw."""
    return jax.value_and_grad(lambda w: outcome(simulation, _last_state(simulation, key, w, checkpoints, start)))(w)


def gradient_at(
    simulation: Simulation, key: Key, w: Float[Array, "T n"], outcome: Outcome, count: Int[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, "T n"]]:
    """J after `count` rounds, which may be traced, and dJ/dw: 0 in the rounds after them."""
    played = unobserved(simulation)
    return jax.value_and_grad(lambda w: outcome(played, _last_state(played, key, w, "nested", count=count)))(w)


def adjoint(
    simulation: Simulation | Training | Run,
    rounds: int | None = None,
    key: Key | int | Unset = Unset.unset,
    *,
    participation: Any = None,
    outcome: Outcome = goal_loss,
    checkpoints: Checkpoints = "nested",
    probes: int = 8,
    batch_size: int = 1,
) -> Attribution:
    """The effect of every identity on the outcome J in every round: one backward pass through the whole training.

        A[t, i] = -dJ/dw[t, i],    score_i = sum_t w[t, i] A[t, i]

    of a simulation with `rounds`, `key` and `participation`, of a `gj.Training`, or of a `Run` as it was played, at the
    weights w of the run. A positive cell helped: silencing a set of cells is predicted to raise J by the sum of `w A`
    over it (`Attribution.effect`). A local score (the inner product of an update with the gradient of the goal) ends
    with the round; the adjoint follows a message through all later rounds, memories and reactions of the rule.

    **Guarantee:** exact to first order in w. The quality of the first order is measured in each call: `certificate`
    compares with the exact removal of `probes` random identities (0 skips it; all identities if there are no more).
    Below a Spearman correlation of 0.8 a warning and `note` say so; `leave_one_out` is exact and takes n + 1 runs.
    If rule and attack do not change when all weights are scaled (`f` as a share, the mean, the geometric median; not
    ALIE's `z_max`, which counts identities), every row sums to 0 under w: scores are relative to the average
    participant. **Limits:** rules that select whole rows (Krum) have a derivative that is 0 almost everywhere. `note`
    says so if all cells are 0, or if a cell is not finite. Large steps and kinks (ReLU with few examples) weaken the
    agreement.

    **Cost:** a few forward runs, printed by `experiments/adjoint_cost.py`. `checkpoints="nested"` keeps about
    2 sqrt(T) states and recomputes the rest twice; "round" keeps T states and recomputes once; "none" keeps the
    intermediates of all rounds and recomputes only masks.
    **Static:** `rounds`, `checkpoints`, `outcome`. Metrics of the simulation are left out.

    **Errors:** an unknown `checkpoints`, a participation of another shape than `[rounds, n]`.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(4, batch_size=4, model=gj.tasks.models.MLP((64, 10)))
    >>> sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> result = gj.attribution.adjoint(sim, 6, 0, probes=4)
    >>> result.cells.shape, result.certificate.spearman > 0.5
    ((6, 4), True)

    ```

    Source: the metagradient through training is that of Ilyas and Engstrom, MAGIC: Near-Optimal Data
    Attribution for Deep Learning, arXiv:2504.16430, and Engstrom et al., arXiv:2503.13751, taken here from
    data points to the weights of (round, identity) cells.
    """
    require(
        checkpoints in ("nested", "round", "none"), "adjoint", "checkpoints", checkpoints, "use nested, round or none"
    )
    probes = whole(probes, "adjoint", "probes", low=0)
    training = training_of("adjoint", simulation, rounds, key, participation)
    w, played = weights_in(training), unobserved(training.simulation)
    value, gradient = _gradient(played, training.key, w, outcome, checkpoints, training.state)
    cells, weights = -np.asarray(gradient), np.asarray(w)
    found = Attribution(
        scores=np.where(weights > 0, weights * cells, 0).sum(0),
        outcome=float(value),
        participation=weights,
        cells=cells,
        note=_note(cells),
    )
    if probes == 0:
        return found
    check = certificate(found, training, outcome=outcome, probes=probes, batch_size=batch_size)
    doubt = _doubt(check, int((weights > 0).any(0).sum()))
    if doubt and not found.note:
        warnings.warn(f"adjoint: {doubt}", stacklevel=2)
        found = found._replace(note=doubt)
    return found._replace(certificate=check)


def certificate(
    attribution: Attribution,
    simulation: Simulation | Training | Run,
    rounds: int | None = None,
    key: Key | int | Unset = Unset.unset,
    *,
    outcome: Outcome = goal_loss,
    probes: int = 8,
    batch_size: int = 1,
) -> Certificate:
    """Compares an attribution with the exact removal of `probes` identities, drawn at random among those present.

    With as many `probes` as identities present, or more, `exact` covers all of them.
    """
    probes = whole(probes, "certificate", "probes", low=1)
    require(attribution.over == "node", "certificate", "attribution", "of groups", "give one that scores identities")
    participation = None if rounds is None else Counts(np.asarray(attribution.participation))
    training = training_of("certificate", simulation, rounds, key, participation)
    present = np.flatnonzero((attribution.participation > 0).any(0))
    order = np.asarray(jax.random.permutation(stream(training.key, "certificate"), len(present)))
    chosen = np.sort(present[order[:probes]])
    masks = np.ones((len(chosen) + 1, training.simulation.num_nodes))
    masks[np.arange(len(chosen)) + 1, chosen] = 0
    values = replay(training, masks=masks, outcome=outcome, batch_size=batch_size)
    predicted, exact = attribution.scores[chosen], values[1:] - values[0]
    size = float(predicted @ predicted)
    return Certificate(
        spearman=spearman(predicted, exact),
        pearson=pearson(predicted, exact),
        slope=float(predicted @ exact) / size if size > 0 else float("nan"),
        probes=chosen,
        predicted=predicted,
        exact=exact,
    )


def _doubt(check: Certificate, present: int) -> str:
    """A note about poor agreement, or nothing."""
    if not check.spearman < AGREES:
        return ""
    count, (low, high) = len(check.probes), check.interval
    more = f"more probes (here {count} of {present}) or " if count < present else ""
    return (
        f"poor agreement with exact removals, Spearman {check.spearman:.2f} over {count} probes (95 % interval "
        f"{low:.2f} to {high:.2f}); use {more}leave_one_out, which is exact and takes {present + 1} runs"
    )


def _note(cells: np.ndarray) -> str:
    if not np.isfinite(cells).all():
        return "not finite: the training, its attack or its rule has no derivative at some round; use leave_one_out"
    if not cells.any():
        return (
            "all zero: the outcome does not depend on the weights to first order, as with rules that select whole "
            "rows (Krum); use leave_one_out"
        )
    return ""
