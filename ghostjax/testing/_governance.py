"""The laws of governance, in a small governed network."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool

from ghostjax._optimizer import Optimizer
from ghostjax._round import Sent, State, View
from ghostjax._simulation import Simulation
from ghostjax._step import pauses
from ghostjax._tree import replaced
from ghostjax._types import as_real
from ghostjax.aggregators import Mean
from ghostjax.attacks import AbstractStatelessAttack
from ghostjax.detectors import AbstractDetector
from ghostjax.governance import AbstractElectorate, AbstractGovernance
from ghostjax.learners import Momentum
from ghostjax.protocols import Server
from ghostjax.tasks import quadratic
from ghostjax.testing._harness import chosen, Harness, jit, trace, vmap
from ghostjax.testing._rounds import D, equal_bits, messages, N


ROUNDS = 12


class _Case(NamedTuple):
    """The messages of all identities `[rounds, n, d]`, presence `[rounds, n]`, and the seed of the key."""

    x: Any
    w: Any
    seed: Any


class _Scripted(AbstractStatelessAttack):
    """Every identity sends its message of the case."""

    rows: Array

    def corrupt(self, state: Any, view: View) -> tuple[Any, Sent]:
        return state, Sent(self.rows[view.round])


class _Played(NamedTuple):
    """One run, round by round: verdict, clocks, whether the round was paused, protocol and learner as one vector."""

    factor: np.ndarray
    round: np.ndarray
    age: np.ndarray
    restored: np.ndarray
    paused: np.ndarray
    parts: np.ndarray


def check_governance(
    governance: AbstractGovernance,
    *,
    detectors: Mapping[str, AbstractDetector] | None = None,
    electorate: AbstractElectorate | None = None,
    skip: Collection[str] = (),
) -> None:
    """Governs seven identities for twelve rounds and raises `AssertionError` at the first law that `governance` breaks.

        shape        factors `[n]` are finite and not negative, and nobody is quarantined before the first round
        clocks       `round` goes on; `age` goes on too unless the round is paused, or a snapshot restored: its age
        pause        protocol and learner come out of a paused round as they went in, bit for bit
        rollback     protocol and learner equal, bit for bit, the state at the end of the round that is restored
        quarantine   an identity of factor 0 has no influence in the round after the verdict
        gradient     presence in discarded and in paused rounds has a derivative of exactly 0
        jit          compiled equals eager
        vmap         a batch of knobs and runs equals one after the other
        trace        three values of all numeric knobs are traced once, and a static number sets a shape or a loop

    `detectors` are those whose readings it reads, `electorate` those who vote; messages are eight times as large from
    the seventh round on. Give knobs with which something happens within twelve rounds. A law in `skip` is left out.

    ```python
    >>> import ghostjax as gj
    >>> from ghostjax.testing import check_governance
    >>> snapshots = gj.governance.Snapshots(capacity=3, every=2)
    >>> check_governance(gj.governance.Scheduled(quarantine=[(3, 6, 2)], rollback=[(7, 4)], snapshots=snapshots))

    ```

    Errors: a name in `skip` that is no law.
    """
    harness = GovernanceHarness(governance, dict(detectors or {}), electorate)
    for law in chosen(LAWS, skip, "check_governance"):
        law(harness)


class GovernanceHarness(Harness[_Case]):
    """A server with momentum under a governance; messages are those of the case."""

    def __init__(
        self,
        governance: AbstractGovernance,
        detectors: dict[str, AbstractDetector],
        electorate: AbstractElectorate | None = None,
    ):
        super().__init__(governance)
        self.governance = governance
        optimizer = Optimizer(optax.sgd, learning_rate=0.1, momentum=0.5)
        self.simulation = Simulation(
            quadratic(N, D, noise=0.1),
            Server(Mean(), optimizer),
            learner=Momentum(as_real(0.5)),
            attack=_Scripted(jnp.zeros((ROUNDS, N, D))),
            byzantine=np.ones(N, bool),
            metrics=(),
            detectors=detectors,
            governance=governance,
            electorate=electorate,
        )
        self._slope = eqx.filter_jit(self._derivative)

    def play(self, member: AbstractGovernance, case: _Case) -> Array:
        """All rounds, `[rounds, n + 4 + size]`: see `_Played`."""
        sim = replaced(self.simulation, governance=member, attack=_Scripted(jnp.asarray(case.x)))
        key = jax.random.key(case.seed)

        def one(state: State, w: Array) -> tuple[State, Array]:
            after, record = sim.step(state, w, key)
            return after, self._row(state, after, record)

        return jax.lax.scan(one, sim.init(key), case.w)[1]

    def eager(self, case: _Case) -> Array:
        """The first round."""
        sim = replaced(self.simulation, attack=_Scripted(jnp.asarray(case.x)))
        key = jax.random.key(case.seed)
        state = sim.init(key)
        return self._row(state, *sim.step(state, case.w[0], key))

    def slope(self, case: _Case) -> np.ndarray:
        """The derivative of the last model in presence, `[rounds, n]`."""
        return np.asarray(self._slope(self.governance, case))

    def played(self, cases: list[_Case]) -> list[_Played]:
        """Runs as named columns."""
        return [
            _Played(
                factor=out[:, :N],
                round=out[:, N],
                age=out[:, N + 1],
                restored=out[:, N + 2],
                paused=out[:, N + 3].astype(bool),
                parts=out[:, N + 4 :],
            )
            for out in self.run(cases)
        ]

    def tolerance(self, output: np.ndarray, *cases: _Case) -> float:
        """2e-5 of the largest entry."""
        return 2e-5 * float(np.abs(output).max(initial=1e-30))

    def _derivative(self, member: AbstractGovernance, case: _Case) -> Array:
        return jax.grad(lambda w: self.play(member, case._replace(w=w))[-1, N + 4 :].sum())(case.w)

    def _row(self, before: State, state: State, record: dict[str, Array]) -> Array:
        dtype = self.simulation.ravel.dtype
        paused = before.verdict.pause if pauses(before) else jnp.zeros(())
        clocks = [state.round, state.age, record["restored"], paused]
        leaves = [state.verdict.factor, *clocks, *jax.tree.leaves((state.protocol, state.learner))]
        return jnp.concatenate([leaf.astype(dtype).reshape(-1) for leaf in leaves])


def _case(seed: int = 0) -> _Case:
    w = np.ones((ROUNDS, N), np.float32)
    w[4, 1] = 0.5
    x = messages(seed, ROUNDS)
    x[ROUNDS // 2 :] *= 8
    return _Case(x, w, np.uint32(seed))


def _shape(harness: GovernanceHarness) -> None:
    (run,) = harness.played([_case()])
    if not (np.isfinite(run.factor) & (run.factor >= 0)).all():
        harness.fail("shape", f"factors have to be finite and not negative, and are {run.factor.tolist()}")


def _clocks(harness: GovernanceHarness) -> None:
    (run,) = harness.played([_case()])
    if not np.array_equal(run.round, 1 + np.arange(ROUNDS)):
        harness.fail("clocks", f"rounds are {run.round.tolist()}")
    before = np.concatenate([[0], run.age[:-1]])
    expected = np.where(run.restored >= 0, run.restored, before + ~run.paused)
    if not np.array_equal(run.age, expected) or (run.restored > before + 1).any():
        harness.fail("clocks", f"ages are {run.age.tolist()} where {run.restored.tolist()} were restored")


def _pause(harness: GovernanceHarness) -> None:
    (run,) = harness.played([_case()])
    # A round in which something is restored ends with that.
    for t in np.flatnonzero(run.paused & (run.restored < 0)):
        equal_bits(harness, "pause", f"round {t} was paused, and something changed", run.parts[t], run.parts[t - 1])


def _rollback(harness: GovernanceHarness) -> None:
    (run,) = harness.played([_case()])
    line: dict[int, np.ndarray] = {}  # by age; a snapshot of this very round has nothing to be compared with
    for age, restored, parts in zip(run.age, run.restored, run.parts, strict=True):
        if int(restored) in line:
            equal_bits(harness, "rollback", f"it is not the state at age {restored:g}", parts, line[int(restored)])
        # Snapshots after the restored age are gone.
        line = {kept: state for kept, state in line.items() if kept < age} | {int(age): parts}


def _quarantine(harness: GovernanceHarness) -> None:
    base = _case()
    (run,) = harness.played([base])
    out = np.concatenate([np.zeros((1, N), bool), run.factor[:-1] == 0])
    louder = base._replace(x=np.where(out[:, :, None], 1e4, base.x).astype(np.float32))
    (other,) = harness.played([louder])
    equal_bits(harness, "quarantine", "who is quarantined moves the model", other.parts, run.parts)


def _gradient(harness: GovernanceHarness) -> None:
    base = _case()
    (run,) = harness.played([base])
    discarded: Bool[np.ndarray, " rounds"] = np.zeros(ROUNDS, bool)
    reached: list[int] = []
    for t, (age, restored) in enumerate(zip(run.age, run.restored, strict=True)):
        if run.paused[t]:
            discarded[t] = True
        else:
            reached.append(t)
        if restored >= 0:
            discarded[reached[int(age) :]] = True
            reached = reached[: int(age)]
    slope = harness.slope(base)
    if not np.isfinite(slope).all():
        harness.fail("gradient", "the derivative in presence is not finite")
    if slope[discarded].any():
        rounds = np.flatnonzero(discarded & slope.any(1)).tolist()
        harness.fail("gradient", f"presence in the discarded or paused rounds {rounds} has a derivative")


LAWS: dict[str, Callable[[GovernanceHarness], None]] = {
    "shape": _shape,
    "clocks": _clocks,
    "pause": _pause,
    "rollback": _rollback,
    "quarantine": _quarantine,
    "gradient": _gradient,
    "jit": lambda harness: jit(harness, _case()),
    "vmap": lambda harness: vmap(harness, [_case(), _case(1)]),
    "trace": lambda harness: trace(harness, _case()),
}
