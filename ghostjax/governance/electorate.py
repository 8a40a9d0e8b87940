"""Members who come to a vote now and then, judge right now and then, and may be captured."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._random import stream
from ghostjax._round import Ballots, Motion, People
from ghostjax._types import Key, real_field
from ghostjax.governance._base import AbstractElectorate
from ghostjax.governance._procedure import Kind


class Electorate(AbstractElectorate):
    """Every member that is not captured comes with probability `participation` and judges right with `accuracy`.

        captured:  floor(captured n + 1/2) members;  they always come
        alarm:     right is a yes while an identity of the adversary has power, else a no;  captured members say no
        motion of a member:  right is a no;  captured members say yes

    So that a motion on a true alarm passes with the probability that

        (power of Bernoulli(participation accuracy) draws of the others) >= ceil(quorum n)

    Captured are those whom the adversary owns first (Byzantine identities, and all others of their principals, in
    their order), then others in their order, up to the share. An adversary with ballots of its own (`Sent.ballots`)
    says how captured members vote. Members judge independently of each other and of their own earlier votes. What they
    look at is not modelled: `accuracy` says how well readings and audits serve them.

    **Traced:** all knobs, shares and probabilities between 0 and 1. **State:** none.

    ```python
    >>> import ghostjax as gj
    >>> gj.governance.Electorate(captured=0.25).accuracy.item() > 0.9
    True

    ```
    """

    captured: Float[Array, ""] = real_field(default=0.0, low=0, high=1)
    participation: Float[Array, ""] = real_field(default=0.9, low=0, high=1)
    accuracy: Float[Array, ""] = real_field(default=0.95, low=0, high=1)

    def init(self, num_nodes: int) -> PyTree:
        del num_nodes
        return ()

    def spoken_for(self, people: People) -> Bool[Array, " n"]:
        owned = ((people.owner[:, None] == people.owner[None, :]) & people.byzantine[None, :]).any(1)
        rank = jnp.where(owned, jnp.cumsum(owned), owned.sum() + jnp.cumsum(~owned))
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
