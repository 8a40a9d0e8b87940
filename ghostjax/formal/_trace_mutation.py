"""Mutated traces: a sound validation must refuse them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ghostjax.formal._validate import as_event, Event


Trace = Sequence[Event]


def mutated_traces(trace: Sequence[Event | Mapping[str, Any]]) -> dict[str, list[Trace]]:
    """Mutants of one whole trace, by kind.

    "empty": no event; "truncated": the last event, or the second half, is missing; "event missing": another event is
    missing; `name`: one observation or parameter of that name is off by one. A mutant may by chance be another valid
    behaviour. If all of one kind are, the validation ignores the part that they change.
    """
    events = [as_event(event) for event in trace]
    found: dict[str, list[Trace]] = {"empty": [[]], "truncated": [events[:-1], events[: len(events) // 2]]}
    missing: list[Trace] = [events[:i] + events[i + 1 :] for i in range(len(events) - 1)]
    if missing:
        found["event missing"] = missing
    for i, event in enumerate(events):
        for field, values in (("params", event.params), ("obs", event.obs)):
            for name, value in values.items():
                changed = event._replace(**{field: {**values, name: _other(value)}})
                kind = f"{name} changed" if field == "obs" else f"{event.action}'s {name} changed"
                found.setdefault(kind, []).append([*events[:i], changed, *events[i + 1 :]])
    return found


def _other(value: Any) -> Any:
    """The value with its first number one off."""
    changed = np.array(value)
    changed = changed.astype(np.int64) if changed.dtype == bool else changed
    first = changed.reshape(-1)[:1]
    first += np.where(first > 0, -1, 1).astype(changed.dtype)
    return changed if changed.ndim else changed.item()
