"""Trace validation: whether a recorded trace is a behaviour of the specification."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ghostjax.formal._declared import initial_states
from ghostjax.formal._encoding import keys, pack_many, unpack_many, words_of
from ghostjax.formal._program import Program
from ghostjax.formal._spec import Spec


class Event(NamedTuple):
    """One recorded step. A missing field, parameter or variable is unobserved.

    `obs` are observables after the step, `round` the round that it belongs to.
    """

    action: str | None = None
    params: Mapping[str, int] = {}
    obs: Mapping[str, Any] = {}
    round: int | None = None

    def __str__(self) -> str:
        params = ", ".join(f"{name}={value}" for name, value in self.params.items())
        obs = ", ".join(f"{name} = {np.asarray(value).tolist()}" for name, value in self.obs.items())
        return f"{self.action or 'some step'}({params})" + (f" with {obs}" if obs else "")


class Validation(NamedTuple):
    """Whether a trace is a behaviour of the specification, and if not, the first event that does not fit.

    `beliefs` is the number of states that fit the consumed events. `event` is the index of the first impossible event,
    `enabled` the labels that were enabled before it, `before` one state that fitted, `nearest` the reachable state
    closest to the observation, and `mismatch` the differences, (observed, nearest) by variable.
    """

    ok: bool
    why: str
    consumed: int
    beliefs: int
    event: int | None = None
    enabled: tuple[str, ...] = ()
    before: dict[str, Any] | None = None
    nearest: dict[str, Any] | None = None
    mismatch: dict[str, tuple[Any, Any]] | None = None

    def __str__(self) -> str:
        if self.ok:
            return f"accepted: {self.consumed} events, {self.beliefs} states fit"
        lines = [f"rejected: {self.why}"]
        if self.before is not None:
            lines.append(f"  before it, in one of {self.beliefs} states: {self.before}")
            lines.append(f"  enabled: {', '.join(self.enabled) or 'nothing'}")
        if self.mismatch is not None:
            lines += [f"  {name}: observed {a}, possible {b}" for name, (a, b) in self.mismatch.items()]
        return "\n".join(lines)


def validate_trace(
    spec: Spec | Program,
    events: Iterable[Event | Mapping[str, Any]],
    project: Callable[[Any], Mapping[str, Any]] | None = None,
    **options: Any,
) -> Validation:
    """`validate_traces` of one trace."""
    return validate_traces(spec, [events], project, **options)[0]


def validate_traces(
    spec: Spec | Program,
    traces: Sequence[Iterable[Event | Mapping[str, Any]]],
    project: Callable[[Any], Mapping[str, Any]] | None = None,
    *,
    silent: Sequence[str] = (),
    end: Callable[[Any], Any] | None = None,
    rounds: int | None = None,
) -> list[Validation]:
    """Whether each trace is a behaviour of `spec`: the set of states that fit is carried from event to event.

    Events may be partial (see `Event`; mappings with its fields are accepted too): every way to fill the gaps is
    followed. `project(state)` gives the observables of a state of NumPy arrays (by default its variables). `silent`
    actions may happen unrecorded between events. A trace must be whole: it fails if it is empty, if its last state
    cannot satisfy `end`, or if its events do not go through the rounds 0 to `rounds - 1` in order. All traces, e.g. the
    seeds of a sweep, advance together in one batch.

    Errors: `ValueError` for a malformed event, which names an unknown action, parameter or variable.
    """
    program = spec if isinstance(spec, Program) else Program(spec, "numpy")
    return _Validator(program, project, tuple(silent), end, rounds).run([[as_event(e) for e in t] for t in traces])


def as_event(event: Event | Mapping[str, Any]) -> Event:
    """An event, given as one or as a mapping."""
    if isinstance(event, Event):
        return event
    unknown = set(event) - set(Event._fields)
    if unknown:
        raise ValueError(f"validate_trace: event {dict(event)}: unknown fields {sorted(unknown)}")
    return Event(**event)


class _Validator:
    def __init__(
        self,
        program: Program,
        project: Callable[[Any], Mapping[str, Any]] | None,
        silent: tuple[str, ...],
        end: Callable[[Any], Any] | None,
        rounds: int | None,
    ):
        self.program, self.project, self.end, self.rounds = program, project, end, rounds
        self.actions = {action.name: action for action in program.spec.actions}
        self._know("silent", silent)
        self.silent = np.array([label.action in silent for label in program.labels])
        self._observed: dict[Any, Mapping[str, Any]] = {}

    def run(self, traces: list[list[Event]]) -> list[Validation]:
        start, inside = pack_many(self.program.layout, initial_states(self.program.spec))
        assert inside.all(), f"{self.program.spec.name}: an initial state is out of bounds"
        for trace in traces:
            for i, event in enumerate(trace):
                self._check(i, event)
        results: list[Validation | None] = [self._whole(trace) for trace in traces]
        beliefs = [np.unique(keys(start)) for _ in traces]
        for i in range(max(map(len, traces), default=0)):
            going = [t for t, trace in enumerate(traces) if results[t] is None and i < len(trace)]
            if not going:
                break
            self._close(beliefs, going)
            for t, (after, failure) in zip(going, self._advance(beliefs, going, traces, i), strict=True):
                results[t], beliefs[t] = failure, after
        return [
            result or self._finish(trace, belief)
            for result, trace, belief in zip(results, traces, beliefs, strict=True)
        ]

    def _whole(self, trace: list[Event]) -> Validation | None:
        """A verdict on traces that are empty or skip rounds."""
        if not trace:
            return Validation(False, "the trace is empty", 0, 0)
        if self.rounds is not None:
            seen = list(dict.fromkeys(event.round for event in trace))
            if seen != list(range(self.rounds)):
                why = f"the trace goes through rounds {seen}, not 0 to {self.rounds - 1}: truncated or out of order"
                return Validation(False, why, 0, 0)
        return None

    def _finish(self, trace: list[Event], belief: np.ndarray) -> Validation:
        if self.end is not None and not any(bool(self.end(s)) for s in self._states(belief)):
            why = "the trace is truncated: it cannot have ended here"
            return Validation(False, why, len(trace), len(belief), None, (), self._plain(belief[:1]))
        return Validation(True, "", len(trace), len(belief))

    def _know(self, where: str, names: Iterable[str]) -> None:
        unknown = [name for name in names if name not in self.actions]
        if unknown:
            raise ValueError(f"validate_trace: {where}: {self.program.spec.name} has no action {', '.join(unknown)}")

    def _check(self, index: int, event: Event) -> None:
        where = f"event {index}"
        if event.action is not None:
            self._know(where, [event.action])
            unknown = set(event.params) - set(self.actions[event.action].params)
            if unknown:
                raise ValueError(f"validate_trace: {where}: {event.action} has no parameter {sorted(unknown)}")
        if self.project is None:
            unknown = set(event.obs) - set(self.program.spec.variables)
            if unknown:
                raise ValueError(f"validate_trace: {where}: no variable {sorted(unknown)}; project(state) can give it")

    def _close(self, beliefs: list[np.ndarray], going: list[int]) -> None:
        """Adds to each belief all states that silent actions can reach."""
        if not self.silent.any():
            return
        growing = list(going)
        while growing:
            reached = self._successors(beliefs, growing, [self.silent] * len(growing))
            still = []
            for t, found in zip(growing, reached, strict=True):
                union = np.union1d(beliefs[t], found)
                if len(union) > len(beliefs[t]):
                    still.append(t)
                beliefs[t] = union
            growing = still

    def _successors(self, beliefs: list[np.ndarray], going: list[int], masks: list[np.ndarray]) -> list[np.ndarray]:
        """The successors by the labels of each mask, from one batch for all traces."""
        union = np.unique(np.concatenate([beliefs[t] for t in going]))
        out = self.program.expand(words_of(union, self.program.layout.words), 0)
        possible = out.enabled & out.inside
        found = []
        for t, mask in zip(going, masks, strict=True):
            rows = np.searchsorted(union, beliefs[t])
            row, label = np.nonzero(possible[rows] & mask[None, :])
            found.append(np.unique(keys(out.words[rows[row], label])))
        return found

    def _advance(
        self, beliefs: list[np.ndarray], going: list[int], traces: list[list[Event]], i: int
    ) -> list[tuple[np.ndarray, Validation | None]]:
        masks = [self._mask(traces[t][i]) for t in going]
        results: list[tuple[np.ndarray, Validation | None]] = []
        for t, found in zip(going, self._successors(beliefs, going, masks), strict=True):
            event = traces[t][i]
            fits = np.array([not self._differences(event, key) for key in found], bool)
            failure = None if fits.any() else self._explain(beliefs[t], event, i, found)
            results.append((found[fits], failure))
        return results

    def _mask(self, event: Event) -> np.ndarray:
        def fits(label: Any) -> bool:
            return event.action in (None, label.action) and all(
                label.params.get(name) == int(value) for name, value in event.params.items()
            )

        return np.array([fits(label) for label in self.program.labels])

    def _states(self, belief: np.ndarray) -> list[Any]:
        fields = unpack_many(self.program.layout, words_of(belief, self.program.layout.words))
        return [
            self.program.spec.state(**{name: np.asarray(values[b]) for name, values in fields.items()})
            for b in range(len(belief))
        ]

    def _seen(self, key: Any) -> Mapping[str, Any]:
        plain = key.item()
        if plain not in self._observed:
            belief = np.array([key])
            state = self._states(belief)[0]
            self._observed[plain] = self._plain(belief) if self.project is None else self.project(state)
        return self._observed[plain]

    def _plain(self, belief: np.ndarray) -> dict[str, Any]:
        fields = unpack_many(self.program.layout, words_of(belief, self.program.layout.words))
        return {name: values[0].tolist() for name, values in fields.items()}

    def _differences(self, event: Event, key: Any) -> dict[str, tuple[Any, Any]]:
        seen = self._seen(key)
        return {
            name: (np.asarray(value).tolist(), np.asarray(seen.get(name)).tolist())
            for name, value in event.obs.items()
            if not np.array_equal(np.asarray(value), np.asarray(seen.get(name)))
        }

    def _explain(self, belief: np.ndarray, event: Event, i: int, found: np.ndarray) -> Validation:
        out = self.program.expand(words_of(belief, self.program.layout.words), 0)
        labels = np.flatnonzero((out.enabled & out.inside).any(0))
        enabled = tuple(str(self.program.labels[a]) for a in labels)
        before = self._plain(belief[:1])
        at = f"event {i}" + ("" if event.round is None else f" (round {event.round})")
        if not len(found):
            return Validation(False, f"{at}: {event} is not enabled", i, len(belief), i, enabled, before)
        differences = [self._differences(event, key) for key in found]
        best = min(range(len(found)), key=lambda k: len(differences[k]))
        nearest = self._plain(found[best : best + 1])
        why = f"{at}: {event} does not lead to the observed state"
        return Validation(False, why, i, len(belief), i, enabled, before, nearest, differences[best])
