"""Plays an incident."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ghostjax._border import member, shown, whole
from ghostjax._random import root_key, stream
from ghostjax._types import require
from ghostjax.governance import Outcome as Ending
from ghostjax.incident._incident import Incident
from ghostjax.incident._outcome import Outcome
from ghostjax.incident._program import first_states, Keys, rounds


def play(incident: Incident, keys: Any = 0, *, attacked: bool = True) -> Any:
    """Plays the incident from a key or seed, or from each of a list of them: an `Outcome`, or a list of outcomes.

    All of `keys` run in one compiled program. With `attacked=False` nobody is Byzantine: the same data, batches and
    noise without the adversary.

    ```python
    >>> import ghostjax as gj
    >>> incident = gj.incident.ghost(rounds=12, t0=6, burn_in=(1, 4))
    >>> outcome = gj.incident.play(incident, 0)
    >>> outcome.loss.shape, outcome.result
    ((12,), 'no_alarm')

    ```
    """
    member(incident, Incident, "play", "incident")
    several = isinstance(keys, list | tuple | range) or (isinstance(keys, jax.Array) and keys.ndim == 1)
    roots = stacked(keys if several else [keys], "play")
    held = np.broadcast_to(incident.owned & attacked, (len(roots), incident.num_nodes))
    record = played(incident, roots, held, weights_for(incident, roots))
    found = [
        outcome_of(incident, roots[i].key, attacked, {name: column[i] for name, column in record.items()})
        for i in range(len(roots))
    ]
    return found if several else found[0]


def played(incident: Incident, keys: Keys, held: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The record of whole runs, `[m, rounds, ...]`."""
    counts = np.full(len(weights), incident.rounds, np.int32)
    states = first_states(incident.attacked, keys)
    return rounds(incident.attacked, keys, states, held, weights, counts)[1]


def weights_for(incident: Incident, keys: Keys) -> np.ndarray:
    """Who takes part in the runs of `keys`, `[m, rounds, n]`."""
    return np.stack([incident.weights(keys[i].key) for i in range(len(keys))])


def stacked(keys: Sequence[Any] | Any, call: str) -> Keys:
    """Root keys as one array `[m]`."""
    roots = [root_key(key, call, "keys") for key in keys]
    require(len(roots) > 0, call, "keys", shown(keys), "give a seed, or a list of them")
    return Keys.of(roots)


def drawn(key: Any, name: str, count: int, call: str) -> list[Any]:
    """`count` root keys of the stream `name`."""
    root = root_key(key, call)
    return [stream(root, name, i) for i in range(whole(count, call, "count", low=1))]


def outcome_of(incident: Incident, key: Any, attacked: bool, record: dict[str, np.ndarray]) -> Outcome:
    """What the record of a run says: when which watch alarmed, since when, and when a verdict is executed."""
    alarms, since = {}, {}
    for name in incident.watches:
        alarm, evidence = (_flat(record[f"{what}_{name}"]) for what in ("alarm", "evidence"))
        first = int(alarm.any(1).argmax()) if alarm.any() else -1
        at = first if first >= 0 else int(evidence.max(1).argmax())
        alarms[name] = first
        since[name] = int(_flat(record[f"since_{name}"])[at, evidence[at].argmax()])
    executed, result = _decided(incident, record, alarms[incident.alarm])
    return Outcome(incident, key, attacked, record, alarms, since, executed, result)


def _decided(incident: Incident, record: dict[str, np.ndarray], alarm: int) -> tuple[int, str]:
    """The round in which the first verdict is executed, -1 for none, and how the matter ended."""
    if alarm < 0:
        return -1, "no_alarm"
    if incident.governance is None:
        executed = alarm + incident.delay
        return (executed, "executed") if executed < incident.rounds else (-1, "never_decided")
    dates, codes = record["executed"], record["outcome"]
    executes = np.flatnonzero(dates >= 0)
    ends = executes if executes.size else np.flatnonzero(codes > 1)
    result = Ending(int(codes[ends[0]])).name if ends.size else Ending.never_decided.name
    return (int(dates[executes[0]]) if executes.size else -1), result


def _flat(column: np.ndarray) -> np.ndarray:
    return column.reshape(len(column), -1)
