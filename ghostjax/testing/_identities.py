"""The laws of identity layers."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax.identity import AbstractIdentity
from ghostjax.testing._harness import chosen, Harness, jit, trace, vmap
from ghostjax.testing._rounds import equal_bits, made_up, messages, N, renamed


ROUNDS = 3


class _Case(NamedTuple):
    """Presence `w` that is weighed; messages `x` and presence `before` of the rounds that it learns from."""

    x: Any
    w: Any
    before: Any
    byzantine: Any
    owner: Any
    seed: Any


def check_identity(identity: AbstractIdentity, *, skip: Collection[str] = ()) -> None:
    """Weighs seven identities in three rounds, learns from each, and raises `AssertionError` at the first law broken.

        shape         weights `[n]`, finite, not negative, in float32 and float64; the memory can be scanned
        absence       an absent identity stays absent
        linear        weights are linear in presence
        mean          all registered identities count 1 on average when everybody is present
        permutation   renaming identities renames weights (arrays whose first axis has seven entries are per identity)
        blind         who is Byzantine, who owns whom, private losses and updates have no influence, bit for bit
        jit           compiled equals eager
        vmap          a batch of knobs and cases equals one after the other
        trace         three values of all numeric knobs are traced once, and a static number sets a shape or a loop

    A law in `skip` is left out.

    ```python
    >>> import ghostjax as gj
    >>> from ghostjax.testing import check_identity
    >>> check_identity(gj.identity.Stake([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))

    ```

    Errors: a name in `skip` that is no law.
    """
    harness = IdentityHarness(identity)
    for law in chosen(LAWS, skip, "check_identity"):
        law(harness)


class IdentityHarness(Harness[_Case]):
    """Weighs presence in every round, and learns from the round after it."""

    def __init__(self, identity: AbstractIdentity):
        super().__init__(identity)
        self.identity = identity

    def play(self, member: AbstractIdentity, case: _Case) -> Array:
        """Weights of every round, `[rounds, n]`."""

        def one(state: Any, row: Any) -> Any:
            x, t = row
            key = jax.random.fold_in(jax.random.key(case.seed), t)
            w = member.weigh(state, case.w)
            seen = made_up(x, case.before, case.byzantine, case.owner, key, t).blind()
            return member.remember(state, seen), w

        return jax.lax.scan(one, member.init(N), (case.x, jnp.arange(ROUNDS)))[1]

    def eager(self, case: _Case) -> Array:
        """Weights of the first round."""
        return self.identity.weigh(self.identity.init(N), case.w)

    def tolerance(self, output: np.ndarray, *cases: _Case) -> float:
        """1e-5 of the largest weight."""
        return 1e-5 * float(np.abs(output).max(initial=1e-30))


def _case(seed: int = 0, dtype: Any = np.float32) -> _Case:
    w = np.array([1, 1, 0.5, 1, 0, 1, 2], dtype)
    byzantine, owner = np.arange(N) >= 5, np.arange(N, dtype=np.int32)
    return _Case(messages(seed, ROUNDS, dtype), w, np.ones(N, dtype), byzantine, owner, np.uint32(seed))


def _shape(harness: IdentityHarness) -> None:
    for dtype in (np.float32, np.float64):
        out = harness.run([_case(dtype=dtype)])[0]
        if out.shape != (ROUNDS, N) or out.dtype != dtype:
            harness.fail("shape", f"presence {(N,)} of {np.dtype(dtype)} became {out.shape[1:]} of {out.dtype}")
        if not (np.isfinite(out) & (out >= 0)).all():
            harness.fail("shape", f"weights have to be finite and not negative, and are {out.tolist()}")


def _absence(harness: IdentityHarness) -> None:
    base = _case()
    weights = harness.run([base])[0]
    if weights[:, base.w == 0].any():
        harness.fail("absence", f"an absent identity counts {weights[:, base.w == 0].max():g}")


def _linear(harness: IdentityHarness) -> None:
    base = _case()
    other = np.array([0, 1, 1, 0, 2, 1, 0.5], np.float32)
    both, one, two = harness.run([base._replace(w=2 * base.w + other), base, base._replace(w=other)])
    harness.same("linear", "weigh(2 u + v) differs from 2 weigh(u) + weigh(v)", both, 2 * one + two, base)


def _mean(harness: IdentityHarness) -> None:
    weights = harness.run([_case()._replace(w=np.ones(N, np.float32))])[0]
    worst = np.abs(weights.mean(1) - 1).max()
    if worst > 1e-5:
        harness.fail("mean", f"with everybody present the mean weight is {weights.mean(1).tolist()} and not 1")


def _permutation(harness: IdentityHarness) -> None:
    base, order = _case(), np.random.default_rng(2).permutation(N)
    moved = renamed(base._replace(x=base.x[:, order]), order)
    seen = harness.run([moved], renamed(harness.member, order))[0]
    expected = harness.run([base])[0][:, order]
    harness.same("permutation", "renaming identities changes more than the order of weights", seen, expected, base)


def _blind(harness: IdentityHarness) -> None:
    base = _case()
    other = base._replace(byzantine=~base.byzantine, owner=np.zeros(N, np.int32))
    expected, seen = harness.run([base, other])
    equal_bits(harness, "blind", "weights depend on who is Byzantine or on who owns whom", seen, expected)


LAWS: dict[str, Callable[[IdentityHarness], None]] = {
    "shape": _shape,
    "absence": _absence,
    "linear": _linear,
    "mean": _mean,
    "permutation": _permutation,
    "blind": _blind,
    "jit": lambda harness: jit(harness, _case()),
    "vmap": lambda harness: vmap(harness, [_case(), _case(1)]),
    "trace": lambda harness: trace(harness, _case()),
}
