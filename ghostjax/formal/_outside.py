"""A description of an index or a value outside, of a step or a claim, which is evaluated once more for that."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax.formal._declared import claim_of, successor
from ghostjax.formal._lower import filled, from_the_end, INNER
from ghostjax.formal._spec import Label, Spec


_NEGATIVE = "a negative index"


def step_outside(spec: Spec, state: Mapping[str, Any], label: Label, bug: int) -> tuple[dict[str, np.ndarray], str]:
    """The successor as the action of `label` returns it (it has no valid encoding), and the value or index outside."""
    action = next(action for action in spec.actions if action.name == label.action)
    params = [*label.params.values(), bug]
    after, seen = _played(lambda *args: successor(spec, action, args), spec, state, params)
    fields = dict(zip(spec.variables, after[1:], strict=True))
    beyond = [
        f"{name} becomes {value.tolist()}, declared {var.low}..{var.high}"
        for (name, var), value in zip(spec.variables.items(), after[1:], strict=True)
        if ((value < var.low) | (value > var.high)).any()
    ]
    return fields, f"{label}: " + "; ".join([*beyond, *seen] or ["looks outside an array"])


def claim_outside(spec: Spec, claim: Callable[..., Any], state: Mapping[str, Any]) -> list[str]:
    """The index by which a claim on one state reads outside an array."""
    return _played(claim_of(spec, claim), spec, state, [])[1]


def _played(function: Any, spec: Spec, state: Mapping[str, Any], params: Sequence[int]) -> tuple[list, list]:
    args = [jnp.asarray(state[name], jnp.int32) for name in spec.variables]
    args += [jnp.asarray(value, jnp.int32) for value in params]
    closed = jax.make_jaxpr(function)(*args)
    names = [*spec.variables, *[""] * len(params)]
    given = dict(zip(closed.jaxpr.invars, names, strict=True))
    seen: dict[str, None] = {}
    out = _run(closed.jaxpr, closed.consts, args, given, seen)
    # A constant or a parameter may count from the end. Such an index is named only if there is no other.
    said = [text for text in seen if not text.startswith(_NEGATIVE)] or list(seen)
    return [np.asarray(value) for value in out], said


def _run(jaxpr: Any, consts: Any, args: Sequence[Any], named: dict[Any, str], seen: dict[str, None]) -> list[Any]:
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    read = lambda atom: jnp.asarray(atom.val, atom.aval.dtype) if hasattr(atom, "val") else values[atom]
    counted = from_the_end(jaxpr)
    for equation in jaxpr.eqns:
        ins = [read(atom) for atom in equation.invars]
        params = equation.params
        inner = next((params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params), None)
        if equation.primitive.name in INNER and inner is not None:
            of = {var: named.get(atom, "") for var, atom in zip(inner.jaxpr.invars, equation.invars, strict=True)
                  if not hasattr(atom, "val")}  # fmt: skip
            outs = _run(inner.jaxpr, inner.consts, ins, of, seen)
        else:
            array = (
                "" if not equation.invars or hasattr(equation.invars[0], "val") else named.get(equation.invars[0], "")
            )
            seen.update(dict.fromkeys(_beyond(equation, ins, array or "an array")))
            bound = equation.primitive.get_bind_params(params)
            functions, rest = bound if isinstance(bound, tuple) else ((), bound)
            out = equation.primitive.bind(*functions, *ins, **rest)
            outs = out if equation.primitive.multiple_results else [out]
        if equation.outvars[0] in counted:
            written = np.asarray(read(counted[equation.outvars[0]]))
            if (written < 0).any():
                seen[f"{_NEGATIVE}, {int(written.min())}"] = None
        values.update(zip(equation.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _beyond(equation: Any, ins: list[Any], array: str) -> Iterator[str]:
    """The indices of one equation that are outside."""
    name, params = equation.primitive.name, equation.params
    shape = jnp.shape(ins[0]) if ins else ()
    if name in ("dynamic_slice", "dynamic_update_slice"):
        write = name == "dynamic_update_slice"
        sizes = jnp.shape(ins[1]) if write else params["slice_sizes"]
        starts = [np.asarray(start).reshape(1) for start in ins[2 if write else 1 :]]
        where = range(len(shape))
    elif name == "gather":
        if filled(params["mode"], params.get("fill_value")) or params["mode"] == jax.lax.GatherScatterMode.CLIP:
            return
        write, sizes, where = False, params["slice_sizes"], params["dimension_numbers"].start_index_map
        starts = np.asarray(ins[1]).reshape(-1, len(where)).T
    elif name.startswith("scatter") and params["mode"] != jax.lax.GatherScatterMode.CLIP:
        n = params["dimension_numbers"]
        gone = (*n.inserted_window_dims, *n.operand_batching_dims)
        kept = dict(zip((d for d in range(len(shape)) if d not in gone), n.update_window_dims, strict=True))
        sizes = [jnp.shape(ins[2])[kept[d]] if d in kept else 1 for d in range(len(shape))]
        write, where = True, n.scatter_dims_to_operand_dims
        starts = np.asarray(ins[1]).reshape(-1, len(where)).T
    else:
        return
    for d, column in zip(where, starts, strict=True):
        for at in np.unique(column[(column < 0) | (column > shape[d] - sizes[d])]).tolist():
            yield f"{'writes' if write else 'reads'} {array} at {at}, which has {shape[d]} along axis {d}"
