"""Checks the results of a specification's functions against its declarations: integers, shapes, single truth values."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ghostjax._types import ConfigurationError
from ghostjax.formal._spec import Action, Spec


def refuse_misdeclared(spec: Spec) -> None:
    """Refuses empty bounds, duplicate names, and a symmetry of axes that do not exist."""
    for name, var in spec.variables.items():
        if var.high < var.low:
            raise ConfigurationError(f"{spec.name}: Var({name}): {var.low}..{var.high}: give low <= high")
    names = [action.name for action in spec.actions]
    for action in spec.actions:
        if names.count(action.name) > 1:
            raise ConfigurationError(f"{spec.name}: actions: {action.name} is there twice; give each its own name")
        for name, count in action.params.items():
            if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
                raise ConfigurationError(f"{spec.name}: {action.name}: {name}={count!r}: give a number of values >= 1")
    for symmetry in spec.symmetry:
        call = f"{spec.name}: symmetry: first={symmetry.first}, count={symmetry.count}"
        for name, axis in symmetry.axes.items():
            if name not in spec.variables:
                raise ConfigurationError(f"{call}: no variable named {name}; known: {', '.join(spec.variables)}")
            shape = spec.variables[name].shape
            if not 0 <= axis < len(shape):
                raise ConfigurationError(f"{call}: {name} has no axis {axis}, its shape is {shape}")
            if symmetry.first < 0 or symmetry.count < 1 or symmetry.first + symmetry.count > shape[axis]:
                raise ConfigurationError(f"{call}: axis {axis} of {name} has the identities 0..{shape[axis] - 1}")


def successor(spec: Spec, action: Action, args: Sequence[Any]) -> tuple[Any, ...]:
    """The guard and the next variables of `action`, as a function of variables, parameters and the mutant's id."""
    count = len(spec.variables)
    call = f"{spec.name}: {action.name}"
    found = action.fn(spec.state(**dict(zip(spec.variables, args[:count], strict=True))), *args[count:])
    if not isinstance(found, tuple) or len(found) != 2:
        raise ConfigurationError(f"{call}: returns {_said(found)}; return (enabled, next_state)")
    enabled, after = found
    fields = []
    for name, var in spec.variables.items():
        if not hasattr(after, name):
            raise ConfigurationError(f"{call}: its next state has no {name}; return a state, e.g. s._replace(...)")
        value = jnp.asarray(getattr(after, name))
        if value.shape != var.shape:
            raise ConfigurationError(f"{call}: {name} becomes {value.shape}, declared {var.shape}")
        if value.dtype.kind not in "iub":
            raise ConfigurationError(
                f"{call}: {name} becomes {value.dtype}, which would be rounded; keep to whole numbers, e.g. // for /"
            )
        fields.append(jnp.asarray(value, jnp.int32))
    return truth(enabled, f"{call}: enabled"), *fields


def claim_of(spec: Spec, claim: Callable[..., Any]) -> Callable[..., Any]:
    """`claim` of one or two states as a function of their variables."""
    count, name = len(spec.variables), _name_of(spec, claim)

    def flat(*fields: Any) -> Any:
        states = [dict(zip(spec.variables, fields[k : k + count], strict=True)) for k in range(0, len(fields), count)]
        return truth(claim(*(spec.state(**state) for state in states)), f"{spec.name}: {name}")

    return flat


def truth(value: Any, call: str) -> Any:
    """`value` as one truth value."""
    if value is None:
        raise ConfigurationError(f"{call}: returns nothing; return a truth value")
    value = jnp.asarray(value)
    if value.shape != ():
        raise ConfigurationError(f"{call}: has shape {value.shape}; give one truth value, with .all() or .any()")
    if value.dtype.kind not in "iub":
        raise ConfigurationError(f"{call}: is {value.dtype}; compare it with something, so that it is true or false")
    return jnp.asarray(value, bool)


def initial_states(spec: Spec) -> dict[str, np.ndarray]:
    """The initial states as one int32 array per variable with a leading axis (duplicates kept)."""
    if isinstance(spec.init, Iterable) and not hasattr(spec.init, "_fields"):
        states = list(spec.init)
        if not states:
            raise ConfigurationError(f"{spec.name}: init=[]: give at least one initial state")
        values = {name: [getattr(state, name) for state in states] for name in spec.variables}
    else:
        values = {name: getattr(spec.init, name) for name in spec.variables}
    return {name: _whole(spec, name, value) for name, value in values.items()}


def _whole(spec: Spec, name: str, value: Any) -> np.ndarray:
    call, shape = f"{spec.name}: init", spec.variables[name].shape
    try:
        found = np.asarray(value).reshape(-1, *shape)
    except (ValueError, TypeError):
        raise ConfigurationError(f"{call}: {name} has another shape than declared, {shape}") from None
    if found.dtype.kind not in "iubf" or (found != np.trunc(found)).any():
        raise ConfigurationError(f"{call}: {name}={np.ravel(found)[:4].tolist()}: a state holds whole numbers")
    return np.clip(found, -(2**31), 2**31 - 1).astype(np.int32)


def _name_of(spec: Spec, claim: Callable[..., Any]) -> str:
    named = [*spec.invariants.items(), *spec.steps.items(), *spec.witnesses.items(), ("constraint", spec.constraint)]
    named += [(lead.name, side) for lead in spec.leads_to for side in (lead.p, lead.q)]
    return next((name for name, one in named if one is claim), "a claim")


def _said(value: Any) -> str:
    return f"{len(value)} values" if isinstance(value, tuple) else type(value).__name__
