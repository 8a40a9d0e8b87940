"""Random numbers of the stream "participation": they depend on the key and the round alone."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import whole
from ghostjax._random import SEEDS, stream
from ghostjax._types import Key


BLOCK = 256
"""Rounds that one program draws. All numbers of rounds share this program."""


def seed_of(seed: Any, call: str) -> int | None:
    """`seed` if one is given, None to use the run's key."""
    return None if seed is None else whole(seed, call, "seed", 0, SEEDS - 1)


def uniforms(key: Key | None, seed: int | None, rounds: int, n: int) -> np.ndarray:
    """`[rounds, n]` independent numbers, uniform in `[0, 1)`, in float32 for every float format of the run.

    They depend on the `seed` if there is one, and otherwise on the run's `key`.
    """
    key = key if seed is None else jax.random.key(seed)
    assert key is not None  # a declaration that draws by key always gets one

    def block(first: int) -> np.ndarray:
        draw = lambda t: jax.random.uniform(stream(key, "participation", t), (n,), jnp.float32)
        return np.asarray(jax.vmap(draw)(first + jnp.arange(BLOCK)))

    return np.concatenate([block(first) for first in range(0, rounds, BLOCK)])[:rounds]
