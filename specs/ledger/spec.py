"""The writer of a log that dies, and loses power: entries, their hashes and heads in three files, and who is told."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Batches to append, and how often the writer dies or the power goes."""

    batches: int = 3
    accidents: int = 2


FILES = 3
ENTRIES, LEAVES, HEADS = range(FILES)
TOLD = 2 * FILES
"""The step after the last flush: the batch may be acknowledged."""
DOWN = TOLD + 1
"""No writer has the log open."""


class State(NamedTuple):
    """Batches in each file as a reader finds them (`written`), and as the disk keeps them (`durable`); the next step of
    the writer (even: write file `step / 2`, odd: flush it); batches acknowledged, and in the longest head that anybody
    has seen; accidents so far."""

    written: Any
    durable: Any
    step: Any
    acked: Any
    seen: Any
    accidents: Any


ACKS_UNFLUSHED, HEAD_FIRST, CUTS_MORE, KEEPS_TAIL, OPENS_UNFLUSHED, READS_UNFLUSHED, FLUSHES_NOTHING = range(1, 8)


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    most = bounds.batches

    def write(s: State, f: Any, bug: Any) -> tuple[Any, State]:
        due = (s.step == 2 * f) & (s.written[f] < most)
        early = (bug == HEAD_FIRST) & (s.step == 0) & (f == HEADS) & (s.written[HEADS] < most)
        step = jnp.where(early, s.step, s.step + 1)
        return due | early, s._replace(written=s.written.at[f].add(1), step=step)

    def flush(s: State, f: Any, bug: Any) -> tuple[Any, State]:
        kept = jnp.where(bug == FLUSHES_NOTHING, s.durable[f], s.written[f])
        return s.step == 2 * f + 1, s._replace(durable=s.durable.at[f].set(kept), step=s.step + 1)

    def ack(s: State, bug: Any) -> tuple[Any, State]:
        ready = (s.step == TOLD) | ((bug == ACKS_UNFLUSHED) & (s.step == 2 * HEADS + 1))
        size = s.written[HEADS]
        return ready, s._replace(acked=size, seen=jnp.maximum(s.seen, size), step=jnp.int32(0))

    def settle(s: State, f: Any, bug: Any) -> tuple[Any, State]:
        """The system writes to the disk whenever it likes."""
        return s.written[f] > s.durable[f], s._replace(durable=s.durable.at[f].set(s.written[f]))

    def kill(s: State, bug: Any) -> tuple[Any, State]:
        return (s.step != DOWN) & (s.accidents < bounds.accidents), s._replace(
            step=jnp.int32(DOWN), accidents=s.accidents + 1
        )

    def lose_power(s: State, bug: Any) -> tuple[Any, State]:
        return s.accidents < bounds.accidents, s._replace(
            written=s.durable, step=jnp.int32(DOWN), accidents=s.accidents + 1
        )

    def recover(s: State, bug: Any) -> tuple[Any, State]:
        """A writer opens the log: heads are flushed, and what they do not count is cut, on the disk too."""
        size = jnp.where(bug == CUTS_MORE, jnp.maximum(s.written[HEADS] - 1, 0), s.written[HEADS])
        tail = jnp.arange(FILES) == ENTRIES
        written = jnp.where((bug == KEEPS_TAIL) & tail, s.written, size)
        unflushed = (bug == OPENS_UNFLUSHED) & (jnp.arange(FILES) == HEADS)
        durable = jnp.where(unflushed, jnp.minimum(s.durable, size), written)
        return s.step == DOWN, s._replace(
            written=written, durable=durable, step=jnp.int32(0), seen=jnp.maximum(s.seen, size)
        )

    def look(s: State, bug: Any) -> tuple[Any, State]:
        """A reader opens the log, whoever writes to it, and flushes the heads before it reads them."""
        size = s.written[HEADS]
        kept = jnp.where(bug == READS_UNFLUSHED, s.durable[HEADS], size)
        return size > s.seen, s._replace(durable=s.durable.at[HEADS].set(kept), seen=size)

    def aligned(s: State) -> Any:
        return (s.step != 0) | (s.written == s.written[HEADS]).all()

    zero = np.zeros(FILES, np.int32)
    each = {"f": FILES}
    return Spec(
        name="ledger",
        statement="No acknowledged batch is lost, by a dying writer or a loss of power; no head that anybody has seen "
        "is taken back, and a head counts only what is there.",
        state=State,
        variables={
            "written": Var((FILES,), most), "durable": Var((FILES,), most), "step": Var((), DOWN),
            "acked": Var((), most), "seen": Var((), most), "accidents": Var((), bounds.accidents),
        },
        init=[State(zero, zero, DOWN, 0, 0, 0)],
        actions=(
            Action("Write", write, each),
            Action("Flush", flush, each),
            Action("Ack", ack),
            Action("Settle", settle, each),
            Action("Kill", kill),
            Action("LosePower", lose_power),
            Action("Recover", recover),
            Action("Look", look),
        ),
        invariants={
            "AcknowledgedIsDurable": lambda s: (s.durable >= s.acked).all(),
            "SeenIsDurable": lambda s: s.durable[HEADS] >= s.seen,
            "HeadsCountWhatIsThere": lambda s: (s.written >= s.written[HEADS]).all(),
            "Aligned": aligned,
        },
        steps={"NothingSeenIsCut": lambda s, t: (t.written >= s.seen).all()},
        witnesses={
            "all is acknowledged after every accident": lambda s: (s.acked == most) & (s.accidents == bounds.accidents),
            "a head was seen that nobody acknowledged": lambda s: (s.seen > s.acked) & (s.step == 0),
            "a tail is cut": lambda s: (s.step == DOWN) & (s.written[ENTRIES] > s.written[HEADS]),
        },
        leads_to=(
            LeadsTo("AllIsSeen", lambda s: jnp.asarray(True), lambda s: s.seen == most,
                    (Fair("Write", True), Fair("Flush", True), Fair("Ack"), Fair("Recover"))),
        ),
        mutants=(
            Mutant("acks_unflushed", ACKS_UNFLUSHED, "AcknowledgedIsDurable", 8),
            Mutant("head_first", HEAD_FIRST, "HeadsCountWhatIsThere", 3),
            Mutant("cuts_more", CUTS_MORE, "NothingSeenIsCut", 10),
            Mutant("keeps_tail", KEEPS_TAIL, "Aligned", 5),
            Mutant("opens_unflushed", OPENS_UNFLUSHED, "SeenIsDurable", 9),
            Mutant("reads_unflushed", READS_UNFLUSHED, "SeenIsDurable", 8),
            Mutant("flushes_nothing", FLUSHES_NOTHING, "NothingSeenIsCut", 9),
        ),
    )  # fmt: skip
