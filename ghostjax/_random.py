"""Named random streams: every use of randomness has a name, so it does not depend on other draws."""

import zlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int

from ghostjax._border import shown, whole
from ghostjax._types import Key, require


SEEDS = 2**32
"""Seeds lie below this number: jax keeps their last 32 bits, so seed 2^32 would be seed 0 again."""


def root_key(key: Key | int, call: str, parameter: str = "key") -> Key:
    """The root key of a run, from a key or a seed."""
    if isinstance(key, Tracer):
        return key  # type: ignore[return-value]
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        require(shape == (), call, parameter, f"keys of shape {shape}", "give one key, jax.random.key(0), or a seed")
        return key  # type: ignore[return-value]
    if isinstance(key, jax.Array | np.ndarray) and key.ndim:
        raw = dtype == np.uint32 and shape in ((2,), (4,))
        require(raw, call, parameter, shown(key), "give one key, jax.random.key(0), or a seed")
        return jnp.asarray(key)
    seed = whole(key, call, parameter)
    require(0 <= seed < SEEDS, call, parameter, seed, f"a seed lies between 0 and {SEEDS - 1}; jax ignores higher bits")
    return jax.random.key(seed)


def stream(key: Key, name: str, *indices: Int[Array, ""] | int) -> Key:
    """The key of the stream `name` at `indices` (round, node, ...).

    `fold_in(...fold_in(fold_in(key, crc32(name)), i_0)..., i_last)`. Keys derived here are only folded,
    never split: `split(key)[i]` equals `fold_in(key, i)`, so mixing both on one key repeats numbers.
    """
    key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    for index in indices:
        key = jax.random.fold_in(key, index)
    return key


class Moment(NamedTuple):
    """One round of a run: `at("batch", draw)` is the key of a named stream of it."""

    key: Key
    round: Int[Array, ""]

    def __call__(self, name: str, *indices: Int[Array, ""] | int) -> Key:
        """`stream(key, name, round, *indices)`."""
        return stream(self.key, name, self.round, *indices)


def per_node(key: Key, num_nodes: int) -> Array:
    """One key per node, `[n]`; node i's key does not depend on how many nodes there are."""
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(num_nodes))
