"""Rules in other units: knobs that are masses or lengths are scaled with weights and messages."""

import dataclasses
from typing import Any, TypeVar

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ghostjax._kernels import mass_unit


Rule = TypeVar("Rule", bound=eqx.Module)


def in_range(rule: Rule, w: Float[Array, "*m n"]) -> tuple[Rule, Float[Array, "*m n"], Float[Array, ""]]:
    """`rule` and `w` in a unit of mass, a power of two, in which no sum of weights overflows; and that factor."""
    factor = mass_unit(w)
    return in_units(rule, mass=factor), w * factor, factor


def in_units(rule: Rule, *, mass: Array | None = None, length: Array | None = None) -> Rule:
    """`rule` with its masses multiplied by `mass` and its lengths by `length`, those of wrapped rules too."""
    factors = {"mass": mass, "length": length}
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(rule):  # type: ignore[arg-type]
        value = getattr(rule, field.name)
        knob = field.metadata.get("knob") or {}
        factor = factors.get(knob.get("unit") or ("mass" if field.name == "f" else ""))
        if isinstance(value, eqx.Module):
            changed[field.name] = in_units(value, mass=mass, length=length)
        elif isinstance(value, tuple) and all(isinstance(one, eqx.Module) for one in value):
            changed[field.name] = tuple(in_units(one, mass=mass, length=length) for one in value)
        elif isinstance(value, jax.Array) and factor is not None:
            changed[field.name] = value * factor.astype(value.dtype)
    if not changed:
        return rule
    return eqx.tree_at(lambda changing: [getattr(changing, name) for name in changed], rule, list(changed.values()))
