"""A traced function of small integer arrays as expressions over their elements.

Every equation of a jaxpr becomes, element by element, expressions of `Expressions`. An array is represented by an
integer array of the same shape (`Ids`): the indices of its elements' expressions. So operations that only move
elements (`MOVES`) run in numpy on the indices. Each other primitive has a rule in `_RULES`, and a loop is unrolled.
**Invariants:** every expression has bounds `low .. high` that hold in all states, and an expression that may leave the
dtype raises `Unknown`, so that integers never wrap. A read or write whose index is known (most are, once the parameters
of an action are) costs nothing. With another index it becomes a `select` among the elements in the index's bounds, and
the result is `checked`: its condition says that the index was inside the array, and a violated one is reported, since
jax itself would clamp or drop. `Unknown` means that the function has no such form; it is then run by jax instead.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from ghostjax.formal import _numpy
from ghostjax.formal._symbolic import Expressions, Unknown


Ids = Any
"""An array of indices of expressions."""

# Operations that only move elements do to indices what they do to values.
MOVES = (
    "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "rev", "concatenate", "stack", "split",
    "slice", "copy", "stop_gradient",
)  # fmt: skip
INNER = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call")


def lower(e: Expressions, closed: Any, args: Sequence[Ids]) -> list[Ids]:
    """The outputs of `closed` for arguments given as arrays of expressions. Raises `Unknown` if it has no such form."""
    return _run(e, closed.jaxpr, [_constants(e, np.asarray(c)) for c in closed.consts], list(args))


def _constants(e: Expressions, value: np.ndarray) -> Ids:
    if value.dtype != bool and not np.issubdtype(value.dtype, np.integer):
        raise Unknown(f"a constant of type {value.dtype}")
    flat = [e.constant(int(v), value.dtype == bool) for v in value.ravel().tolist()]
    return np.array(flat, np.int64).reshape(value.shape)


def _run(e: Expressions, jaxpr: Any, consts: list[Ids], args: list[Ids]) -> list[Ids]:
    values: dict[Any, Ids] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))

    def read(atom: Any) -> Ids:
        if hasattr(atom, "val"):
            return _constants(e, np.asarray(atom.val, atom.aval.dtype))
        return values[atom]

    counted = from_the_end(jaxpr)
    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        outputs = _equation(e, equation, inputs)
        if equation.outvars[0] in counted:
            outputs = [_each(partial(_not_negative, e), outputs[0], read(counted[equation.outvars[0]]))]
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def from_the_end(jaxpr: Any) -> dict[Any, Any]:
    """Indices as jax wraps them, `i + n` where `i < 0`: maps the variable of each to the written `i`."""
    made = {out: equation for equation in jaxpr.eqns for out in equation.outvars}
    found = {}
    for equation in jaxpr.eqns:
        # Indexing wraps by `select_n`, `take` by an inner function named `_where`.
        name, ins = equation.primitive.name, equation.invars
        if not (name == "select_n" or (name in INNER and equation.params.get("name") == "_where")) or len(ins) != 3:
            continue
        which, (index, moved) = ins[0], (ins[1:] if name == "select_n" else ins[:0:-1])
        less, more = (made.get(atom) if not hasattr(atom, "val") else None for atom in (which, moved))
        if less is None or more is None or less.primitive.name != "lt" or more.primitive.name != "add":
            continue
        zero = getattr(less.invars[1], "val", None)
        if less.invars[0] is index and more.invars[0] is index and zero is not None and np.all(np.asarray(zero) == 0):
            found[equation.outvars[0]] = index
    return found


def _not_negative(e: Expressions, at: int, written: int) -> int:
    """A negative constant counts from the end, as in Python. A negative index that depends on the state is a fault."""
    if e.value(written) is not None or e.low[written] >= 0:
        return at
    return e.checked(at, e.le(e.constant(0), written))


def _equation(e: Expressions, equation: Any, inputs: list[Ids]) -> Sequence[Ids]:
    name, params = equation.primitive.name, equation.params
    if name in INNER:
        inner = next(params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params)
        return lower(e, inner, inputs)
    if name == "cond":
        which, *operands = inputs
        cases = [lower(e, branch, operands) for branch in params["branches"]]
        return [_choose(e, which, list(column)) for column in zip(*cases, strict=True)]
    if name == "scan":
        return _scan(e, params, inputs)
    if name in MOVES:
        moved = _numpy.RULES[name](*inputs, **params)
        return moved if equation.primitive.multiple_results else [moved]
    if name == "sort":
        return _sort(e, inputs, params["dimension"], params["num_keys"])
    if name not in _RULES:
        raise Unknown(name)
    kind = equation.outvars[0].aval.dtype
    if kind != bool and not np.issubdtype(kind, np.integer):
        raise Unknown(f"{name} on {kind}")
    out = np.asarray(_RULES[name](e, *inputs, **params), np.int64)
    if kind != bool:
        info = np.iinfo(kind)
        for at in out.ravel().tolist():
            if e.low[at] < info.min or e.high[at] > info.max:
                raise Unknown(f"{name}: a value that may leave {kind}")
    return [out]


def _each(function: Callable[..., int], *arrays: Ids) -> Ids:
    arrays = tuple(np.broadcast_arrays(*arrays))
    flat = [function(*ids) for ids in zip(*(a.ravel().tolist() for a in arrays), strict=True)]
    return np.array(flat, np.int64).reshape(arrays[0].shape)


def _elementwise(method: str, swapped: bool = False) -> Callable[..., Ids]:
    def rule(e: Expressions, *inputs: Ids, **_: Any) -> Ids:
        return _each(getattr(e, method), *(inputs[::-1] if swapped else inputs))

    return rule


def _logical(on_truth: str) -> Callable[..., Ids]:
    def rule(e: Expressions, *inputs: Ids, **_: Any) -> Ids:
        if not all(e.boolean[at] for x in inputs for at in x.ravel().tolist()):
            raise Unknown(f"bitwise {on_truth} of integers")
        return _each(getattr(e, on_truth), *inputs)

    return rule


def _convert(e: Expressions, x: Ids, new_dtype: Any, **_: Any) -> Ids:
    return _each(e.truth if np.dtype(new_dtype) == bool else e.number, x)


def _choose(e: Expressions, which: Ids, cases: list[Ids]) -> Ids:
    if len(cases) == 1:
        return cases[0]
    if len(cases) == 2:
        return _each(lambda w, no, yes: e.select(e.truth(w), yes, no), which, *cases)

    def choose(w: int, *options: int) -> int:
        found = options[-1]
        for k in range(len(options) - 2, -1, -1):
            here = e.lt(w, e.constant(1)) if k == 0 else e.eq(w, e.constant(k))
            found = e.select(here, options[k], found)
        return found

    return _each(choose, which, *cases)


def _shift(left: bool) -> Callable[..., Ids]:
    def rule(e: Expressions, x: Ids, by: Ids, **_: Any) -> Ids:
        def one(a: int, b: int) -> int:
            amount = e.value(b)
            if amount is None or not 0 <= amount < 31 or e.low[a] < 0:
                raise Unknown("a shift of or by a value that may be negative")
            power = e.constant(1 << amount)
            return e.mul(a, power) if left else e.divide(a, power)

        return _each(one, x, by)

    return rule


def _power(e: Expressions, x: Ids, y: int, **_: Any) -> Ids:
    out = x
    for _i in range(int(y) - 1):
        out = _each(e.mul, out, x)
    return out if y else _each(lambda a: e.constant(1), x)


def _sign(e: Expressions, x: Ids, **_: Any) -> Ids:
    zero, one, minus = e.constant(0), e.constant(1), e.constant(-1)
    return _each(lambda a: e.select(e.lt(a, zero), minus, e.select(e.lt(zero, a), one, zero)), x)


def _iota(e: Expressions, dtype: Any, shape: Any, dimension: int, **_: Any) -> Ids:
    return _constants(e, _numpy.RULES["iota"](dtype=np.int64, shape=shape, dimension=dimension))


def _rows(x: Ids, axes: Sequence[int]) -> tuple[list[list[int]], tuple[int, ...]]:
    """The elements along `axes`, for each place of the other axes."""
    rest = [d for d in range(x.ndim) if d not in axes]
    moved = np.transpose(x, [*rest, *axes])
    shape = tuple(x.shape[d] for d in rest)
    return moved.reshape(int(np.prod(shape)), -1).tolist(), shape


def _reduce(method: str, empty: int | None) -> Callable[..., Ids]:
    def rule(e: Expressions, x: Ids, axes: Any, **_: Any) -> Ids:
        rows, shape = _rows(x, tuple(axes))
        function = getattr(e, method)
        out = []
        for row in rows:
            if not row and empty is None:
                raise Unknown(f"{method} of nothing")
            # A balanced tree, so that equal parts of different sums become one expression.
            while len(row) > 1:
                row = [function(*row[i : i + 2]) if i + 1 < len(row) else row[i] for i in range(0, len(row), 2)]
            boolean = method in ("and_", "or_")
            out.append(row[0] if row else e.constant(empty or 0, boolean))
        return np.array(out, np.int64).reshape(shape)

    return rule


def _best(larger: bool) -> Callable[..., Ids]:
    def rule(e: Expressions, x: Ids, axes: Any, **_: Any) -> Ids:
        rows, shape = _rows(x, tuple(axes))
        out = []
        for row in rows:
            best, at = row[0], e.constant(0)
            for i, value in enumerate(row[1:], 1):
                better = e.lt(best, value) if larger else e.lt(value, best)
                best, at = e.select(better, value, best), e.select(better, e.constant(i), at)
            out.append(at)
        return np.array(out, np.int64).reshape(shape)

    return rule


def _cumulative(method: str) -> Callable[..., Ids]:
    def rule(e: Expressions, x: Ids, axis: int, reverse: bool, **_: Any) -> Ids:
        moved = np.moveaxis(np.array(x), axis, 0)
        moved = moved[::-1].copy() if reverse else moved.copy()
        for i in range(1, len(moved)):
            moved[i] = _each(getattr(e, method), moved[i - 1], moved[i])
        return np.moveaxis(moved[::-1] if reverse else moved, 0, axis)

    return rule


def _sort(e: Expressions, operands: list[Ids], dimension: int, num_keys: int) -> list[Ids]:
    moved = [np.moveaxis(x, dimension, -1).copy() for x in operands]
    count = moved[0].shape[-1]
    for place in np.ndindex(*moved[0].shape[:-1]):
        rows = [x[place] for x in moved]
        # Neighbours change places only if strictly out of order: a stable sorting network of `count` rounds.
        for turn in range(count):
            for i in range(turn % 2, count - 1, 2):
                swap = e.false
                for row in rows[num_keys - 1 :: -1]:
                    a, b = int(row[i]), int(row[i + 1])
                    swap = e.or_(e.lt(b, a), e.and_(e.eq(a, b), swap))
                for row in rows:
                    a, b = int(row[i]), int(row[i + 1])
                    if len(rows) == 1:
                        row[i], row[i + 1] = e.minimum(a, b), e.maximum(a, b)
                    else:
                        row[i], row[i + 1] = e.select(swap, b, a), e.select(swap, a, b)
    return [np.moveaxis(x, -1, dimension) for x in moved]


def _places(e: Expressions, start: int, last: int, clip: bool) -> list[tuple[int, int]]:
    """The positions 0..last that `start` may mean, each with the condition that it does."""
    low, high = e.low[start], e.high[start]
    if not clip:
        return [(v, e.eq(start, e.constant(v))) for v in range(max(low, 0), min(high, last) + 1)]
    first, final = min(max(low, 0), last), min(max(high, 0), last)
    found = []
    for v in range(first, final + 1):
        if v == first and v == final:
            here = e.true
        elif v == first:
            here = e.lt(start, e.constant(v + 1))
        elif v == final:
            here = e.lt(e.constant(v - 1), start)
        else:
            here = e.eq(start, e.constant(v))
        found.append((v, here))
    return found


def _window(e: Expressions, x: Ids, starts: Sequence[int], sizes: Sequence[int]) -> Ids:
    """`x[start : start + size]` per dimension, starts clipped."""
    for d, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        places = _places(e, int(start), x.shape[d] - size, True)
        parts = [np.take(x, range(v, v + size), axis=d) for v, _ in places]
        out = parts[-1]
        for (_, here), part in zip(places[-2::-1], parts[-2::-1], strict=True):
            out = _each(lambda yes, no, here=here: e.select(here, yes, no), part, out)
        x = out
    return x


def _checked(e: Expressions, x: Ids, inside: int) -> Ids:
    return x if inside == e.true else _each(lambda v: e.checked(v, inside), x)


def _inside(e: Expressions, shape: Sequence[int], starts: Sequence[int], sizes: Sequence[int]) -> int:
    """Whether windows of these sizes lie within an array."""
    return e.all_(
        e.and_(e.le(e.constant(0), int(s)), e.le(int(s), e.constant(n - k)))
        for s, n, k in zip(starts, shape, sizes, strict=True)
    )


def _dynamic_slice(e: Expressions, x: Ids, *starts: Ids, slice_sizes: Any, **_: Any) -> Ids:
    at = [int(s) for s in starts]
    return _checked(e, _window(e, x, at, slice_sizes), _inside(e, x.shape, at, slice_sizes))


def _write(e: Expressions, x: Ids, update: Ids, starts: Sequence[int], clip: bool, combine: str | None) -> Ids:
    """`x` with `update` written at `starts`; out of range it is moved inside (`clip`) or dropped."""
    out = x.copy()
    options = [_places(e, int(s), n - k, clip) for s, n, k in zip(starts, x.shape, update.shape, strict=True)]
    for choice in itertools.product(*options):
        here = e.all_(condition for _, condition in choice)
        if here == e.false:
            continue
        region = tuple(slice(v, v + k) for (v, _), k in zip(choice, update.shape, strict=True))
        value = update if combine is None else _each(getattr(e, combine), x[region], update)
        out[region] = _each(lambda new, old, here=here: e.select(here, new, old), value, out[region])
    return out


def _dynamic_update_slice(e: Expressions, x: Ids, update: Ids, *starts: Ids, **_: Any) -> Ids:
    at = [int(s) for s in starts]
    return _checked(e, _write(e, x, update, at, True, None), _inside(e, x.shape, at, update.shape))


def _starts(e: Expressions, shape: Any, index: Ids, where: Any, batching: Any, index_batching: Any, at: Any) -> list:
    """Per dimension of the operand, where the window of one row of indices begins."""
    starts = [e.constant(0)] * len(shape)
    for k, d in enumerate(where):
        starts[d] = int(index[k])
    for d, axis in zip(batching, index_batching, strict=True):
        starts[d] = e.constant(at[axis])
    return starts


def filled(mode: Any, fill_value: Any) -> bool:
    """Whether a read has an explicit value for outside. jax's default fillings (True, least int32) do not count."""
    default = fill_value is None or fill_value is True or (isinstance(fill_value, int) and fill_value == -(2**31))
    return mode == jax.lax.GatherScatterMode.FILL_OR_DROP and not default


def _gather(e: Expressions, x: Ids, indices: Ids, dimension_numbers: Any, slice_sizes: Any, mode: Any,
            fill_value: Any = None, **_: Any) -> Ids:  # fmt: skip
    n = dimension_numbers
    batch = indices.shape[:-1]
    gone = (*n.collapsed_slice_dims, *n.operand_batching_dims)
    window = tuple(s for d, s in enumerate(slice_sizes) if d not in gone)
    out = np.zeros((*batch, *window), np.int64)
    for at in np.ndindex(*batch):
        starts = _starts(e, x.shape, indices[at], n.start_index_map, n.operand_batching_dims,
                         n.start_indices_batching_dims, at)  # fmt: skip
        found = np.squeeze(_window(e, x, starts, slice_sizes), gone)
        inside = _inside(e, x.shape, starts, slice_sizes)
        if filled(mode, fill_value) and inside != e.true:
            boolean = bool(x.size) and e.boolean[int(x.flat[0])]
            fill = e.constant(int(fill_value), boolean)
            found = _each(lambda v, inside=inside, fill=fill: e.select(inside, v, fill), found)
        elif mode != jax.lax.GatherScatterMode.CLIP:
            found = _checked(e, found, inside)
        out[at] = found
    target = [d for d in range(out.ndim) if d not in n.offset_dims]
    return np.moveaxis(out, range(out.ndim), [*target[: len(batch)], *n.offset_dims])


def _scatter(combine: str | None) -> Callable[..., Ids]:
    def rule(e: Expressions, x: Ids, indices: Ids, updates: Ids, dimension_numbers: Any, mode: Any, **_: Any) -> Ids:
        n = dimension_numbers
        batch = indices.shape[:-1]
        gone = (*n.inserted_window_dims, *n.operand_batching_dims)
        source = [d for d in range(updates.ndim) if d not in n.update_window_dims]
        values = np.transpose(updates, [*source, *n.update_window_dims])
        out = np.asarray(x)
        for at in np.ndindex(*batch):
            starts = _starts(e, x.shape, indices[at], n.scatter_dims_to_operand_dims, n.operand_batching_dims,
                             n.scatter_indices_batching_dims, at)  # fmt: skip
            update = np.expand_dims(values[at], tuple(sorted(gone)))
            clip = mode != jax.lax.GatherScatterMode.FILL_OR_DROP
            out = _write(e, out, update, starts, clip, combine)
            if mode != jax.lax.GatherScatterMode.CLIP:
                out = _checked(e, out, _inside(e, x.shape, starts, update.shape))
        return out

    return rule


def _dot(e: Expressions, x: Ids, y: Ids, dimension_numbers: Any, **_: Any) -> Ids:
    (xc, yc), (xb, yb) = dimension_numbers
    rest = lambda a, used: [d for d in range(a.ndim) if d not in used]
    xr, yr = rest(x, (*xc, *xb)), rest(y, (*yc, *yb))
    left = np.transpose(x, [*xb, *xr, *xc])
    right = np.transpose(y, [*yb, *yr, *yc])
    batch, k = left.shape[: len(xb)], len(xc)
    rows = left.reshape((*batch, -1, int(np.prod(left.shape[left.ndim - k :], dtype=int))))
    columns = right.reshape((*batch, -1, rows.shape[-1]))
    products = _each(e.mul, rows[..., :, None, :], columns[..., None, :, :])
    summed = _reduce("add", 0)(e, products, (products.ndim - 1,))
    return summed.reshape((*batch, *(x.shape[d] for d in xr), *(y.shape[d] for d in yr)))


def _scan(e: Expressions, params: Any, inputs: list[Ids]) -> list[Ids]:
    consts, carry = params["num_consts"], params["num_carry"]
    fixed, state, streams = inputs[:consts], inputs[consts : consts + carry], inputs[consts + carry :]
    order = range(params["length"])
    collected: list[list[Ids]] = []
    for i in reversed(order) if params["reverse"] else order:
        out = lower(e, params["jaxpr"], [*fixed, *state, *(s[i] for s in streams)])
        state = out[:carry]
        collected.append(out[carry:])
    if params["reverse"]:
        collected.reverse()
    if not collected:
        raise Unknown("a scan over nothing")
    return [*state, *(np.stack(column) for column in zip(*collected, strict=True))]


_RULES: dict[str, Callable[..., Ids]] = {
    "add": _elementwise("add"), "sub": _elementwise("sub"), "mul": _elementwise("mul"),
    "max": _elementwise("maximum"), "min": _elementwise("minimum"), "div": _elementwise("divide"),
    "rem": _elementwise("remainder"), "add_any": _elementwise("add"),
    "neg": lambda e, x, **_: _each(lambda a: e.sub(e.constant(0), a), x),
    "abs": lambda e, x, **_: _each(lambda a: e.maximum(a, e.sub(e.constant(0), a)), x),
    "sign": _sign, "eq": _elementwise("eq"), "ne": _elementwise("xor"), "lt": _elementwise("lt"),
    "gt": _elementwise("lt", swapped=True), "le": _elementwise("le"), "ge": _elementwise("le", swapped=True),
    "and": _logical("and_"), "or": _logical("or_"), "xor": _logical("xor"), "not": _logical("not_"),
    "shift_left": _shift(True), "shift_right_logical": _shift(False), "shift_right_arithmetic": _shift(False),
    "clamp": lambda e, low, x, high, **_: _each(
        lambda a, b, c: e.minimum(e.maximum(b, a), c), *np.broadcast_arrays(low, x, high)),
    "integer_pow": _power, "convert_element_type": _convert, "iota": _iota,
    "select_n": lambda e, which, *cases, **_: _choose(e, which, list(cases)),
    "reduce_sum": _reduce("add", 0), "reduce_prod": _reduce("mul", 1), "reduce_max": _reduce("maximum", None),
    "reduce_min": _reduce("minimum", None), "reduce_and": _reduce("and_", 1), "reduce_or": _reduce("or_", 0),
    "argmax": _best(True), "argmin": _best(False), "cumsum": _cumulative("add"), "cumprod": _cumulative("mul"),
    "cummax": _cumulative("maximum"), "cummin": _cumulative("minimum"), "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice, "gather": _gather, "scatter": _scatter(None),
    "scatter-add": _scatter("add"), "scatter_add": _scatter("add"), "scatter-mul": _scatter("mul"),
    "scatter-max": _scatter("maximum"), "scatter-min": _scatter("minimum"), "dot_general": _dot,
}  # fmt: skip
