"""A jaxpr evaluated by NumPy: the same program without compiling it.

A small specification is explored in less time than XLA takes to compile it. Its batched step is traced once
(milliseconds) and then evaluated operation by operation on whole batches. Only operations of integer state machines
are known. `evaluate` raises `Unknown` for any other, and the caller compiles instead.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal


class Unknown(Exception):
    """An operation that has no NumPy form here."""


def known(jaxpr: Any) -> bool:
    """Whether every operation of `jaxpr`, nested ones included, can be evaluated."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        inner = _inner(equation)
        if inner is not None:
            if not known(inner.jaxpr):
                return False
        elif name not in RULES:
            return False
    return True


def evaluate(closed: ClosedJaxpr, *args: Any) -> list[Any]:
    """The outputs of `closed` on NumPy arrays of the traced shapes."""
    return _run(closed.jaxpr, closed.consts, args)


def _run(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    values: dict[Any, Any] = {}
    values.update(zip(jaxpr.constvars, (np.asarray(c) for c in consts), strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        if isinstance(atom, Literal):
            return np.asarray(atom.val, getattr(atom.aval, "dtype", None))
        return values[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        inner = _inner(equation)
        if inner is not None:
            outputs = _run(inner.jaxpr, inner.consts, inputs)
        else:
            rule = RULES.get(equation.primitive.name)
            if rule is None:
                raise Unknown(equation.primitive.name)
            outputs = rule(*inputs, **equation.params)
            if not equation.primitive.multiple_results:
                outputs = [outputs]
        values.update(zip(equation.outvars, map(np.asarray, outputs), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _inner(equation: Any) -> ClosedJaxpr | None:
    name = equation.primitive.name
    if name in ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"):
        for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
            if key in equation.params:
                return equation.params[key]
    return None


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *inputs, **_: function(*inputs)


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axes, **_: function(x, axis=tuple(axes))


def _sum(x: np.ndarray, axes: Any, **_: Any) -> Any:
    return x.sum(axis=tuple(axes), dtype=x.dtype)


def _index(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axes, index_dtype, **_: function(x, axis=axes[0]).astype(index_dtype)


def _cumulative(function: Any) -> Callable[..., Any]:
    def rule(x: np.ndarray, axis: int, reverse: bool, **_: Any) -> np.ndarray:
        if reverse:
            return np.flip(function.accumulate(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)
        return function.accumulate(x, axis=axis, dtype=x.dtype)

    return rule


def _divide(x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
    if not np.issubdtype(x.dtype, np.integer):
        return x / y
    safe = np.where(y == 0, 1, y)
    return np.where(y == 0, -1, np.sign(x) * np.sign(safe) * (np.abs(x) // np.abs(safe))).astype(x.dtype)


def _remainder(x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
    safe = np.where(y == 0, 1, y)
    return np.where(y == 0, x, np.fmod(x, safe)).astype(x.dtype)


def _select(which: np.ndarray, *cases: np.ndarray, **_: Any) -> np.ndarray:
    if len(cases) == 2:
        return np.where(which.astype(bool), cases[1], cases[0])
    return np.choose(which, cases)


def _broadcast(x: np.ndarray, shape: Any, broadcast_dimensions: Any, **_: Any) -> np.ndarray:
    kept = [1] * len(shape)
    for source, target in enumerate(broadcast_dimensions):
        kept[target] = np.shape(x)[source]
    return np.broadcast_to(np.reshape(x, kept), shape)


def _iota(dtype: Any, shape: Any, dimension: int, **_: Any) -> np.ndarray:
    line = np.arange(shape[dimension], dtype=dtype)
    return np.broadcast_to(line.reshape([-1 if i == dimension else 1 for i in range(len(shape))]), shape)


def _sort(*operands: np.ndarray, dimension: int, num_keys: int, **_: Any) -> list[np.ndarray]:
    order = np.lexsort([np.moveaxis(k, dimension, -1) for k in operands[num_keys - 1 :: -1]], axis=-1)
    order = np.moveaxis(order, -1, dimension)
    return [np.take_along_axis(operand, order, dimension) for operand in operands]


def _slice(x: np.ndarray, start_indices: Any, limit_indices: Any, strides: Any, **_: Any) -> np.ndarray:
    steps = strides or [1] * len(start_indices)
    return x[tuple(slice(a, b, c) for a, b, c in zip(start_indices, limit_indices, steps, strict=True))]


def _dynamic_slice(x: np.ndarray, *starts: np.ndarray, slice_sizes: Any, **_: Any) -> np.ndarray:
    at = [int(np.clip(s, 0, n - k)) for s, n, k in zip(starts, x.shape, slice_sizes, strict=True)]
    return x[tuple(slice(a, a + k) for a, k in zip(at, slice_sizes, strict=True))]


def _positions(indices: np.ndarray, operand: tuple[int, ...], sizes: Any, collapsed: Any, batching: Any,
               index_batching: Any, index_map: Any) -> tuple[list[np.ndarray], np.ndarray, int]:  # fmt: skip
    """Per operand dimension the positions of the windows' elements, `[batch..., window...]`, and which are inside."""
    batch, windows = indices.shape[:-1], [d for d in range(len(operand)) if d not in collapsed and d not in batching]
    rank = len(batch) + len(windows)
    where: list[np.ndarray] = []
    inside = np.ones(batch + (1,) * len(windows), bool)
    for d in range(len(operand)):
        position = np.zeros((1,) * rank, np.int64)
        if d in index_map:
            start = indices[..., index_map.index(d)].astype(np.int64)
            start = start.reshape(batch + (1,) * len(windows))
            inside = inside & (start >= 0) & (start <= operand[d] - sizes[d])
            position = position + np.clip(start, 0, operand[d] - sizes[d])
        if d in batching:
            axis = index_batching[batching.index(d)]
            position = position + np.arange(batch[axis]).reshape([-1 if a == axis else 1 for a in range(rank)])
        if d in windows:
            axis = len(batch) + windows.index(d)
            position = position + np.arange(sizes[d]).reshape([-1 if a == axis else 1 for a in range(rank)])
        where.append(position)
    return where, inside, len(batch)


def _gather(x: np.ndarray, indices: np.ndarray, dimension_numbers: Any, slice_sizes: Any, mode: Any,
            fill_value: Any = None, **_: Any) -> np.ndarray:  # fmt: skip
    numbers = dimension_numbers
    where, inside, batch = _positions(
        indices, x.shape, slice_sizes, numbers.collapsed_slice_dims, numbers.operand_batching_dims,
        numbers.start_indices_batching_dims, numbers.start_index_map,
    )  # fmt: skip
    shape = np.broadcast_shapes(*(w.shape for w in where), inside.shape)
    result = np.broadcast_to(x[tuple(where)], shape)
    if mode == jax.lax.GatherScatterMode.FILL_OR_DROP:
        if fill_value is None:
            fill_value = np.iinfo(x.dtype).min if np.issubdtype(x.dtype, np.signedinteger) else 0
        result = np.where(inside, result, np.asarray(fill_value, x.dtype))
    target = [d for d in range(result.ndim) if d not in numbers.offset_dims]
    return np.moveaxis(result, range(result.ndim), [*target[:batch], *numbers.offset_dims])


def _scatter(combine: Any) -> Callable[..., Any]:
    def rule(x: np.ndarray, indices: np.ndarray, updates: np.ndarray, dimension_numbers: Any, mode: Any,
             **_: Any) -> np.ndarray:  # fmt: skip
        numbers = dimension_numbers
        windows = [
            d for d in range(x.ndim) if d not in numbers.inserted_window_dims and d not in numbers.operand_batching_dims
        ]
        sizes = [1] * x.ndim
        for d, axis in zip(windows, numbers.update_window_dims, strict=True):
            sizes[d] = updates.shape[axis]
        where, inside, batch = _positions(
            indices, x.shape, sizes, numbers.inserted_window_dims, numbers.operand_batching_dims,
            numbers.scatter_indices_batching_dims, numbers.scatter_dims_to_operand_dims,
        )  # fmt: skip
        source = [d for d in range(updates.ndim) if d not in numbers.update_window_dims]
        values = np.moveaxis(updates, [*source[:batch], *numbers.update_window_dims], range(updates.ndim))
        at = [np.broadcast_to(w, values.shape) for w in where]
        if mode == jax.lax.GatherScatterMode.FILL_OR_DROP:
            keep = np.broadcast_to(inside, values.shape)
            at, values = [w[keep] for w in at], values[keep]
        out = np.array(x)
        if combine is None:
            out[tuple(at)] = values
        else:
            combine.at(out, tuple(at), values)
        return out

    return rule


def _dot(x: np.ndarray, y: np.ndarray, dimension_numbers: Any, **_: Any) -> np.ndarray:
    (xc, yc), (xb, yb) = dimension_numbers
    names = iter(range(64))
    xs, ys = [next(names) for _ in x.shape], [next(names) for _ in y.shape]
    for a, b in [*zip(xc, yc, strict=True), *zip(xb, yb, strict=True)]:
        ys[b] = xs[a]
    rest = [xs[d] for d in range(x.ndim) if d not in xc and d not in xb]
    rest += [ys[d] for d in range(y.ndim) if d not in yc and d not in yb]
    return np.einsum(x, xs, y, ys, [*(xs[d] for d in xb), *rest])


RULES: dict[str, Callable[..., Any]] = {
    **{
        name: _plain(function)
        for name, function in {
            "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum,
            "neg": np.negative, "abs": np.abs, "sign": np.sign, "eq": np.equal, "ne": np.not_equal, "lt": np.less,
            "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "and": np.bitwise_and,
            "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert, "shift_left": np.left_shift,
            "shift_right_logical": np.right_shift, "shift_right_arithmetic": np.right_shift,
            "population_count": np.bitwise_count, "copy": np.asarray, "stop_gradient": np.asarray,
            "add_any": np.add,
        }.items()
    },
    "clamp": _plain(lambda low, x, high: np.clip(x, low, high)),
    "integer_pow": lambda x, y, **_: x**y,
    "div": _divide,
    "rem": _remainder,
    "select_n": _select,
    "convert_element_type": lambda x, new_dtype, **_: np.asarray(x).astype(new_dtype),
    "broadcast_in_dim": _broadcast,
    "reshape": lambda x, new_sizes, **_: np.reshape(x, new_sizes),
    "squeeze": lambda x, dimensions, **_: np.squeeze(x, tuple(dimensions)),
    "expand_dims": lambda x, dimensions, **_: np.expand_dims(x, tuple(dimensions)),
    "transpose": lambda x, permutation, **_: np.transpose(x, permutation),
    "rev": lambda x, dimensions, **_: np.flip(x, tuple(dimensions)),
    "concatenate": lambda *xs, dimension, **_: np.concatenate(xs, dimension),
    "stack": lambda *xs, axis=0, **_: np.stack(xs, axis),
    "split": lambda x, sizes, axis, **_: np.split(x, np.cumsum(sizes)[:-1], axis),
    "iota": _iota,
    "reduce_sum": _sum,
    "reduce_prod": lambda x, axes, **_: x.prod(axis=tuple(axes), dtype=x.dtype),
    "reduce_max": _reduce(np.max),
    "reduce_min": _reduce(np.min),
    "reduce_and": _reduce(np.bitwise_and.reduce),
    "reduce_or": _reduce(np.bitwise_or.reduce),
    "argmax": _index(np.argmax),
    "argmin": _index(np.argmin),
    "cumsum": _cumulative(np.add),
    "cummax": _cumulative(np.maximum),
    "cummin": _cumulative(np.minimum),
    "sort": _sort,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "scatter": _scatter(None),
    "scatter-add": _scatter(np.add),
    "scatter_add": _scatter(np.add),
    "dot_general": _dot,
}  # fmt: skip
