"""A training in a file, without its simulation: participation, rounds and start."""

import dataclasses
from typing import Any

import jax
import numpy as np

from ghostjax._participation import Churn, Counts, Sampled, Splitting, Weights, Whitewashing
from ghostjax._run._chunk import named_leaves
from ghostjax._training import Training


KINDS = {kind.__name__: kind for kind in (Weights, Counts, Sampled, Churn, Splitting, Whitewashing)}
"""Declarations that a file can hold, by the name of their class."""


def stored(training: Training) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays and the plain part of `training`, without simulation and key, which are kept elsewhere."""
    arrays: dict[str, Any] = {}
    who: dict[str, Any] | None = None
    if training.declared is not None:
        who = {"kind": type(training.declared).__name__}
        for field in dataclasses.fields(training.declared):  # type: ignore[arg-type]
            value = getattr(training.declared, field.name)
            if isinstance(value, np.ndarray):
                arrays[f"participation.{field.name}"] = _compact(value, training.weights.dtype)
            else:
                who[field.name] = value
    if training.state is not None:
        arrays |= {f"start{name}": leaf for name, leaf in named_leaves(training.state)}
    return arrays, {"rounds": training.rounds, "participation": who, "start": training.state is not None}


def participation_of(plain: dict[str, Any], arrays: dict[str, Any]) -> Any:
    """The participation that `stored` wrote."""
    who = plain["participation"]
    if who is None:
        return None
    fields = {name.split(".", 1)[1]: value for name, value in arrays.items() if name.startswith("participation.")}
    return KINDS[who["kind"]](**{name: value for name, value in who.items() if name != "kind"}, **fields)


def start_of(plain: dict[str, Any], arrays: dict[str, Any], like: Any) -> Any:
    """The state that `stored` wrote, in the structure of `like`; None for a training that begins anew."""
    if not plain["start"]:
        return None
    leaves = [arrays[f"start{name}"] for name, _ in named_leaves(like)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _compact(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The weights that are played, as bytes if they are small whole numbers."""
    small = ((rows >= 0) & (rows <= 255) & (rows == np.floor(rows))).all()
    return rows.astype(np.uint8 if small else dtype)
