"""The environment of a result: versions, devices, number formats."""

import platform
from functools import cache
from importlib.metadata import version
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._run._program import package_source


VERSIONS = ("ghostjax", "source", "jax", "jaxlib", "numpy", "python")
"""A difference in one of these may change bits. It causes a warning."""
LAYOUT = ("platform", "device", "devices", "mesh", "x64", "prng", "matmul_precision")
"""A difference in one of these changes bits. Resuming is refused."""


def environment(*placed: Any) -> dict[str, Any]:
    """Versions, and the devices on which the arrays of `placed` lie."""
    devices = {d for leaf in jax.tree.leaves(placed) if isinstance(leaf, jax.Array) for d in leaf.devices()}
    first = min(devices, key=lambda d: d.id) if devices else jax.devices()[0]
    return {
        "ghostjax": _version("ghostjax"),
        "source": package_source(),
        "jax": jax.__version__,
        "jaxlib": _version("jaxlib"),
        "numpy": np.__version__,
        "equinox": eqx.__version__,
        "python": platform.python_version(),
        "platform": first.platform,
        "device": first.device_kind,
        "devices": max(len(devices), 1),
        "processes": jax.process_count(),
        "mesh": meshes(placed),
        "x64": jnp.result_type(float) == jnp.float64,
        "prng": _setting("jax_default_prng_impl"),
        "matmul_precision": _setting("jax_default_matmul_precision"),
    }


_version = cache(version)  # cached: reading it from the disk takes as long as a small round


def meshes(placed: Any) -> list[str]:
    """The meshes over which arrays are sharded, as text; empty on a single device."""
    shardings = (getattr(leaf, "sharding", None) for leaf in jax.tree.leaves(placed))
    return sorted({str(dict(s.mesh.shape)) for s in shardings if isinstance(s, jax.sharding.NamedSharding)})


def changed(old: dict[str, Any], new: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """`name: old -> new` for each of `names` whose value changed."""
    return [f"{name}: {old.get(name)} -> {new.get(name)}" for name in names if old.get(name) != new.get(name)]


def _setting(name: str) -> str | None:
    value = getattr(jax.config, name, None)
    return None if value is None else str(value)
