"""Fingerprints of models and messages, made on the device."""

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from ghostjax._output import Output
from ghostjax._random import stream
from ghostjax._round import Round, Seen
from ghostjax._types import count_field, static_field
from ghostjax.metrics._base import AbstractMetric, present_rows


class Digest(AbstractMetric):
    """A keyed fingerprint of the models before and after the round and of every row that arrives, to the last bit.

        h_k(x) = sum_j (lo(x_j) + a_kj) (hi(x_j) + b_kj)  mod 2^32,     k = 1..words

    lo and hi are the halves of a number's bits and a, b are drawn from `key`, 16 bits each. **Guarantee:** two
    different vectors of one length, chosen without knowledge of `key`, have equal fingerprints with probability at
    most `2^(-16 words)`. The sum is one of integers, so that its order changes nothing. **It is a fingerprint and no
    cryptographic hash:** whoever knows `key` finds two vectors of equal fingerprint easily. It tells replays apart, and
    forgeries of those who learn the key after they are committed; against all others `gj.sinks.Ledger(every=...)`
    takes sha256 on the host. Rows that are absent have the fingerprint of zeros. In gossip the models of all nodes are
    one vector.

    **Traced:** `key`. **Static:** `words`, 32 bits each. Records `digest_start [words]`, `digest_model [words]` and
    `digest_rows [n, words]`, in uint32.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.quadratic(3, 2)
    >>> simulation = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()), metrics=[gj.metrics.Digest(key=7)])
    >>> record = gj.simulate(simulation, 3, progress=None).record
    >>> record["digest_rows"].shape, bool((record["digest_start"][1:] == record["digest_model"][:-1]).all())
    ((3, 3, 2), True)

    ```

    Source: Black, Halevi, Krawczyk, Krovetz, Rogaway, UMAC: Fast and Secure Message Authentication, CRYPTO 1999 (NH).
    """

    key: Int[Array, ""] = count_field(default=0, low=0)
    words: int = static_field(default=2, whole=True, low=1, high=8)
    outputs: ClassVar[Mapping[str, Output]] = {
        "digest_start": Output(dims=("word",), long_name="fingerprint of the models before the round"),
        "digest_model": Output(dims=("word",), long_name="fingerprint of the models after the round"),
        "digest_rows": Output(dims=("node", "word"), long_name="fingerprint of the row that arrived"),
    }

    def __call__(self, round: Round | Seen) -> dict[str, Array]:
        rows = present_rows(round.messages, round.weights)
        start, after = (models.reshape(1, -1) for models in (round.models, round.next_models))
        return {
            "digest_start": self._of(start)[0],
            "digest_model": self._of(after)[0],
            "digest_rows": self._of(rows),
        }

    def _of(self, x: Float[Array, "m d"]) -> UInt32[Array, "m words"]:
        """The fingerprint of each row."""
        low, high = _halves(x)
        keys = jax.random.bits(stream(jax.random.key(self.key), "digest"), (self.words, 2, low.shape[1]), jnp.uint16)
        a, b = keys[:, 0].astype(jnp.uint32), keys[:, 1].astype(jnp.uint32)
        # In this order one pass over the rows serves a word, and nothing of size [m, words, d] is kept.
        sums = [((low + a[k : k + 1]) * (high + b[k : k + 1])).sum(1, dtype=jnp.uint32) for k in range(self.words)]
        return jnp.stack(sums, 1)


def _halves(x: Float[Array, "m d"]) -> tuple[UInt32[Array, "m e"], UInt32[Array, "m e"]]:
    """The lower and upper 16 bits of each 32 bits of `x`; the upper half of a number of 16 bits is 0."""
    if x.dtype.itemsize == 2:
        low = jax.lax.bitcast_convert_type(x, jnp.uint16).astype(jnp.uint32)
        return low, jnp.zeros_like(low)
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32).reshape(len(x), -1)  # two words for a number of 64 bits
    return bits & 0xFFFF, bits >> 16
