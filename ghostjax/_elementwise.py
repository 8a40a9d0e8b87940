"""Whether an optimizer treats every number of a model alike, so that it may act on the flat vector of all of them."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core
from jaxtyping import PyTree


# fmt: off
ALIKE = frozenset((
    "abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil",
    "clamp", "convert_element_type", "copy", "cos", "cosh", "div", "eq", "erf", "erfc", "exp", "exp2", "expm1",
    "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log", "log1p", "logistic", "lt", "max", "min", "mul",
    "ne", "neg", "nextafter", "not", "or", "pow", "real", "rem", "round", "rsqrt", "select_n", "sign", "sin", "sinh",
    "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "xor",
))
# fmt: on
"""Primitives whose result at one place depends on their operands at that place only."""
CALLS = frozenset(("pjit", "jit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "checkpoint"))
SHAPES = frozenset({"shape", "broadcast_dimensions", "sharding"})


def is_elementwise(init: Callable, update: Callable, knobs: PyTree, vector: Any, tree: PyTree) -> bool:
    """Whether an update is one function of each number: the same on the leaves of `tree` as on the flat `vector`.

    `init(knobs, params) -> state`, `update(knobs, gradient, state, params) -> (updates, state)` as those of optax.
    Both are traced and their formulas compared, leaf by leaf; the arguments give shapes only. False wherever a formula
    is not understood (a norm, a random number, a branch), and where the vector is refused. Errors: those of optax where
    the tree is refused too.
    """
    numbers: dict[Any, int] = {}
    whole = _formulas(init, update, knobs, tree, numbers)
    try:
        flat = _formulas(init, update, knobs, vector, numbers)
    except Exception:
        return False
    formulas = {role: formula for (role, _), formula in flat.items()}
    return (
        None not in flat.values()
        and {role for role, _ in whole} == formulas.keys()
        and all(formulas[role] == formula for (role, _), formula in whole.items())
    )


Formulas = dict[tuple[str, int], int | None]


def _formulas(init: Callable, update: Callable, knobs: PyTree, like: PyTree, numbers: dict[Any, int]) -> Formulas:
    """The formula of each leaf that an update returns: its role, which leaf of the model it belongs to, its number.

    Equal formulas have equal numbers; None is a formula over several places or leaves.
    """
    state = jax.eval_shape(init, knobs, like)
    closed, shape = jax.make_jaxpr(update, return_shape=True)(knobs, like, state, like)
    leaves = [(jax.tree_util.keystr(path), leaf.shape) for path, leaf in jax.tree_util.tree_leaves_with_path(like)]

    def places(tree: PyTree, name: str) -> list[tuple[str, int]]:
        """The role of every leaf, and the leaf of the model whose path its own ends with (-1: none)."""
        found = []
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            text = jax.tree_util.keystr(path)
            fits = [i for i, (end, size) in enumerate(leaves) if text.endswith(end) and leaf.shape == size]
            owner = max(fits, key=lambda i: len(leaves[i][0]), default=-1)
            found.append((name + text[: len(text) - len(leaves[owner][0])] if owner >= 0 else name + text, owner))
        return found

    shared = [(f"knob {i}", -1) for i in range(len(jax.tree.leaves(knobs)))]
    given = [*shared, *places(like, "gradient"), *places(state, "state"), *places(like, "params")]
    values = [(frozenset({i} - {-1}), _number(numbers, "given", role)) for role, i in given]
    results = _follow(closed.jaxpr, closed.consts, values, numbers)
    returned = [*places(shape[0], "update"), *places(shape[1], "state")]
    return {
        place: None if formula is None or owners - {place[1]} else formula
        for place, (owners, formula) in zip(returned, results, strict=True)
    }


def _follow(jaxpr: Any, consts: Any, values: list, numbers: dict[Any, int]) -> list[tuple[frozenset, int | None]]:
    known = dict(zip(jaxpr.invars, values, strict=True))
    nobody: frozenset[int] = frozenset()
    for var, const in zip(jaxpr.constvars, consts, strict=True):
        single = getattr(const, "size", 1) == 1
        known[var] = (nobody, _number(numbers, "constant", repr(const)) if single else None)

    def read(atom: Any) -> tuple[frozenset[int], int | None]:
        if isinstance(atom, core.Literal):
            return nobody, _number(numbers, "literal", repr(atom.val))
        return known[atom]

    for eqn in jaxpr.eqns:
        operands = [read(atom) for atom in eqn.invars]
        name, inner = eqn.primitive.name, eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
        owners = nobody.union(*(owner for owner, _ in operands))
        if name in CALLS and inner is not None:
            body, held = (inner.jaxpr, inner.consts) if isinstance(inner, core.ClosedJaxpr) else (inner, ())
            known |= zip(eqn.outvars, _follow(body, held, operands, numbers), strict=True)
            continue
        formulas = tuple(formula for _, formula in operands)
        spread = name in ("broadcast_in_dim", "reshape", "squeeze") and eqn.invars[0].aval.size == 1
        understood = len(owners) < 2 and None not in formulas and (not owners or spread or name in ALIKE)
        if spread:  # one number at all places
            known[eqn.outvars[0]] = (owners, formulas[0])
            continue
        settings = repr(sorted((k, repr(v)) for k, v in eqn.params.items() if k not in SHAPES))
        for i, var in enumerate(eqn.outvars):
            known[var] = (owners, _number(numbers, name, i, settings, formulas) if understood else None)
    return [read(atom) for atom in jaxpr.outvars]


def _number(numbers: dict[Any, int], *formula: Any) -> int:
    return numbers.setdefault(formula, len(numbers))
