"""The batched step of a specification as one traced program, run by NumPy or compiled by XLA."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax.formal import _numpy
from ghostjax.formal._encoding import Encoding, encoding, pack, unpack
from ghostjax.formal._spec import labels, Spec


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
    """Everything about one specification that is traced, once for all its mutants.

    `engine` "numpy" evaluates the traced program operation by operation (nothing is compiled), "xla" compiles it,
    "auto" starts with the former and goes over to the latter once `SWITCH` rows have been run, where compiling
    begins to pay (see `benchmarks/model_checking.py`). All give the same integers.
    """

    SWITCH = 150_000
    SIZES = {"numpy": (32, 512, 4096), "xla": (256, 8192)}

    def __init__(self, spec: Spec, engine: Literal["auto", "numpy", "xla"] = "auto"):
        self.spec = spec
        self.layout: Encoding = encoding(spec.variables)
        self.labels = labels(spec)
        self.engine: Literal["numpy", "xla"] = "xla" if engine == "xla" else "numpy"
        self._auto = engine == "auto"
        self._rows = 0
        self._programs: dict[tuple[str, int], Callable[..., Any]] = {}

    @property
    def batch(self) -> int:
        """The largest number of states that one call takes at once."""
        return self.SIZES[self.engine][-1]

    def expand(self, words: np.ndarray, bug: int) -> Expanded:
        """All labels applied to states `[B, K]`."""
        return Expanded(*self._run("expand", _expand, words, bug))

    def inspect(self, words: np.ndarray, bug: int) -> Inspected:
        """All predicates of states `[B, K]`."""
        return Inspected(*self._run("inspect", _inspect, words, bug))

    def canonical(self, words: np.ndarray) -> np.ndarray:
        """The representatives of states under the specification's symmetries."""
        return self._run("canonical", _canonical_words, words, 0)[0]

    def predicates(self, functions: Sequence[Callable[[Any], Any]], words: np.ndarray) -> np.ndarray:
        """Further predicates `[B, len(functions)]` of states, e.g. the two sides of a leads-to."""
        name = "predicates:" + ",".join(str(id(f)) for f in functions)
        return self._run(name, partial(_predicates, functions=tuple(functions)), words, 0)[0]

    def _run(self, name: str, step: Callable[..., Any], words: np.ndarray, bug: int) -> list[np.ndarray]:
        # A batch is padded to one of few sizes by repeating its first row: every further shape is a further trace.
        count = len(words)
        sizes = self.SIZES[self.engine]
        size = next((s for s in sizes if s >= count), sizes[-1])
        if count > size:
            parts = [self._run(name, step, words[i : i + size], bug) for i in range(0, count, size)]
            return [np.concatenate(part) for part in zip(*parts, strict=True)]
        self._rows += count
        if self._auto and self._rows > self.SWITCH:
            self.engine = "xla"
        which = (f"{self.engine}:{name}", size)
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


def _state(spec: Spec, fields: dict[str, Any]) -> Any:
    return spec.state(**fields)


def _fields(spec: Spec, state: Any) -> dict[str, Any]:
    return {name: jnp.asarray(getattr(state, name), jnp.int32) for name in spec.variables}


def _expand(spec: Spec, layout: Encoding, words: Any, bug: Any) -> tuple[Any, ...]:
    state = _state(spec, unpack(layout, words))
    parts: list[tuple[Any, ...]] = []
    for action in spec.actions:

        def one(*params: Any, action: Any = action) -> tuple[Any, ...]:
            enabled, after = action.fn(state, *params, bug)
            after = _state(spec, _fields(spec, after))
            steps = [jnp.asarray(claim(state, after), bool) for claim in spec.steps.values()]
            packed, inside = pack(layout, _canonical(spec, _fields(spec, after)))
            return jnp.asarray(enabled, bool), packed, inside, jnp.stack(steps) if steps else jnp.zeros((0,), bool)

        if action.params:
            grid = np.indices(tuple(action.params.values())).reshape(len(action.params), -1).astype(np.int32)
            parts.append(jax.vmap(one)(*(jnp.asarray(row) for row in grid)))
        else:
            parts.append(tuple(out[None] for out in one()))
    return tuple(jnp.concatenate(column) for column in zip(*parts, strict=True))


def _inspect(spec: Spec, layout: Encoding, words: Any, bug: Any) -> tuple[Any, ...]:
    del bug
    state = _state(spec, unpack(layout, words))
    constraint = jnp.asarray(True) if spec.constraint is None else jnp.asarray(spec.constraint(state), bool)
    return _all(spec.invariants.values(), state), constraint, _all(spec.witnesses.values(), state)


def _predicates(spec: Spec, layout: Encoding, words: Any, bug: Any, functions: tuple) -> tuple[Any]:
    del bug
    return (_all(functions, _state(spec, unpack(layout, words))),)


def _canonical_words(spec: Spec, layout: Encoding, words: Any, bug: Any) -> tuple[Any]:
    del bug
    return (pack(layout, _canonical(spec, unpack(layout, words)))[0],)


def _all(functions: Any, state: Any) -> Any:
    values = [jnp.asarray(function(state), bool) for function in functions]
    return jnp.stack(values) if values else jnp.zeros((0,), bool)


def _canonical(spec: Spec, fields: dict[str, Any]) -> dict[str, Any]:
    """The representative of a state under its symmetries: interchangeable identities sorted by all they carry."""
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
