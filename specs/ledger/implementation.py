"""Recorded file operations of the ledger's own writer, killed and without power at any of them."""

import contextlib
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from operations import Killed, Operations, watched

from ghostjax.formal import Event, Recording
from ghostjax.ledger import _disk, _log, Log


MEMORY = Path("/dev/shm")
"""Where files need no disk."""
BATCHES = 3
ORDER = ("entries-000000000000.log", _disk.LEAVES, _disk.HEADS)
ACCIDENTS = (16, 17, 18, 24, 30, 31, 32, 40, 46, 58)
"""Operations at which the writer dies: in every file of its first batch, between them, and in later ones."""


def events(log, first=0):
    """What file operations mean: writes and flushes of the three files."""
    named = {"write": "Write", "fsync": "Flush"}
    for operation, name in log[first:]:
        if operation in named and name in ORDER:
            yield Event(named[operation], {"f": ORDER.index(name)})


def recorded(at=None, power=False, looks=False):
    """The events of a log of three batches whose writer dies at its operation `at`, and is followed by another one."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    found: list[Event] = []
    durable: dict[Path, int] = {}

    def play(at=None):
        operations = Operations([], at)
        operations.durable = durable
        done = 0
        with watched(operations):
            try:
                log = Log(folder)
                found.append(Event("Recover", {}, {"written": [len(log)] * 3}))
                while len(log) < BATCHES:
                    done = len(operations.log)
                    head = log.append([f"batch {len(log)}".encode()])
                    found.extend(events(operations.log, done))
                    found.append(Event("Ack", {}, {"acked": head.size}))
                log.close()
            except Killed:
                opened = any(event.action == "Recover" for event in found)
                found.extend(events(operations.log, done) if opened else ())
                operations.die()
                if opened or power:
                    found.append(Event("LosePower" if power else "Kill"))
                if power:
                    operations.lose_power(folder)

    try:
        play(at)
        if looks:
            with Log(folder, readonly=True) as log:
                # What is read is on the disk from then on, whoever wrote it.
                if len(log):
                    durable[folder / _disk.HEADS] = (folder / _disk.HEADS).stat().st_size
                if len(log) > max([event.obs["acked"] for event in found if event.action == "Ack"], default=0):
                    found.append(Event("Look", {}, {"seen": len(log)}))
        if found[-1].action != "Ack":
            play()
        return found
    finally:
        shutil.rmtree(folder)


def deaths():
    """Runs without an accident, and with one of each kind at each of the operations."""
    runs = [recorded()]
    for at in ACCIDENTS:
        runs += [recorded(at), recorded(at, power=True), recorded(at, looks=True)]
    return runs


def careless():
    """A recording of a writer that flushes nothing."""
    with mock.patch.object(_log, "append", lambda path, content, flush: _log_append(path, content)):
        return recorded()


def hasty():
    """A recording of a writer that writes the head before the batch that it counts."""
    kept: list = []

    def late(path, content, flush):
        kept.append((path, content))
        if path.name == _disk.HEADS:
            for one in reversed(kept):
                _log_append(*one, True)
            kept.clear()

    with mock.patch.object(_log, "append", late):
        return recorded()


def forgetful():
    """A recording of a writer that cuts what is acknowledged when it opens the log."""
    read = _disk.read_heads

    def fewer(folder, origin):
        heads, _ = read(folder, origin)
        width = _disk.HEAD.size + _disk.CHECK.size
        return heads[:-1], width * (len(heads) - 1)

    with mock.patch.object(_disk, "read_heads", fewer), contextlib.suppress(Killed):
        return recorded(ACCIDENTS[-1])


def _log_append(path, content, flush=False):
    from ghostjax._files import append

    append(path, content, flush)


def traces() -> dict[str, Recording]:
    """File operations of real writers; those that flush nothing, write the head first, or cut too much must fail."""
    return {
        "file operations": Recording(
            record=deaths,
            mutants={"careless": careless, "hasty": hasty, "forgetful": forgetful},
            end=lambda s: (s.seen == BATCHES) & (s.step == 0),
        )
    }
