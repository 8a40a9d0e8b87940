"""Reads and writes outside an array, detected in a traced function: jax clamps such a read and drops such a write.

The function is traced once, and then evaluated with a second value beside every array: a mask of the elements that are
invalid, since they come from a read or write outside. The mask follows three-valued logic: a selection is invalid
where the selected operand is. A mask exists only if the known ranges of the indices allow an index outside, so most
programs are unchanged.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax.formal._lower import filled, from_the_end, INNER, MOVES


class Value(NamedTuple):
    """An array, its invalid elements (None: none), the range of its elements, and whether it depends on the state."""

    value: Any
    doubt: Any = None
    low: int | None = None
    high: int | None = None
    state: bool = True


Known = tuple[int | None, int | None]
_ACCESS = ("dynamic_slice", "dynamic_update_slice", "gather")
_COMPARED = {
    "lt": lambda a, b, c, d: (b < c, a >= d), "le": lambda a, b, c, d: (b <= c, a > d),
    "gt": lambda a, b, c, d: (a > d, b <= c), "ge": lambda a, b, c, d: (a >= d, b < c),
    "eq": lambda a, b, c, d: (a == b == c == d, b < c or d < a),
    "ne": lambda a, b, c, d: (b < c or d < a, a == b == c == d),
}  # fmt: skip


def guarded(closed: Any, args: Sequence[Value]) -> list[Value]:
    """The outputs of `closed`, each with the mask of its invalid elements."""
    return _run(closed.jaxpr, closed.consts, args)


def doubted(value: Value) -> Any:
    """Whether any element is invalid; the constant False if none can be."""
    return False if value.doubt is None else jnp.any(value.doubt)


def _run(jaxpr: Any, consts: Sequence[Any], args: Sequence[Value]) -> list[Value]:
    values = dict(zip(jaxpr.invars, args, strict=True))
    values |= {var: _constant(const) for var, const in zip(jaxpr.constvars, consts, strict=True)}
    read = lambda atom: _constant(np.asarray(atom.val, atom.aval.dtype)) if hasattr(atom, "val") else values[atom]
    counted = from_the_end(jaxpr)
    for equation in jaxpr.eqns:
        outputs = _equation(equation, [read(atom) for atom in equation.invars])
        if equation.outvars[0] in counted:
            written, moved = read(counted[equation.outvars[0]]), outputs[0]
            if written.low is not None and written.low >= 0:
                moved = moved._replace(low=written.low, high=written.high)
            elif written.state:
                moved = moved._replace(doubt=_either(moved.doubt, written.value < 0))
            outputs = [moved]
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _constant(value: Any) -> Value:
    plain = np.asarray(value)
    if plain.size and plain.dtype.kind in "iub":
        return Value(value, None, int(plain.min()), int(plain.max()), False)
    return Value(value, state=False)


def _equation(equation: Any, ins: list[Value]) -> list[Value]:
    name, params = equation.primitive.name, equation.params
    state = any(x.state for x in ins)
    inner = next((params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params), None)
    loop = {"cond": _cond, "scan": _scan, "while": _while}.get(name)
    if name in INNER and inner is not None:
        return _run(inner.jaxpr, inner.consts, ins)
    clean = all(x.doubt is None for x in ins)
    if loop is not None and not (clean and not _indexes(equation)):
        return [Value(value, doubt) for value, doubt in loop(params, ins)]
    bound = equation.primitive.get_bind_params(params)
    functions, rest = bound if isinstance(bound, tuple) else ((), bound)  # the name depends on the version of jax
    out = equation.primitive.bind(*functions, *(x.value for x in ins), **rest)
    outs = list(out) if equation.primitive.multiple_results else [out]
    doubts: list[Any] = [None] * len(outs)
    if name in _ACCESS or name.startswith("scatter"):
        doubts = [_access(equation, ins, outs[0])]
    elif not clean:
        doubts = _doubts(equation, ins, outs)
    low, high = _range(name, params, ins) if equation.outvars[0].aval.dtype.kind in "iub" else (None, None)
    if low is None or high is None or max(abs(low), abs(high)) >= 2**31:
        low = high = None
    return [Value(value, doubt, low, high, state) for value, doubt in zip(outs, doubts, strict=True)]


def _indexes(equation: Any) -> bool:
    """Whether an equation, or one inside it, reads or writes at an index."""
    name = equation.primitive.name
    inner = [x for v in equation.params.values() for x in (v if isinstance(v, tuple | list) else [v])]
    bodies = [getattr(x, "jaxpr", x) for x in inner]
    return name in _ACCESS or name.startswith("scatter") or any(
        _indexes(e) for body in bodies if hasattr(body, "eqns") for e in body.eqns
    )  # fmt: skip


def _either(*doubts: Any) -> Any:
    found = [doubt for doubt in doubts if doubt is not None]
    if not found:
        return None
    out = found[0]
    for doubt in found[1:]:
        out = out | doubt
    return out


def _dense(x: Value) -> Any:
    return jnp.zeros(jnp.shape(x.value), bool) if x.doubt is None else jnp.broadcast_to(x.doubt, jnp.shape(x.value))


def _doubts(equation: Any, ins: list[Value], outs: list[Any]) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    if name in MOVES:
        moved = equation.primitive.bind(*map(_dense, ins), **params)
        return list(moved) if equation.primitive.multiple_results else [moved]
    if name == "select_n":
        which, *cases = ins
        chosen = jax.lax.select_n(which.value, *map(_dense, cases))
        return [_either(chosen, None if which.doubt is None else _dense(which))]
    if name in ("and", "or", "mul") and (name == "mul" or outs[0].dtype == bool):
        (a, da), (b, db) = ((x.value, _dense(x)) for x in ins)
        open_ = {"and": lambda v: v, "or": lambda v: ~v, "mul": lambda v: v != 0}[name]
        return [(da & db) | (da & open_(b)) | (db & open_(a))]
    if name in ("reduce_and", "reduce_or"):
        (x, doubt), axes = (ins[0].value, _dense(ins[0])), params["axes"]
        decided = (~doubt & (x if name == "reduce_or" else ~x)).any(axes)
        return [doubt.any(axes) & ~decided]
    if name.startswith("reduce_") and "axes" in params:
        return [_dense(ins[0]).any(params["axes"])]
    if len(outs) == 1 and all(jnp.shape(x.value) in ((), outs[0].shape) for x in ins) and name not in ("sort", "rev") \
            and not name.startswith("cum"):  # fmt: skip
        return [_either(*(jnp.broadcast_to(_dense(x), outs[0].shape) for x in ins if x.doubt is not None))]
    # Any other operation depends on all elements.
    whole = _either(*(_dense(x).any() for x in ins if x.doubt is not None))
    return [jnp.broadcast_to(whole, jnp.shape(out)) for out in outs]


def _within(x: Value, limit: int) -> bool:
    return x.low is not None and x.high is not None and x.low >= 0 and x.high <= limit


def _access(equation: Any, ins: list[Value], out: Any) -> Any:
    """The invalid elements of the read result, or of the written array."""
    name, params = equation.primitive.name, equation.params
    shape = jnp.shape(ins[0].value)
    whole = lambda doubt: None if doubt is None else jnp.broadcast_to(doubt, out.shape)
    any_ = lambda x: None if x.doubt is None else jnp.any(x.doubt)
    clip = jax.lax.GatherScatterMode.CLIP
    if name.startswith("dynamic"):
        write = name == "dynamic_update_slice"
        sizes = jnp.shape(ins[1].value) if write else params["slice_sizes"]
        starts = ins[2:] if write else ins[1:]
        where = [start.value for start in starts]
        outside = [(s.value < 0) | (s.value > n - k) for s, n, k in zip(starts, shape, sizes, strict=True)
                   if not _within(s, n - k)]  # fmt: skip
        held = None
        if write and (ins[0].doubt is not None or ins[1].doubt is not None):
            held = jax.lax.dynamic_update_slice(_dense(ins[0]), _dense(ins[1]), where)
        elif not write and ins[0].doubt is not None:
            held = jax.lax.dynamic_slice(_dense(ins[0]), where, sizes)
        return _either(held, whole(_either(*outside, *map(any_, starts))))
    n = params["dimension_numbers"]
    index = ins[1]
    if name == "gather":
        sizes, where = params["slice_sizes"], n.start_index_map
    else:
        gone, sizes, where = (*n.inserted_window_dims, *n.operand_batching_dims), [1] * len(shape), \
            n.scatter_dims_to_operand_dims  # fmt: skip
        for d, axis in zip((d for d in range(len(shape)) if d not in gone), n.update_window_dims, strict=True):
            sizes[d] = jnp.shape(ins[2].value)[axis]
    limits = np.array([shape[d] - sizes[d] for d in where])
    sure = not len(limits) or _within(index, int(limits.min())) or params["mode"] == clip
    outside = None if sure else ((index.value < 0) | (index.value > limits)).any(-1)
    if name == "gather":
        said = filled(params["mode"], params.get("fill_value"))
        rows = _either(None if said else outside, None if index.doubt is None else index.doubt.any(-1))
        rows = None if rows is None else jnp.broadcast_to(jnp.expand_dims(rows, n.offset_dims), out.shape)
        held = None
        if ins[0].doubt is not None:
            held = equation.primitive.bind(_dense(ins[0]), index.value, **{**params, "fill_value": False})
        return _either(held, rows)
    held = None
    if ins[0].doubt is not None or ins[2].doubt is not None:
        if name == "scatter":
            held = equation.primitive.bind(_dense(ins[0]), index.value, _dense(ins[2]), **params)
        else:
            held = _either(_dense(ins[0]), whole(any_(ins[2])))
    return _either(held, whole(_either(None if outside is None else outside.any(), any_(index))))


def _cond(params: Any, ins: list[Value]) -> list[tuple[Any, Any]]:
    which, *operands = ins
    cases = [_run(branch.jaxpr, branch.consts, operands) for branch in params["branches"]]
    found = []
    for column in zip(*cases, strict=True):
        index = jnp.clip(jnp.asarray(which.value, jnp.int32), 0, len(column) - 1)
        value = jax.lax.select_n(_like(index, column[0].value), *(x.value for x in column))
        doubt = None
        if any(x.doubt is not None for x in column):
            doubt = jax.lax.select_n(_like(index, value), *map(_dense, column))
        found.append((value, _either(doubt, None if which.doubt is None else _like(jnp.any(which.doubt), value))))
    return found


def _like(scalar: Any, array: Any) -> Any:
    return jnp.broadcast_to(scalar, jnp.shape(array))


def _scan(params: Any, ins: list[Value]) -> list[tuple[Any, Any]]:
    consts, carry, body = params["num_consts"], params["num_carry"], params["jaxpr"]
    fixed, streams = ins[:consts], ins[consts + carry :]

    def step(state: Any, row: Any) -> Any:
        made = [Value(*pair) for pair in (*state, *row)]
        out = _run(body.jaxpr, body.consts, [*fixed, *made])
        pairs = [(jnp.asarray(x.value), _dense(x)) for x in out]
        return pairs[:carry], pairs[carry:]

    pairs = [(jnp.asarray(x.value), _dense(x)) for x in ins[consts : consts + carry]]
    rows = [(x.value, _dense(x)) for x in streams]
    last, collected = jax.lax.scan(step, pairs, rows, params["length"], params["reverse"])
    return [*last, *collected]


def _while(params: Any, ins: list[Value]) -> list[tuple[Any, Any]]:
    of_test, of_body = params["cond_nconsts"], params["body_nconsts"]
    test, body = params["cond_jaxpr"], params["body_jaxpr"]
    known, fixed = ins[:of_test], ins[of_test : of_test + of_body]
    asked = lambda state: _run(test.jaxpr, test.consts, [*known, *(Value(*pair) for pair in state)])[0]

    def step(state: Any) -> Any:
        unsure = doubted(asked(state))
        out = _run(body.jaxpr, body.consts, [*fixed, *(Value(*pair) for pair in state)])
        return [(jnp.asarray(x.value), _dense(x) | unsure) for x in out]

    pairs = [(jnp.asarray(x.value), _dense(x)) for x in ins[of_test + of_body :]]
    last = jax.lax.while_loop(lambda state: asked(state).value, step, pairs)
    unsure = doubted(asked(last))
    return [(value, doubt | unsure) for value, doubt in last]


def _range(name: str, params: Any, ins: list[Value]) -> Known:
    """The range of the elements of a result, as far as the ranges of its operands determine it."""
    if name == "iota":
        return 0, params["shape"][params["dimension"]] - 1
    if name in ("argmax", "argmin"):
        return 0, int(np.prod([jnp.shape(ins[0].value)[a] for a in params["axes"]])) - 1
    if any(x.low is None or x.high is None for x in ins[: 1 if name in ("gather", "dynamic_slice") else None]):
        return None, None
    lows, highs = [int(x.low or 0) for x in ins], [int(x.high or 0) for x in ins]
    if name in _COMPARED:
        yes, no = _COMPARED[name](lows[0], highs[0], lows[1], highs[1])
        return int(yes), int(not no)
    if name == "select_n":
        if lows[0] == highs[0]:
            return lows[1 + lows[0]], highs[1 + lows[0]]
        return min(lows[1:]), max(highs[1:])
    if name in ("gather", "dynamic_slice"):
        fill = params.get("fill_value") or 0
        return min(lows[0], fill), max(highs[0], fill)
    if name in (*MOVES, "convert_element_type", "reduce_max", "reduce_min", "sort", "scatter", "dynamic_update_slice"):
        return min(lows), max(highs)
    return _arithmetic(name, params, ins, lows, highs)


def _arithmetic(name: str, params: Any, ins: list[Value], lows: list[int], highs: list[int]) -> Known:
    (a, b), (c, d) = (lows[0], highs[0]), (lows[-1], highs[-1])
    boolean = jnp.asarray(ins[0].value).dtype == bool
    if name == "add":
        return a + c, b + d
    if name == "sub":
        return a - d, b - c
    if name == "mul":
        ends = [x * y for x in (a, b) for y in (c, d)]
        return min(ends), max(ends)
    if name == "max" or (name == "or" and boolean):
        return max(a, c), max(b, d)
    if name == "min" or (name == "and" and boolean):
        return min(a, c), min(b, d)
    if name == "not" and boolean:
        return 1 - b, 1 - a
    if name == "clamp":
        return min(max(lows[1], a), c), min(max(highs[1], b), d)
    if name == "rem" and a >= 0 and c > 0:
        return 0, min(b, d - 1)
    if name == "sign":
        return -1, 1
    if name == "reduce_sum":
        size = int(np.prod([jnp.shape(ins[0].value)[axis] for axis in params["axes"]]))
        return a * size, b * size
    return None, None
