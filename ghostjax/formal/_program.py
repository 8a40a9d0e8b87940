"""The batched step of a specification as one traced program, run by NumPy or compiled by XLA."""

import copy
import threading
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax.formal import _numpy
from ghostjax.formal._declared import claim_of, refuse_misdeclared, successor
from ghostjax.formal._encoding import columns_of, Encoding, encoding, pack, unpack, words_of_columns
from ghostjax.formal._guarded import doubted, guarded, Value
from ghostjax.formal._lowered import Lowered, Machine, Successors
from ghostjax.formal._spec import labels, Spec
from ghostjax.formal._symbolic import Unknown


class Expanded(NamedTuple):
    """All labels applied to a batch of B states: enabled `[B, A]`, successors' words `[B, A, K]`, whether they are
    within bounds `[B, A]`, and the step invariants `[B, A, q]`."""

    enabled: np.ndarray
    words: np.ndarray
    inside: np.ndarray
    steps: np.ndarray


class Inspected(NamedTuple):
    """Predicates of a batch of B states: invariants `[B, m]`, the constraint `[B]`, witnesses `[B, v]`."""

    invariants: np.ndarray
    constraint: np.ndarray
    witnesses: np.ndarray


class Program:
    """The traced functions of one specification, once for all its mutants.

    `engine` "numpy" lowers the traced transitions to expressions over elements and runs them by NumPy; nothing is
    compiled. "xla" compiles them for batches of states and parameters. "auto" is "numpy" if that has a form for every
    operation, otherwise "xla". All give the same integers (`benchmarks/model_checking.py` measures them).
    """

    SIZES = {"lowered": (32768,), "numpy": (32, 512, 4096), "xla": (256, 8192)}

    def __init__(self, spec: Spec, engine: Literal["auto", "numpy", "xla"] = "auto"):
        refuse_misdeclared(spec)
        self.spec = spec
        self.layout: Encoding = encoding(spec.variables)
        self.labels = labels(spec)
        self.engine: Literal["numpy", "xla"] = "xla" if engine == "xla" else "numpy"
        self._programs: dict[tuple[str, int], Callable[..., Any]] = {}
        self._lock = threading.RLock()
        self._canonical: Callable[[np.ndarray], np.ndarray] | None = None
        self.lowered: Lowered | None = None
        if self.engine == "numpy":
            try:
                self.lowered = Lowered(spec, self.layout)
            except Unknown as why:
                self.why = str(why)
                self.engine = "numpy" if engine == "numpy" else "xla"

    @property
    def batch(self) -> int:
        """The largest number of states that one call takes at once."""
        return self.SIZES["lowered" if self.lowered else self.engine][-1]

    @cached_property
    def unreduced(self) -> "Program":
        """The same without symmetry."""
        return Program(self.spec._replace(symmetry=(), leads_to=()), self.engine)

    @cached_property
    def free(self) -> "Program":
        """The same without symmetry, by NumPy if that has a form, so that nothing is compiled for it."""
        if self.lowered is None:
            return Program(self.spec._replace(symmetry=(), leads_to=()))
        free = copy.copy(self)
        free.spec, free._canonical = self.spec._replace(symmetry=()), None
        return free

    def expand(self, words: np.ndarray, bug: int) -> Expanded:
        """All labels applied to states `[B, K]`."""
        return self.expand_columns(columns_of(words), bug)

    def expand_columns(self, columns: np.ndarray, bug: int) -> Expanded:
        """All labels applied to states `[W, B]`."""
        if self.lowered is None:
            return Expanded(*self._run("expand", _expand, words_of_columns(columns), bug))
        out = Expanded(*self._machine(bug, None).dense(columns))
        if not self.spec.symmetry:
            return out
        flat = self.canonical(out.words.reshape(-1, self.layout.words))
        return out._replace(words=flat.reshape(out.words.shape))

    def successors(
        self, columns: np.ndarray, bug: int, only: tuple[str, ...] | None = None, loops: bool = True
    ) -> Successors:
        """The successors of states `[W, B]`, canonical or not; without `loops`, no self-loops."""
        if self.lowered is not None:
            return self._machine(bug, only).successors(columns, loops)
        out = self.expand_columns(columns, bug)
        row, label = np.nonzero(out.enabled)
        on = np.array([only is None or name in only for name in self.spec.steps], bool)
        right = out.inside & (out.steps | ~on[None, None, :]).all(2)
        wrong = (out.enabled & ~right).any(1)
        return Successors(
            columns_of(out.words[row, label]), row * len(self.labels) + label, out.enabled.sum(0),
            np.flatnonzero(~out.enabled.any(1)), int(np.argmax(wrong)) if wrong.any() else -1,
        )  # fmt: skip

    def inspect(self, words: np.ndarray, bug: int) -> Inspected:
        """All predicates of states `[B, K]`."""
        return self.inspect_columns(columns_of(words), bug)

    def inspect_columns(self, columns: np.ndarray, bug: int) -> Inspected:
        """All predicates of states `[W, B]`."""
        if self.lowered is None:
            return Inspected(*self._run("inspect", _inspect, words_of_columns(columns), bug))
        spec, size = self.spec, columns.shape[1]
        values = self._values([*spec.invariants.values(), *spec.witnesses.values()], columns)
        first, last = len(spec.invariants), len(spec.invariants) + len(spec.witnesses)
        within = np.ones(size, bool)
        if spec.constraint is not None:
            # A state whose constraint reads outside an array is explored: leaving it out would hide its successors.
            within = self._values([spec.constraint], columns, True)[0]
        return Inspected(_table(values[:first], size), within, _table(values[first:last], size))

    def canonical(self, words: np.ndarray) -> np.ndarray:
        """The representatives of states under the specification's symmetries."""
        return words_of_columns(self.canonical_columns(columns_of(words)))

    def canonical_columns(self, columns: np.ndarray) -> np.ndarray:
        """The representatives of states `[W, B]`."""
        if not self.spec.symmetry:
            return columns
        if self.lowered is None:
            return columns_of(self._run("canonical", _canonical_words, words_of_columns(columns), 0)[0])
        with self._lock:
            if self._canonical is None:
                self._canonical = self.lowered.canonical(partial(_canonical, self.spec))
        return self._canonical(columns)

    def predicates(
        self, functions: Sequence[Callable[[Any], Any]], words: np.ndarray, blind: bool = False
    ) -> np.ndarray:
        """Further predicates `[B, len(functions)]` of states, e.g. the two sides of a leads-to.

        The truth value of one that reads outside an array is `blind`.
        """
        if self.lowered is not None:
            return _table(self._values(functions, columns_of(words), blind), len(words))
        name = f"predicates:{blind}:" + ",".join(str(id(f)) for f in functions)
        return self._run(name, partial(_predicates, functions=tuple(functions), blind=blind), words, 0)[0]

    def _machine(self, bug: int, only: tuple[str, ...] | None) -> Machine:
        assert self.lowered is not None
        with self._lock:
            return self.lowered.machine(bug, only)

    def _values(
        self, functions: Sequence[Callable[[Any], Any]], columns: np.ndarray, blind: bool = False
    ) -> list[np.ndarray]:
        assert self.lowered is not None
        with self._lock:
            plan = self.lowered.predicates(functions, blind)
        return [np.broadcast_to(value, columns.shape[1]) for value in plan(columns)]

    def _run(self, name: str, step: Callable[..., Any], words: np.ndarray, bug: int) -> list[np.ndarray]:
        # A batch is padded to one of few sizes by repeating its first row, since every new shape is traced again.
        count = len(words)
        sizes = self.SIZES[self.engine]
        size = next((s for s in sizes if s >= count), sizes[-1])
        if count > size:
            parts = [self._run(name, step, words[i : i + size], bug) for i in range(0, count, size)]
            return [np.concatenate(part) for part in zip(*parts, strict=True)]
        which = (f"{self.engine}:{name}", size)
        with self._lock:
            if which not in self._programs:
                self._programs[which] = self._make(step, size)
        padded = np.concatenate([words, np.broadcast_to(words[:1], (size - count, words.shape[1]))])
        outputs = self._programs[which](padded, np.int32(bug))
        return [np.asarray(out)[:count] for out in outputs]

    def _make(self, step: Callable[..., Any], size: int) -> Callable[..., Any]:
        one = partial(step, self.spec, self.layout)
        batched = jax.vmap(one, (0, None))
        if self.engine == "xla":
            return jax.jit(batched)
        shape = jax.ShapeDtypeStruct((size, self.layout.words), jnp.uint32)
        closed = jax.make_jaxpr(batched)(shape, jax.ShapeDtypeStruct((), jnp.int32))
        if not _numpy.known(closed.jaxpr):
            return jax.jit(batched)
        return partial(_numpy.evaluate, closed)


def _table(values: Sequence[np.ndarray], size: int) -> np.ndarray:
    return np.stack(values, 1) if values else np.zeros((size, 0), bool)


def _expand(spec: Spec, layout: Encoding, words: Any, bug: Any) -> tuple[Any, ...]:
    before = _values(spec, unpack(layout, words))
    bugs = [0, 1, *(mutant.bug for mutant in spec.mutants)]
    parts: list[tuple[Any, ...]] = []
    for action in spec.actions:

        def one(*params: Any, action: Any = action) -> tuple[Any, ...]:
            count = len(spec.variables)

            more = [Value(p, None, 0, c - 1, False) for p, c in zip(params, action.params.values(), strict=True)]
            step = lambda *args: successor(spec, action, args)
            guard, *after = _watched(step, [*before, *more, Value(bug, None, min(bugs), max(bugs))])
            # A read or write outside an array is a violation like a value out of bounds. A guard that reads outside
            # counts as enabled, so that the violation is found.
            blind = doubted(guard)
            claims = list(spec.steps.values())
            steps = [_holds(spec, claim, before, [_bounded(spec, after, k) for k in range(count)]) for claim in claims]
            fields = dict(zip(spec.variables, (x.value for x in after), strict=True))
            packed, inside = pack(layout, _canonical(spec, fields))
            for wrong in (blind, *map(doubted, after)):
                inside = inside if wrong is False else inside & ~wrong
            enabled = guard.value if blind is False else guard.value | blind
            return enabled, packed, inside, jnp.stack(steps) if steps else jnp.zeros((0,), bool)

        if action.params:
            grid = np.indices(tuple(action.params.values())).reshape(len(action.params), -1).astype(np.int32)
            parts.append(jax.vmap(one)(*(jnp.asarray(row) for row in grid)))
        else:
            parts.append(tuple(out[None] for out in one()))
    return tuple(jnp.concatenate(column) for column in zip(*parts, strict=True))


def _inspect(spec: Spec, layout: Encoding, words: Any, bug: Any) -> tuple[Any, ...]:
    del bug
    state = _values(spec, unpack(layout, words))
    constraint = jnp.asarray(True) if spec.constraint is None else _holds(spec, spec.constraint, state, blind=True)
    return _all(spec, spec.invariants.values(), state), constraint, _all(spec, spec.witnesses.values(), state)


def _predicates(spec: Spec, layout: Encoding, words: Any, bug: Any, functions: tuple, blind: bool) -> tuple[Any]:
    del bug
    return (_all(spec, functions, _values(spec, unpack(layout, words)), blind),)


def _values(spec: Spec, fields: dict[str, Any]) -> list[Value]:
    """The variables of a state, each within its bounds."""
    return [Value(fields[name], None, var.low, var.high) for name, var in spec.variables.items()]


def _bounded(spec: Spec, after: list[Value], k: int) -> Value:
    var = list(spec.variables.values())[k]
    return Value(after[k].value, None, var.low, var.high)


def _watched(function: Callable[..., Any], args: Sequence[Value]) -> list[Value]:
    """The outputs of a function of int32 arrays, with the masks of their invalid elements."""
    shapes = [jax.ShapeDtypeStruct(jnp.shape(x.value), jnp.int32) for x in args]
    return guarded(jax.make_jaxpr(function)(*shapes), args)


def _holds(spec: Spec, claim: Callable[..., Any], *states: list[Value], blind: bool = False) -> Any:
    """The truth of a claim, and `blind` where it reads outside an array."""
    (value,) = _watched(claim_of(spec, claim), [field for state in states for field in state])
    doubt = doubted(value)
    return value.value if doubt is False else value.value | doubt if blind else value.value & ~doubt


def _canonical_words(spec: Spec, layout: Encoding, words: Any, bug: Any) -> tuple[Any]:
    del bug
    return (pack(layout, _canonical(spec, unpack(layout, words)))[0],)


def _all(spec: Spec, functions: Any, state: list[Value], blind: bool = False) -> Any:
    values = [_holds(spec, function, state, blind=blind) for function in functions]
    return jnp.stack(values) if values else jnp.zeros((0,), bool)


def _canonical(spec: Spec, fields: dict[str, Any]) -> dict[str, Any]:
    """The representative of a state under its symmetries: interchangeable identities, sorted by all their elements."""
    for symmetry in spec.symmetry:
        chosen = slice(symmetry.first, symmetry.first + symmetry.count)
        rows = []
        for name, axis in symmetry.axes.items():
            moved = jnp.moveaxis(fields[name], axis, 0)[chosen]
            rows.append(moved.reshape(symmetry.count, -1))
        table = jnp.concatenate(rows, axis=1)
        order = jnp.lexsort(tuple(table[:, c] for c in range(table.shape[1] - 1, -1, -1)))
        for name, axis in symmetry.axes.items():
            moved = jnp.moveaxis(fields[name], axis, 0)
            moved = jnp.concatenate(
                [moved[: symmetry.first], moved[chosen][order], moved[symmetry.first + symmetry.count :]]
            )
            fields = {**fields, name: jnp.moveaxis(moved, 0, axis)}
    return fields
