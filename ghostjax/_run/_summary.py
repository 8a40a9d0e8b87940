"""The summary of a simulation before it runs: its graph and its data."""

from typing import Any

import jax.numpy as jnp

from ghostjax._simulation import Simulation
from ghostjax.tasks import ArrayTask


def summary(simulation: Simulation) -> dict[str, Any]:
    """`network`: the protocol's diagnostics; `splits`: the sizes of the four sets, and a note where fewer are held out;
    `data`: the realised label histogram, how uneven it is."""
    found: dict[str, Any] = {"network": simulation.protocol.describe(simulation.byzantine)}
    task = simulation.task
    found["splits"] = task.splits.describe()
    if isinstance(task, ArrayTask) and jnp.issubdtype(task.y.dtype, jnp.integer) and task.y.ndim == 1:
        seen = task.describe()
        found["data"] = {
            "classes": seen.classes.tolist(),
            "histogram": seen.histogram.tolist(),
            "total_variation": seen.total_variation,
            "imbalance": seen.imbalance,
            "classes_per_node": seen.classes_per_node,
        }
    return found
