"""Checks of the arguments of `sweep` beside simulation and axes: seeds, shard, batch, chunk."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import choice, shown, whole
from ghostjax._output import Output
from ghostjax._random import SEEDS
from ghostjax._types import Key, require


def check_names(names: Iterable[str], recorded: Iterable[Mapping[str, Output]]) -> None:
    """Refuses an axis with the name of a recorded entry or of a dimension of one."""
    taken = {word for outputs in recorded for name, output in outputs.items() for word in (name, *output.dims)}
    for name in names:
        free = name not in taken
        require(
            free, "sweep", f"axes[{name!r}]", "...", "metrics record an entry of that name; give gj.Axis another one"
        )


def seeds_of(seeds: Any) -> list[int]:
    """The seeds: distinct numbers as given, or 0, 1, ... for a number of seeds."""
    if isinstance(seeds, Iterable) and not isinstance(seeds, str | bytes) and getattr(seeds, "ndim", 1):
        remedy = f"a seed lies between 0 and {SEEDS - 1}; jax ignores higher bits"
        roots = []
        for seed in seeds:
            root = whole(seed, "sweep", "seeds")
            require(0 <= root < SEEDS, "sweep", "seeds", root, remedy)
            roots.append(root)
    else:
        count = whole(seeds, "sweep", "seeds", 0)
        require(count <= SEEDS, "sweep", "seeds", count, "there are fewer seeds")
        roots = list(range(count))
    require(len(set(roots)) == len(roots) > 0, "sweep", "seeds", shown(roots), "give at least one seed, no two alike")
    return roots


def seed_of(key: Key) -> int:
    """The seed from which the root key of a training was made."""
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    data = np.asarray(jax.random.key_data(key) if typed else key)
    seed = int(data[-1])
    made = jax.random.key(seed)
    same = np.array_equal(data, jax.random.key_data(made)) and (not typed or key.dtype == made.dtype)
    require(same, "sweep", "seeds", "not given", "no seed makes the key of this training; give seeds")
    return seed


def shard_of(shard: Any) -> tuple[int, int]:
    """`(i, n)` with `0 <= i < n`: this call computes every n-th cell, from the i-th on."""
    remedy = "give (i, n) with 0 <= i < n"
    require(isinstance(shard, tuple | list) and len(shard) == 2, "sweep", "shard", shown(shard), remedy)
    index, count = (whole(one, "sweep", "shard") for one in shard)
    require(0 <= index < count, "sweep", "shard", shard, remedy)
    return index, count


def check_batch(batch: Any, chunk: Any) -> None:
    """`batch` is None or at least 1, `chunk` "auto" or at least 1."""
    if batch is not None:
        whole(batch, "sweep", "batch", 1)
    if isinstance(chunk, str):
        choice(chunk, ("auto",), "sweep", "chunk")
    else:
        whole(chunk, "sweep", "chunk", 1)
