"""Members who come to a vote now and then, judge right now and then, and may be captured."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PyTree

from ghostjax._border import shown
from ghostjax._byzantine import Share
from ghostjax._random import stream
from ghostjax._round import Ballots, Motion, People
from ghostjax._types import as_count, as_real, Key, real_field, require
from ghostjax.governance._base import AbstractElectorate
from ghostjax.governance._procedure import Kind


def _count_or_share(value: Any) -> Any:
    """A whole number as a count, any other as a share: their dtypes tell them apart, inside a program too."""
    if isinstance(value, Share):
        return as_real(value.share)
    if isinstance(value, jax.Array | jax.ShapeDtypeStruct):
        return value
    kind = np.asarray(value).dtype.kind if np.ndim(value) == 0 else "O"
    return as_count(value) if kind in "iu" else as_real(value) if kind == "f" else value


def _counts(captured: Any) -> bool:
    return jnp.issubdtype(captured.dtype, jnp.integer)


class Electorate(AbstractElectorate):
    """Every member that is not captured comes with probability `participation` and judges right with `accuracy`.

        captured:  so many members, a share to the nearest of them, floor(captured n + 1/2);  they always come
        alarm:     right is a yes while an identity of the adversary has power, else a no;  captured members say no
        motion of a member:  right is a no;  captured members say yes

    So that a motion on a true alarm passes with the probability that

        (power of Bernoulli(participation accuracy) draws of the others) >= ceil(quorum n)

    Captured are those whom the adversary owns first (Byzantine identities, and all others of their principals, in
    their order), then others in their order, up to the share. An adversary with ballots of its own (`Sent.ballots`)
    says how captured members vote. Members judge independently of each other and of their own earlier votes. What they
    look at is not modelled: `accuracy` says how well readings and audits serve them.

    **Traced:** all knobs: `captured`, a whole number of members or a share as a fraction (1 is one member, 1.0 or
    `gj.Share(1)` all of them), the other two probabilities. Half a member is one, as in `byzantine=`: .4 of 64 are 26.
    **State:** none. **Errors:** a count below 0, a share or a probability outside of 0 to 1; a count beyond all members
    is all of them.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> people = gj.People(jnp.arange(64) >= 48, jnp.arange(64), jnp.ones(64))
    >>> [int(gj.governance.Electorate(captured=some).spoken_for(people).sum()) for some in (25, 0.4, 1, 1.0)]
    [25, 26, 1, 64]

    ```
    """

    captured: Float[Array, ""] | Int[Array, ""] = eqx.field(converter=_count_or_share, default=0.0)
    participation: Float[Array, ""] = real_field(default=0.9, low=0, high=1)
    accuracy: Float[Array, ""] = real_field(default=0.95, low=0, high=1)

    def __check_init__(self):
        value: Any = self.captured
        if isinstance(value, Tracer | jax.ShapeDtypeStruct):
            return
        remedy = "give a whole number of members, or a share between 0 and 1"
        fits = isinstance(value, jax.Array) and value.ndim == 0 and value.dtype.kind in "iufV"
        require(fits, "Electorate", "captured", shown(value), remedy)
        plain = float(value)
        require(plain >= 0 and (_counts(value) or plain <= 1), "Electorate", "captured", shown(value), remedy)

    def init(self, num_nodes: int) -> PyTree:
        del num_nodes
        return ()

    def spoken_for(self, people: People) -> Bool[Array, " n"]:
        owned = ((people.owner[:, None] == people.owner[None, :]) & people.byzantine[None, :]).any(1)
        rank = jnp.where(owned, jnp.cumsum(owned), owned.sum() + jnp.cumsum(~owned))
        if _counts(self.captured):
            return rank <= self.captured
        return rank <= jnp.floor(self.captured * owned.shape[0] + 0.5).astype(rank.dtype)

    def vote(self, state: PyTree, motion: Motion, people: People, key: Key) -> tuple[PyTree, Ballots]:
        data, kind = jax.random.key_data(key), jax.random.key_impl(key)

        def drawn() -> Ballots:
            held, dtype = self.spoken_for(people), self.accuracy.dtype
            # Not the key itself: in a batch a branch selects what it is given, which looks like using a key twice.
            key = jax.random.wrap_key_data(data, impl=kind)
            comes, judges = (jax.random.uniform(stream(key, name), held.shape, dtype) for name in ("comes", "judges"))
            true = (motion.kind == Kind.ALARM) & (people.byzantine & (people.power > 0)).any()
            yes = jnp.where(held, motion.kind == Kind.MOVED, (judges < self.accuracy) == true)
            cast = held | (comes < self.participation)
            return Ballots(yes & cast, cast)

        def nobody() -> Ballots:
            return Ballots(jnp.zeros_like(people.byzantine), jnp.zeros_like(people.byzantine))

        # Random numbers for every round would cost more than all else that is decided.
        return state, jax.lax.cond(motion.votes, drawn, nobody)
