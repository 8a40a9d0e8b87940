"""Readers and writers served in the order of their requests."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Actors, each of which may read and write."""

    actors: int = 3


class State(NamedTuple):
    """Who reads, who writes, and the queue: 0 (empty), 1 + actor for a read, 1 + actors + actor for a write."""

    reads: Any
    writes: Any
    queue: Any


WRITER_IGNORES_READERS = 1


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n = bounds.actors

    def request(s: State, entry: Any) -> tuple[Any, State]:
        end = (s.queue > 0).sum()
        return (s.queue != entry).all(), s._replace(queue=s.queue.at[jnp.minimum(end, 2 * n - 1)].set(entry))

    def try_read(s: State, a: Any, bug: Any) -> tuple[Any, State]:
        return request(s, 1 + a)

    def try_write(s: State, a: Any, bug: Any) -> tuple[Any, State]:
        return request(s, 1 + n + a)

    def read_or_write(s: State, bug: Any) -> tuple[Any, State]:
        head = s.queue[0]
        wants_read = head <= n
        actor = jnp.clip(jnp.where(wants_read, head - 1, head - 1 - n), 0, n - 1)
        free = (s.writes == 0).all() & (wants_read | (s.reads == 0).all() | (bug == WRITER_IGNORES_READERS))
        return (head > 0) & free, State(
            reads=s.reads.at[actor].set(jnp.where(wants_read, 1, s.reads[actor])),
            writes=s.writes.at[actor].set(jnp.where(wants_read, s.writes[actor], 1)),
            queue=jnp.concatenate([s.queue[1:], jnp.zeros((1,), s.queue.dtype)]),
        )

    def stop(s: State, a: Any, bug: Any) -> tuple[Any, State]:
        reading = s.reads[a] == 1
        return reading | (s.writes[a] == 1), s._replace(
            reads=s.reads.at[a].set(0), writes=s.writes.at[a].set(jnp.where(reading, s.writes[a], 0))
        )

    each = {"a": n}
    zero = np.zeros(n, np.int32)
    return Spec(
        name="readers_writers",
        statement="Nobody reads while somebody writes, and no two write at once.",
        state=State,
        variables={"reads": Var((n,), 1), "writes": Var((n,), 1), "queue": Var((2 * n,), 2 * n)},
        init=[State(zero, zero, np.zeros(2 * n, np.int32))],
        actions=(
            Action("TryRead", try_read, each),
            Action("TryWrite", try_write, each),
            Action("ReadOrWrite", read_or_write),
            Action("Stop", stop, each),
        ),
        invariants={
            "Exclusive": lambda s: ~((s.reads == 1).any() & (s.writes == 1).any()) & (s.writes.sum() <= 1),
        },
        witnesses={"all read": lambda s: (s.reads == 1).all(), "somebody writes": lambda s: (s.writes == 1).any()},
        leads_to=(
            LeadsTo("ReadRequestIsServed", lambda s: (s.queue == 1).any(), lambda s: s.reads[0] == 1,
                    (Fair("ReadOrWrite"), Fair("Stop", True))),
        ),
        mutants=(Mutant("writer_ignores_readers", WRITER_IGNORES_READERS, "Exclusive", 5),),
    )  # fmt: skip
