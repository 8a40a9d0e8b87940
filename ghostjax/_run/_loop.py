"""The loop over chunks: the device plays a chunk while the host processes the one before."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ghostjax._run._chunk import ChunkSizer
from ghostjax._run._host import Host


class _Chunk(NamedTuple):
    """Rounds `start` to `start + count`, dispatched. The device may still be computing their record."""

    record: Any
    start: int
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]


def play(
    step: Callable[[Any, int, int], tuple[Any, Any]],
    fetch: Callable[[Any, int, int], dict[str, np.ndarray]],
    rounds: int,
    sizer: ChunkSizer,
    state: Any,
    host: Host,
    done: int = 0,
) -> tuple[Any, int]:
    """Plays rounds `done` to `rounds`, until all are played or the host stops. Returns the last state and their number.

    `step(state, start, count)` dispatches a chunk, `fetch(record, start, count)` brings its rows to the host. At most
    one dispatched chunk has rows that are not yet on the host. If the host waits for a round, there is none: the state
    is donated to the next chunk, so it can be saved only before that is dispatched.
    """
    ahead: list[_Chunk] = []
    sizer.begin()

    def collect(leave: int) -> None:
        while len(ahead) > leave:
            chunk = ahead.pop(0)
            host.rows(fetch(chunk.record, chunk.start, chunk.count), chunk.start)
            sizer.lap(chunk.count)

    while done < rounds and not host.stops(done):
        count = sizer.take(min(rounds - done, host.room(done)))
        state, record = step(state, done, count)
        ahead.append(_Chunk(record, done, count))
        done += count
        collect(leave=1)
        if done < rounds and host.waits(done):
            collect(leave=0)
            host.settle(state, done)
            sizer.rest()
    collect(leave=0)
    host.settle(state, done, last=True)
    return state, done
