"""One member of a family in one compiled program, and the laws that every family shares: jit, vmap, trace."""

import copy
import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Generic, get_origin, Literal, NoReturn, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal as Constant
from jaxtyping import Array, PyTree

from ghostjax._types import ConfigurationError


BATCH = 8
"""Cases of one call. Shorter lists are padded, so that the program does not compile again."""

Case = TypeVar("Case", bound=tuple)


class Harness(Generic[Case]):
    """Runs a member on cases (named tuples of NumPy arrays), counts its traces, and reports violated laws."""

    nan_allowed = False
    """Whether nan equals nan."""

    def __init__(self, member: eqx.Module):
        self.member, self.traces = member, 0
        self._run = eqx.filter_jit(lambda member, cases: jax.lax.map(lambda case: self._play(member, case), cases))

    @abstractmethod
    def play(self, member: Any, case: Case) -> Array:
        """The outputs of all rounds of one case, `[rounds, ...]`; inside of a compiled program."""

    @abstractmethod
    def eager(self, case: Case) -> Array:
        """The output of the first round, operation by operation."""

    @abstractmethod
    def tolerance(self, output: np.ndarray, *cases: Case) -> float:
        """The difference between two outputs that rounding explains."""

    def programs(self, member: Any, case: Case) -> list[ClosedJaxpr]:
        """The programs of the member."""
        return [jax.make_jaxpr(lambda case: self.play(member, case))(case)]

    def _play(self, member: Any, case: Case) -> Array:
        self.traces += 1
        return self.play(member, case)

    def run(self, cases: list[Case], member: Any = None) -> np.ndarray:
        """The outputs of up to eight cases, `[len(cases), rounds, ...]`, in the precision of the messages."""
        assert 0 < len(cases) <= BATCH
        # In NumPy: operations of jax outside of a program are compiled one by one, for each shape.
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *cases, *cases[-1:] * (BATCH - len(cases)))
        with jax.enable_x64(any(leaf.dtype == np.float64 for leaf in stacked)):
            return np.asarray(self._run(self.member if member is None else member, stacked))[: len(cases)]

    def fail(self, law: str, why: str) -> NoReturn:
        raise AssertionError(f"{type(self.member).__name__}: {law}: {why}")

    def same(self, law: str, why: str, seen: Any, expected: Any, *cases: Case) -> None:
        """Fails unless two outputs agree to rounding."""
        seen, expected = np.asarray(seen, np.float64), np.asarray(expected, np.float64)
        tolerance, same_shape = self.tolerance(expected, *cases), seen.shape == expected.shape
        if same_shape and np.allclose(seen, expected, rtol=0, atol=tolerance, equal_nan=self.nan_allowed):
            return
        shown, wanted = (np.array2string(values, precision=6, separator=", ") for values in (seen, expected))
        error = np.abs(seen - expected).max() if same_shape else np.inf
        of: Any = cases[0] if cases else None
        weights = f"; weights {of.w.tolist()}, {of.x.dtype}" if cases else ""
        self.fail(law, f"{why}: {shown} instead of {wanted}, {error:.2g} apart where rounding explains "
                  f"{tolerance:.2g}{weights}")  # fmt: skip


Check = Callable[[Any], None]
"""A law: a function of a harness that fails if the law is violated."""


def chosen(laws: Mapping[str, Any], skip: Collection[str], call: str) -> list[Any]:
    """The laws that are not in `skip`. An unknown name in it is refused."""
    unknown = sorted(set(skip) - laws.keys())
    if unknown:
        raise ConfigurationError(f"{call}: skip={unknown}: the laws are {', '.join(laws)}")
    return [law for name, law in laws.items() if name not in skip]


def jit(harness: Harness, case: Any) -> None:
    """Compiled equals eager."""
    compiled = harness.run([case])[0, 0]
    with jax.enable_x64(case.x.dtype == np.float64):
        eager = harness.eager(jax.tree.map(jnp.asarray, case))
    harness.same("jit", "compiled differs from eager", compiled, eager, case)


def vmap(harness: Harness, cases: list[Any]) -> None:
    """A batch of cases, each with its own knobs, equals one after the other."""
    members = [shifted(harness.member, step) for step in range(len(cases))]
    expected = np.stack([harness.run([c], m)[0] for c, m in zip(cases, members, strict=True)])
    dynamic, static = zip(*(eqx.partition(member, eqx.is_array) for member in members), strict=True)
    knobs, batch = (jax.tree.map(lambda *leaves: np.stack(leaves), *trees) for trees in (dynamic, cases))
    at_once = jax.jit(jax.vmap(lambda k, c: harness.play(eqx.combine(k, static[0]), c)))(knobs, batch)
    harness.same("vmap", "a batch of knobs and cases differs from one after the other", at_once, expected, *cases)


def trace(harness: Harness, case: Any) -> None:
    """Other values of numeric knobs are not traced again, and every static number sets a shape or a loop bound."""
    harness.run([case])
    before = harness.traces
    for step in (1, 2):
        harness.run([case], shifted(harness.member, step))
    if harness.traces != before:
        harness.fail("trace", "other values of its numeric knobs are traced again; declare them with real_field")
    for name, other in _with_other_static_numbers(harness.member):
        before, after = harness.programs(harness.member, case), harness.programs(other, case)
        if _structure(before) == _structure(after) and _numbers(before) != _numbers(after):
            harness.fail("trace", f"{name} is static and sets no shape and no loop bound; declare it with real_field")


def shifted(member: Any, step: int) -> Any:
    """The member with every numeric knob changed by a quarter (a real) or by one (an integer) per step."""

    def change(leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf + step if type(leaf) in (int, float) else leaf
        value = np.asarray(leaf)
        if jnp.issubdtype(value.dtype, jnp.inexact):
            return jnp.asarray(value * value.dtype.type(1 + 0.25 * step))
        return jnp.asarray(value + value.dtype.type(step)) if jnp.issubdtype(value.dtype, jnp.integer) else leaf

    return jax.tree.map(change, member)


def _with_other_static_numbers(member: Any) -> Iterator[tuple[str, Any]]:
    """Every static number of a module and of its parts, with a copy of the module that has another value there."""
    for field in dataclasses.fields(member):
        value = getattr(member, field.name)
        if isinstance(value, eqx.Module):
            inner = _with_other_static_numbers(value)
            yield from ((f"{field.name}.{name}", _replaced(member, field.name, new)) for name, new in inner)
        elif field.metadata.get("static") and type(value) in (int, float) and not _enumerated(field):
            try:
                yield field.name, _replaced(member, field.name, value + 1)
            except ConfigurationError:
                continue  # the only value of its kind


def _enumerated(field: Any) -> bool:
    return get_origin(field.type) is Literal or bool(field.metadata.get("knob", {}).get("choices"))


def _replaced(member: Any, name: str, value: Any) -> Any:
    """A copy with another value in one field, with the checks of a constructor."""
    other = copy.copy(member)
    object.__setattr__(other, name, value)
    for kind in type(other).__mro__:
        if "__check_init__" in vars(kind):
            vars(kind)["__check_init__"](other)
    return other


def _structure(program: Any) -> Any:
    """The structure of a program, without the numbers in it."""
    if isinstance(program, ClosedJaxpr):
        return _structure(program.jaxpr)
    if isinstance(program, Jaxpr):
        return [
            (e.primitive.name, [str(v.aval) for v in e.outvars], [(k, _structure(p)) for k, p in e.params.items()])
            for e in program.eqns
        ]
    if isinstance(program, tuple | list):
        return [_structure(part) for part in program]
    return type(program).__name__ if callable(program) else str(program)


def _numbers(program: Any) -> list[PyTree]:
    """The numbers in a program, in order."""
    if isinstance(program, ClosedJaxpr):
        return [np.asarray(value).tolist() for value in program.consts if eqx.is_array_like(value)] + _numbers(
            program.jaxpr
        )
    if isinstance(program, Jaxpr):
        inside = [[np.asarray(v.val).tolist() for v in e.invars if isinstance(v, Constant)] for e in program.eqns]
        return inside + [_numbers(param) for e in program.eqns for param in e.params.values()]
    return [_numbers(part) for part in program] if isinstance(program, tuple | list) else []
