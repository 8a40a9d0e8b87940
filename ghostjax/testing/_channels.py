"""The laws of channels."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax.channels import AbstractChannel
from ghostjax.testing._harness import chosen, Harness, jit, trace, vmap
from ghostjax.testing._rounds import D, equal_bits, messages, N
from ghostjax.topologies import ring


ROUNDS = 3
NBR = np.asarray(ring(N).nbr)


class _Case(NamedTuple):
    """Messages `[rounds, n, d]`, presence `[rounds, n]` and the seed of the key."""

    x: Any
    w: Any
    seed: Any


def check_channel(channel: AbstractChannel, *, idle: AbstractChannel | None = None, skip: Collection[str] = ()) -> None:
    """Carries three rounds of seven senders, and raises `AssertionError` at the first law that `channel` breaks.

    Once to a server, once over the edges of a ring.

        shape     rows keep shape and dtype, weights and factors are finite and not negative, in float32 and float64
        idle      `idle`, a channel of the same kind at its neutral setting, changes no bit
        absence   an absent sender stays absent and has no influence, for any content, now or in later rounds
        alters    a channel that does not declare `alters` changes no row
        jit       compiled equals eager
        vmap      a batch of knobs and cases equals one after the other
        trace     three values of all numeric knobs are traced once, and a static number sets a shape or a loop

    A law in `skip` is left out, and so is idle if no such channel is given.

    ```python
    >>> import ghostjax as gj
    >>> from ghostjax.testing import check_channel
    >>> check_channel(gj.channels.Drop(0.3), idle=gj.channels.Drop(0.0))

    ```

    Errors: a name in `skip` that is no law.
    """
    harness = ChannelHarness(channel, idle)
    for law in chosen(LAWS, skip, "check_channel"):
        law(harness)


class ChannelHarness(Harness[_Case]):
    """Carries every round twice: to a server, and over the edges of a ring."""

    nan_allowed = True

    def __init__(self, channel: AbstractChannel, idle: AbstractChannel | None):
        super().__init__(channel)
        self.channel, self.idle = channel, idle

    def play(self, member: AbstractChannel, case: _Case) -> Array:
        """The output in every round, at the server and in the ring: rows, weights, factors of slots, flattened."""

        def one(states: Any, row: Any) -> Any:
            x, w, t = row
            return self._both(member, states, x, w, t, case)

        return jax.lax.scan(one, self._begin(member, case), (case.x, case.w, jnp.arange(ROUNDS)))[1]

    def eager(self, case: _Case) -> Array:
        """The output of the first round."""
        return self._both(self.channel, self._begin(self.channel, case), case.x[0], case.w[0], jnp.asarray(0), case)[1]

    def tolerance(self, output: np.ndarray, *cases: _Case) -> float:
        """2e-5 of the largest finite entry."""
        return 2e-5 * float(np.abs(output[np.isfinite(output)]).max(initial=1e-30))

    def _begin(self, member: AbstractChannel, case: _Case) -> Any:
        like = jax.ShapeDtypeStruct(case.x.shape[1:], case.x.dtype)
        return member.init(like), member.init(like)

    def _both(self, member: AbstractChannel, states: Any, x: Array, w: Array, t: Array, case: _Case) -> Any:
        after, arrived = [], []
        for state, nbr in zip(states, (None, jnp.asarray(NBR)), strict=True):
            key = jax.random.fold_in(jax.random.key(case.seed), t)
            state, carried = member.carry(state, x, w, nbr, key)
            edges = jnp.ones(NBR.shape, x.dtype) if carried.edges is None else carried.edges
            for name, value, like in (("x", carried.x, x), ("w", carried.w, w), ("edges", edges, edges)):
                if value.shape != like.shape or value.dtype != x.dtype or edges.shape != NBR.shape:
                    self.fail("shape", f"{name} became {value.shape} of {value.dtype}")
            if nbr is None and carried.edges is not None:
                self.fail("shape", "there are no edges at a server")
            after.append(state)
            arrived += [carried.x.reshape(-1), carried.w, edges.reshape(-1)]
        return tuple(after), jnp.concatenate(arrived)


class _Arrived(NamedTuple):
    """One half of an output: rows `[rounds, n, d]`, weights `[rounds, n]`, factors `[rounds, n, k]`."""

    x: np.ndarray
    w: np.ndarray
    edges: np.ndarray


def _split(output: np.ndarray) -> list[_Arrived]:
    size = N * D + N + NBR.size
    halves = output[:, :size], output[:, size:]
    return [
        _Arrived(h[:, : N * D].reshape(-1, N, D), h[:, N * D :][:, :N], h[:, N * D + N :].reshape(-1, *NBR.shape))
        for h in halves
    ]


def _case(seed: int = 0, dtype: Any = np.float32) -> _Case:
    w = np.ones((ROUNDS, N), dtype)
    w[:, 3], w[1, 5] = 0.5, 0
    return _Case(messages(seed, ROUNDS, dtype), w, np.uint32(seed))


def _shape(harness: ChannelHarness) -> None:
    for dtype in (np.float32, np.float64):
        for found in _split(harness.run([_case(dtype=dtype)])[0]):
            if not all((np.isfinite(v) & (v >= 0)).all() for v in (found.w, found.edges)):
                harness.fail("shape", "weights and factors have to be finite and not negative")


def _idle(harness: ChannelHarness) -> None:
    if harness.idle is None:
        return
    case = _case()
    for found in _split(harness.run([case], harness.idle)[0]):
        equal_bits(harness, "idle", "with nothing to do it changes rows", found.x, case.x)
        equal_bits(harness, "idle", "with nothing to do it changes weights", found.w, case.w)
        equal_bits(harness, "idle", "with nothing to do it loses an edge", found.edges, np.ones_like(found.edges))


def _absence(harness: ChannelHarness) -> None:
    base = _case()
    cases = [base]
    for value in (0.0, 1e4, np.nan):
        x = base.x.copy()
        x[1, 5] = value
        cases.append(base._replace(x=x))
    expected, *others = (_split(out) for out in harness.run(cases))
    for found, before in ((f, b) for other in others for f, b in zip(other, expected, strict=True)):
        if found.w[1, 5] != 0:
            harness.fail("absence", f"an absent sender arrives with weight {found.w[1, 5]:g}")
        counts = np.ones((ROUNDS, N), bool)
        counts[1, 5] = False
        equal_bits(
            harness, "absence", "an absent sender changes the rows that arrive", found.x[counts], before.x[counts]
        )
        equal_bits(harness, "absence", "an absent sender changes weights", found.w, before.w)
        equal_bits(harness, "absence", "an absent sender changes edges", found.edges, before.edges)


def _alters(harness: ChannelHarness) -> None:
    case = _case()
    for found in _split(harness.run([case])[0]):
        if not harness.channel.alters and not np.array_equal(found.x, case.x):
            harness.fail("alters", "it changes rows; declare `alters = True`")


LAWS: dict[str, Callable[[ChannelHarness], None]] = {
    "shape": _shape,
    "idle": _idle,
    "absence": _absence,
    "alters": _alters,
    "jit": lambda harness: jit(harness, _case()),
    "vmap": lambda harness: vmap(harness, [_case(), _case(1)]),
    "trace": lambda harness: trace(harness, _case()),
}
