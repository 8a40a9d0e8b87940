"""A specification as straight-line NumPy over batches of packed states: nothing is compiled.

Each action is traced once, and then lowered to expressions over the elements of a state, for each of its labels. A
batch of states is stored by element, so that every operation runs over the whole batch in the narrowest type that
holds its values. Guards are evaluated first. Successors are packed for enabled (state, label) pairs only, by replacing
the bits that the label changes.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax.formal._declared import claim_of, successor
from ghostjax.formal._encoding import Encoding
from ghostjax.formal._lower import lower
from ghostjax.formal._plan import Plan
from ghostjax.formal._spec import Spec
from ghostjax.formal._symbolic import Expressions


class Successors(NamedTuple):
    """The successors of one batch: their keys `[W, N]` and `row * labels + label`; per label the number of rows where
    it is enabled; the rows without an enabled label; the first row with a step that is a violation, or -1."""

    keys: np.ndarray
    tag: np.ndarray
    enabled: np.ndarray
    stuck: np.ndarray
    wrong: int


class _Transition(NamedTuple):
    enabled: int
    after: list[int]
    inside: int
    steps: list[int]


class Lowered:
    """All actions and claims of a specification as expressions, once for all its mutants."""

    def __init__(self, spec: Spec, layout: Encoding):
        self.spec, self.layout = spec, layout
        self._e = e = Expressions()
        self._elements: list[int] = []
        for var in spec.variables.values():
            for _ in range(var.size):
                self._elements.append(e.input(len(self._elements), var.low, var.high))
        bugs = [mutant.bug for mutant in spec.mutants]
        self._bug = e.input(-1, min([0, *bugs]), max([1, *bugs]))
        self._shapes = [jax.ShapeDtypeStruct(var.shape, jnp.int32) for var in spec.variables.values()]
        self._highs = [var.high for var in spec.variables.values() for _ in range(var.size)]
        self._lows = [var.low for var in spec.variables.values() for _ in range(var.size)]
        self._steps = [self._trace(claim, 2) for claim in spec.steps.values()]
        self._transitions = [t for action in spec.actions for t in self._action(action)]
        self._machines: dict[Any, Machine] = {}
        self._plans: dict[Any, Plan] = {}

    @property
    def checked(self) -> bool:
        """Whether an index of a transition, or of a requested claim, may be outside its array."""
        return self._e.checks > 0

    def machine(self, bug: int, only: tuple[str, ...] | None) -> "Machine":
        """The transitions of one mutant, with the step invariants `only` (all unless given)."""
        key = (bug, only)
        if key not in self._machines:
            self._machines[key] = Machine(self, bug, only)
        return self._machines[key]

    def predicates(self, functions: Sequence[Callable[[Any], Any]], blind: bool = False) -> Plan:
        """Truth values of states, and `blind` where a predicate reads outside an array."""
        key = (blind, *map(id, functions))
        if key not in self._plans:
            outputs = [self._claim(self._trace(f, 1), self._elements, blind=blind) for f in functions]
            self._plans[key] = Plan(self._e, self.layout, outputs)
        return self._plans[key]

    def canonical(self, function: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[np.ndarray], np.ndarray]:
        """A function of states as a function of keys `[W, N]`."""

        def flat(*fields: Any) -> tuple[Any, ...]:
            after = function(dict(zip(self.spec.variables, fields, strict=True)))
            return tuple(after[name] for name in self.spec.variables)

        after = self._flat(self._call(jax.make_jaxpr(flat)(*self._shapes), self._elements))
        change = _Change(self._elements, after, self._e, self.layout)
        plan = Plan(self._e, self.layout, change.values)
        return lambda keys: change.apply(keys.copy(), plan(keys), None)

    def _claim(self, closed: Any, *states: list[int], blind: bool = False) -> int:
        e, at = self._e, int(np.squeeze(self._call(closed, *states)[0]))
        return e.or_(at, e.doubt([at])) if blind else e.and_(at, e.not_(e.doubt([at])))

    def _trace(self, claim: Callable[..., Any], states: int) -> Any:
        return jax.make_jaxpr(claim_of(self.spec, claim))(*self._shapes * states)

    def _action(self, action: Any) -> list[_Transition]:
        e, spec = self._e, self.spec

        scalar = jax.ShapeDtypeStruct((), jnp.int32)
        args = [*self._shapes, *[scalar] * (len(action.params) + 1)]
        closed = jax.make_jaxpr(lambda *args: successor(spec, action, args))(*args)
        found = []
        for values in np.ndindex(*action.params.values()):
            extra = [np.array(e.constant(int(v))) for v in values] + [np.array(self._bug)]
            enabled, *rest = self._call(closed, self._elements, extra=extra)
            after = self._flat(rest)
            inside = e.true
            for old, new, low, high in zip(self._elements, after, self._lows, self._highs, strict=True):
                if new != old:
                    within = e.and_(e.le(e.constant(low), new), e.le(new, e.constant(high)))
                    inside = e.and_(inside, within)
            # A read or write outside an array is a violation like a value out of bounds. A guard that reads outside
            # counts as enabled, so that the violation is found.
            guard = int(np.squeeze(enabled))
            blind = e.doubt([guard])
            changed = [new for old, new in zip(self._elements, after, strict=True) if new != old]
            inside = e.all_([inside, e.not_(e.doubt(changed)), e.not_(blind)])
            steps = [self._claim(claim, self._elements, after) for claim in self._steps]
            found.append(_Transition(e.or_(guard, blind), after, inside, steps))
        return found

    def _call(self, closed: Any, *states: list[int], extra: Sequence[Any] = ()) -> list[Any]:
        args = []
        for elements in states:
            at = 0
            for var in self.spec.variables.values():
                args.append(np.array(elements[at : at + var.size], np.int64).reshape(var.shape))
                at += var.size
        return lower(self._e, closed, [*args, *extra])

    def _flat(self, arrays: Sequence[Any]) -> list[int]:
        return [int(at) for array in arrays for at in np.ravel(array)]


class _Change:
    """The bits that a transition replaces: by constants, and by values of a plan."""

    def __init__(self, before: list[int], after: list[int], e: Expressions, layout: Encoding):
        width = layout.words // 2
        self._clear, self._set = [0] * width, [0] * width
        self.values: list[int] = []
        self._where: list[tuple[int, int, int]] = []
        for k, (old, new) in enumerate(zip(before, after, strict=True)):
            if old == new:
                continue
            word, low = int(layout.word[k]), int(layout.low[k])
            column, shift = word // 2, int(layout.shift[k]) + 32 * (word % 2)
            self._clear[column] |= int(layout.mask[k]) << shift
            known = e.value(new)
            if known is None:
                self.values.append(new)
                self._where.append((column, shift, low))
            else:
                # A constant out of bounds is reported before its bits are used.
                self._set[column] |= (known - low & int(layout.mask[k])) << shift

    def apply(self, keys: np.ndarray, values: Sequence[Any], rows: np.ndarray | None) -> np.ndarray:
        """`keys` `[W, N]` with the bits replaced, in place; `values` at `rows` (all unless given)."""
        for column, (clear, put) in enumerate(zip(self._clear, self._set, strict=True)):
            if clear:
                keys[column] &= np.uint64(~clear & (2**64 - 1))
            if put:
                keys[column] |= np.uint64(put)
        for value, (column, shift, low) in zip(values, self._where, strict=True):
            here = value if rows is None else value.take(rows)
            if low:
                here = here.astype(np.int64) - low
            keys[column] |= here.astype(np.uint64) << np.uint64(shift)
        return keys


class Machine:
    """The transitions of one mutant, batch by batch."""

    def __init__(self, source: Lowered, bug: int, only: tuple[str, ...] | None):
        spec, layout = source.spec, source.layout
        wanted = [k for k, name in enumerate(spec.steps) if only is None or name in only]
        before = source._elements
        ids = {i for t in source._transitions for i in (t.enabled, *t.after, t.inside, *t.steps)}
        e, at = source._e.rebuild(ids | set(before), {-1: bug})
        elements = [at[i] for i in before]
        self._layout, self._labels = layout, len(source._transitions)
        self._enabled = [at[t.enabled] for t in source._transitions]
        self._changes = [_Change(elements, [at[i] for i in t.after], e, layout) for t in source._transitions]
        self._inside = [at[t.inside] for t in source._transitions]
        self._steps = [[at[s] for s in t.steps] for t in source._transitions]
        self._e = e
        some = wrong = e.false
        outputs: list[int] = []
        self._live: list[tuple[int, int | None, slice]] = []
        for label, (enabled, change) in enumerate(zip(self._enabled, self._changes, strict=True)):
            some = e.or_(some, enabled)
            right = e.all_([self._inside[label], *(self._steps[label][k] for k in wanted)])
            wrong = e.or_(wrong, e.and_(enabled, e.not_(right)))
            if enabled == e.false:
                continue
            start = len(outputs) + (enabled != e.true)
            self._live.append(
                (label, None if enabled == e.true else len(outputs), slice(start, start + len(change.values)))
            )
            outputs += ([] if enabled == e.true else [enabled]) + change.values
        self._plan = Plan(e, layout, [*outputs, some, wrong])
        self._dense: Plan | None = None

    def successors(self, columns: np.ndarray, loops: bool) -> Successors:
        """The successors of states `[W, B]`; self-loops only if `loops`."""
        size = columns.shape[1]
        *values, some, wrong = self._plan(columns)
        counts = np.zeros(self._labels, np.int64)
        bad = np.flatnonzero(np.broadcast_to(wrong, size))
        stuck = np.flatnonzero(~np.broadcast_to(some, size))
        keys, tags = [columns[:, :0]], [np.zeros(0, np.int64)]
        for label, enabled, where in self._live:
            rows = np.arange(size) if enabled is None else np.flatnonzero(values[enabled])
            counts[label] = len(rows)
            before = columns.take(rows, axis=1)
            after = self._changes[label].apply(before.copy(), values[where], rows)
            if not loops:
                moved = np.flatnonzero(after[0] != before[0] if len(before) == 1 else (after != before).any(0))
                after, rows = after.take(moved, axis=1), rows.take(moved)
            rows = rows * self._labels
            rows += label
            keys.append(after)
            tags.append(rows)
        return Successors(
            np.concatenate(keys, axis=1), np.concatenate(tags), counts, stuck, int(bad[0]) if len(bad) else -1
        )

    def dense(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of every (state, label): enabled `[B, A]`, successor's words `[B, A, K]`, bounds, step invariants."""
        size = columns.shape[1]
        if self._dense is None:
            outputs: list[int] = []
            for label, change in enumerate(self._changes):
                outputs += [self._enabled[label], self._inside[label], *self._steps[label], *change.values]
            self._dense = Plan(self._e, self._layout, outputs)
        values = [np.broadcast_to(value, size) for value in self._dense(columns)]
        at, found = 0, ([], [], [], [])
        for label, change in enumerate(self._changes):
            claims, more = len(self._steps[label]), len(change.values)
            found[0].append(values[at])
            keys = change.apply(columns.copy(), values[at + 2 + claims : at + 2 + claims + more], None)
            found[1].append(np.ascontiguousarray(keys.T).view(np.uint32))
            found[2].append(values[at + 1])
            steps = values[at + 2 : at + 2 + claims]
            found[3].append(np.stack(steps, 1) if steps else np.zeros((size, 0), bool))
            at += 2 + claims + more
        return tuple(np.stack(column, 1) for column in found)  # type: ignore[return-value]
