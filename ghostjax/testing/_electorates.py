"""The laws that every electorate is held to."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax._round import Motion, People
from ghostjax.governance import AbstractElectorate, Kind
from ghostjax.testing._harness import chosen, Harness, jit, trace, vmap
from ghostjax.testing._rounds import equal_bits, N


ROUNDS = 6


class _Case(NamedTuple):
    """What is on the table `[rounds]`, whether it is voted on, who the members are, the seed of the key.

    `x` and `w` are their power, as the batteries show it.
    """

    kind: Any
    votes: Any
    byzantine: Any
    owner: Any
    w: Any
    x: Any
    seed: Any


def check_electorate(electorate: AbstractElectorate, *, skip: Collection[str] = ()) -> None:
    """Asks seven members in six rounds and raises `AssertionError` at the first law that `electorate` breaks.

        shape      ballots and captured members are booleans `[n]`; the memory can be scanned
        silence    nobody casts a vote where there is none
        repeats    the same key, motion and members give the same ballots, bit for bit
        captured   whom the adversary captured follows from who the members are, and not from what is on the table
        jit        compiled equals eager
        vmap       a batch of knobs and cases equals one after the other
        trace      three values of all numeric knobs are traced once, and a static number sets a shape or a loop

    A law in `skip` is left out.

    ```python
    >>> import ghostjax as gj
    >>> from ghostjax.testing import check_electorate
    >>> check_electorate(gj.governance.Electorate(captured=0.25))

    ```

    Errors: a name in `skip` that is no law.
    """
    harness = ElectorateHarness(electorate)
    for law in chosen(LAWS, skip, "check_electorate"):
        law(harness)


class ElectorateHarness(Harness[_Case]):
    """Asks an electorate round by round."""

    def play(self, member: AbstractElectorate, case: _Case) -> Array:
        """Who casts a vote, who says yes, whom the adversary captured, `[rounds, 3, n]`."""

        def one(state: Any, now: Any) -> Any:
            kind, votes, t = now
            return self._asked(member, state, kind, votes, t, case)

        rounds = jnp.arange(ROUNDS, dtype=jnp.int32)
        return jax.lax.scan(one, member.init(N), (jnp.asarray(case.kind), jnp.asarray(case.votes), rounds))[1]

    def eager(self, case: _Case) -> Array:
        """The ballots of the first round."""
        member: Any = self.member
        first = jnp.zeros((), jnp.int32)
        return self._asked(member, member.init(N), case.kind[0], case.votes[0], first, case)[1]

    def tolerance(self, output: np.ndarray, *cases: _Case) -> float:
        """None: ballots are yes or no."""
        return 0.0

    def _asked(self, member: Any, state: Any, kind: Any, votes: Any, t: Any, case: _Case) -> tuple[Any, Array]:
        people = People(case.byzantine, case.owner, case.w)
        key = jax.random.fold_in(jax.random.key(case.seed), t)
        state, ballots = member.vote(state, Motion(kind, votes), people, key)
        found = ballots.cast, ballots.yes, member.spoken_for(people)
        kinds = [(jnp.shape(leaf), np.dtype(jnp.asarray(leaf).dtype).kind) for leaf in found]
        if kinds != [((N,), "b")] * 3:
            self.fail("shape", f"cast, yes and captured are {kinds} and not booleans for each of {N} members")
        return state, jnp.stack(found).astype(case.w.dtype)


def _case(seed: int = 0) -> _Case:
    kinds = [Kind.ALARM, Kind.NOTHING, Kind.ALARM, Kind.MOVED, Kind.MOVED, Kind.ALARM]
    power = np.array([1, 1, 1, 0.5, 2, 1, 0.5], np.float32)
    owner = np.array([0, 1, 2, 3, 4, 4, 4], np.int32)
    votes = np.array([True, False, True, False, True, True])
    return _Case(np.array(kinds, np.int32), votes, np.arange(N) >= 5, owner, power, power, np.uint32(seed))


def _shape(harness: ElectorateHarness) -> None:
    harness.run([_case()])


def _silence(harness: ElectorateHarness) -> None:
    base = _case()
    (asked,) = harness.run([base])
    if asked[~base.votes, 0].any():
        harness.fail("silence", "a vote is cast in a round in which there is none")


def _repeats(harness: ElectorateHarness) -> None:
    base = _case()
    one, other = harness.run([base, base])
    equal_bits(harness, "repeats", "the same question is answered differently", other, one)


def _captured(harness: ElectorateHarness) -> None:
    base = _case()
    asked, other = harness.run([base, base._replace(kind=base.kind[::-1].copy(), votes=~base.votes)])
    for held in (asked[:, 2], other[:, 2]):
        equal_bits(harness, "captured", "what is on the table decides who is captured", held, asked[[0] * ROUNDS, 2])


LAWS: dict[str, Callable[[ElectorateHarness], None]] = {
    "shape": _shape,
    "silence": _silence,
    "repeats": _repeats,
    "captured": _captured,
    "jit": lambda harness: jit(harness, _case()),
    "vmap": lambda harness: vmap(harness, [_case(), _case(1)]),
    "trace": lambda harness: trace(harness, _case()),
}
