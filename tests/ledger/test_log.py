"""A log in a folder: what was acknowledged is there whatever happened, and what was changed is named."""

import os
import shutil
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import ghostjax as gj
from ghostjax.ledger import _disk, Head, includes, leaf_hash, Log, split_view, Tree
from ghostjax.ledger._keys import can_sign

from ..run.crash_points import dying_at


BATCHES = [[b"one", b"two"], [b"three"], [b"", b"five" * 50, b"six"]]
ENTRIES = [entry for batch in BATCHES for entry in batch]
signing = pytest.mark.skipif(not can_sign(), reason="needs cryptography")


def written(folder, **kwargs):
    """A closed log of all batches."""
    with Log(folder, **kwargs) as log:
        for batch in BATCHES:
            log.append(batch)
    return folder


def refusal(call):
    """The one line with which `call` is refused."""
    with pytest.raises(gj.ConfigurationError) as told:
        call()
    assert "\n" not in str(told.value)
    return str(told.value)


def test_entries_heads_and_proofs(tmp_path):
    with Log(tmp_path) as log:
        assert len(log) == 0 and log.head.root == Tree().root()
        heads = [log.append(batch) for batch in BATCHES]
        assert log.append([]) == heads[-1] == log.head
    assert [head.size for head in heads] == [2, 3, 6]
    with Log(tmp_path) as log:  # as it was closed
        assert log.head == heads[-1] and list(log.entries()) == ENTRIES and log[4] == ENTRIES[4]
        assert list(log.entries(2, 4)) == ENTRIES[2:4]
        assert log.head_at(3) == heads[1]
        for i, entry in enumerate(ENTRIES):
            assert includes(leaf_hash(entry), i, 6, log.inclusion(i), log.head.root)
        assert [split_view(head, log.head, log.consistency(head.size)) for head in heads] == [None] * 3
    with pytest.raises(IndexError):
        log[6]
    assert "readonly or closed" in refusal(lambda: log.append([b"late"]))
    assert gj.verify(tmp_path) == []


def test_entries_go_on_in_another_file(tmp_path, monkeypatch):
    from ghostjax.ledger import _log

    monkeypatch.setattr(_log, "SEGMENT", 30)
    written(tmp_path)
    assert [first for first, _ in _disk.segments(tmp_path)] == [0, 3]
    with Log(tmp_path) as log:
        log.append([b"more"])
        assert (
            list(log.entries()) == [*ENTRIES, b"more"] and log[2] == b"three" and list(log.entries(4, 6)) == ENTRIES[4:]
        )
    assert gj.verify(tmp_path) == []
    (tmp_path / "entries-000000000003.log").unlink()
    assert gj.verify(tmp_path) == ["entry 3 is damaged or missing"]


def test_one_writer_at_a_time_and_any_number_of_readers(tmp_path):
    with Log(tmp_path) as log:
        log.append(BATCHES[0])
        assert "another writer has it open" in refusal(lambda: Log(tmp_path))
        with Log(tmp_path, readonly=True) as reader:
            log.append(BATCHES[1])
            assert list(reader.entries()) == BATCHES[0]
            assert "readonly or closed" in refusal(lambda: reader.append([b"x"]))
    with Log(tmp_path) as log:
        assert len(log) == 3


def test_folders_of_something_else_are_refused(tmp_path, as_users_run):
    (tmp_path / "notes.txt").write_text("mine")
    assert "holds ['notes.txt']" in refusal(lambda: Log(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert "holds no ledger" in refusal(lambda: Log(tmp_path, readonly=True))
    written(tmp_path / "log", about={"of": "me"})
    assert "another ledger" in refusal(lambda: Log(tmp_path / "log", about={"of": "you"}))
    assert Log(tmp_path / "log", readonly=True).about == {"of": "me"}
    with Log(tmp_path / "log") as log:
        assert "give bytes" in refusal(lambda: log.append(["text"]))
        assert len(log) == 6
    assert "cannot be written to" in refusal(lambda: Log("/proc/nowhere"))


# What a crash leaves


def test_a_writer_that_dies_at_any_file_operation_loses_nothing_acknowledged(tmp_path):
    def play(folder, acknowledged):
        log = None
        try:
            log = Log(folder)
            for batch in BATCHES:
                acknowledged.append(log.append(batch))
        finally:
            if log is not None:
                handle, log._lock = log._lock, None
                os.close(handle)  # the system takes it from a dead process

    with dying_at(None) as counted:
        play(tmp_path / "whole", [])
    assert counted.names.count("fsync") >= 9
    for at in range(1, counted.count + 1):
        folder, acknowledged = tmp_path / str(at), []
        with dying_at(at):
            play(folder, acknowledged)
        if folder.exists() and (folder / _disk.ABOUT).exists():
            assert gj.verify(folder) == [], at
        with Log(folder) as log:
            known = acknowledged[-1].size if acknowledged else 0
            assert len(log) in (known, known + len(BATCHES[len(acknowledged)])), at
            assert list(log.entries()) == ENTRIES[: len(log)]
            log.append(ENTRIES[len(log) :])
            assert list(log.entries()) == ENTRIES and log.head.root == Tree(map(leaf_hash, ENTRIES)).root()
        assert gj.verify(folder) == []


def test_a_head_is_on_the_disk_before_anybody_sees_it(tmp_path, monkeypatch):
    """A process may have died between writing a head and flushing it: whoever opens the log flushes it first."""
    from ghostjax.ledger import _log

    written(tmp_path)
    order = []
    flush, read = _log.flush, _disk.read_heads
    monkeypatch.setattr(_log, "flush", lambda path: (order.append(path.name), flush(path)))
    monkeypatch.setattr(_disk, "read_heads", lambda *args: (order.append("read"), read(*args))[1])
    for readonly in (True, False):
        with Log(tmp_path, readonly=readonly) as log:
            assert len(log) == 6
    assert order == [_disk.HEADS, "read"] * 2


def killed(folder, kills, seed):
    worker = Path(__file__).with_name("killed_writer.py")
    done = subprocess.run(
        [sys.executable, str(worker), str(folder), str(kills), str(seed)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(lines) == kills and all(found >= acknowledged for acknowledged, found in lines)
    assert gj.verify(folder) == []
    return lines


def test_killed_writers_lose_nothing_acknowledged(tmp_path):
    lines = killed(tmp_path, 10, 0)
    assert lines[-1][1] > 0


@pytest.mark.slow
def test_two_hundred_killed_writers_lose_nothing_acknowledged(tmp_path):
    for part in range(10):  # each log anew, or its length would be all that is measured
        killed(tmp_path / str(part), 20, part)


@pytest.mark.parametrize("name", [_disk.HEADS, _disk.LEAVES, "entries-000000000000.log"])
def test_a_torn_tail_is_cut_and_an_acknowledged_one_never(tmp_path, name):
    shutil.copytree(written(tmp_path / "whole"), tmp_path / "log")
    with Log(tmp_path / "log") as log:
        log.append([b"seven", b"eight"])
    path = tmp_path / "log" / name
    longer, whole = path.read_bytes(), (tmp_path / "whole" / name).read_bytes()
    assert longer.startswith(whole)
    for length in range(len(whole), len(longer)):
        folder = tmp_path / f"torn-{length}"
        shutil.copytree(tmp_path / "whole", folder)
        for part, tail in ((name, longer[:length]), (name, longer[:length] + bytes(200))):
            (folder / part).write_bytes(tail if part != _disk.HEADS or len(tail) == length else whole + bytes(108))
            assert gj.verify(folder) == []
            with Log(folder) as log:
                assert list(log.entries()) == ENTRIES
            assert (folder / name).read_bytes() == whole
        shutil.rmtree(folder)
    for length in {0, len(whole) // 2, len(whole) - 1} - ({len(whole) - 1} if name == _disk.HEADS else set()):
        folder = tmp_path / f"lost-{length}"
        shutil.copytree(tmp_path / "whole", folder)
        (folder / name).write_bytes(whole[:length])
        if name != _disk.HEADS:  # heads that are cut off leave the log of an earlier day
            assert "an acknowledged entry is not given up" in refusal(lambda folder=folder: Log(folder))
            assert gj.verify(folder) != [] and (folder / name).read_bytes() == whole[:length]


def test_an_append_that_fails_is_not_acknowledged_and_the_next_one_mends_it(tmp_path):
    with Log(tmp_path) as log:
        log.append(BATCHES[0])
        with dying_at(3):
            log.append(BATCHES[1])
        assert len(log) == 2
        log.append(BATCHES[2])
        assert list(log.entries()) == BATCHES[0] + BATCHES[2] and log[4] == b"six"
    assert gj.verify(tmp_path) == []


# What somebody changes


def forge(folder, index, entry):
    """Puts another entry there, with a checksum that fits."""
    path, content = folder / "entries-000000000000.log", b""
    for i, old in enumerate(_disk.frames(path)):
        content += _disk.frame(entry if i == index else old)
    path.write_bytes(content)


def test_the_first_forged_entry_is_named(tmp_path):
    written(tmp_path / "log")
    for i in range(len(ENTRIES)):
        folder = tmp_path / str(i)
        shutil.copytree(tmp_path / "log", folder)
        forge(folder, i, b"forged")
        forge(folder, 5, b"forged too")
        assert gj.verify(folder) == [f"entry {i} is forged: it is not the one that was acknowledged"]
        with Log(folder, readonly=True) as log:
            assert f"entry {i} is not what was written" in refusal(lambda log=log: list(log.entries()))


def test_who_forges_the_hash_too_is_found_by_the_head(tmp_path):
    written(tmp_path)
    leaves = (tmp_path / _disk.LEAVES).read_bytes()
    for i, told in ((2, "entry 2 is forged"), (4, "entry 3 to 5: one of them is forged")):
        forge(tmp_path, i, b"forged")
        hashes = [leaf_hash(entry) for entry in _disk.frames(tmp_path / "entries-000000000000.log")]
        (tmp_path / _disk.LEAVES).write_bytes(b"".join(hashes))
        assert len(gj.verify(tmp_path)) == 1 and gj.verify(tmp_path)[0].startswith(told)
        forge(tmp_path, i, ENTRIES[i])
    (tmp_path / _disk.LEAVES).write_bytes(leaves[:64] + bytes(32) + leaves[96:])
    assert gj.verify(tmp_path) == ["leaves.log: the hash of entry 2 is not that of the entry"]


@pytest.mark.parametrize("signed", [False, pytest.param(True, marks=signing)])
def test_every_changed_byte_is_noticed(tmp_path, signed):
    written(tmp_path / "log", key=tmp_path / "key" if signed else None)
    rng = np.random.default_rng(0)
    for path in sorted((tmp_path / "log").iterdir()):
        content = path.read_bytes()
        if signed and path.name.startswith("entries"):
            continue  # as where nobody signs
        for at in range(len(content)):
            changed = bytearray(content)
            changed[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            assert len(gj.verify(tmp_path / "log")) == 1, (path.name, at)
        path.write_bytes(content)
    assert gj.verify(tmp_path / "log") == []


@signing
def test_heads_are_signed_by_a_key_that_only_its_owner_reads(tmp_path):
    key = tmp_path / "keys" / "mine"
    written(tmp_path / "log", key=key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with Log(tmp_path / "log", readonly=True) as log:
        assert log.signed and log.head.by(log.public_key) and not log.head._replace(size=5).by(log.public_key)
        assert not log.head._replace(signature=b"").by(log.public_key) and not log.head.by(b"short")
        assert Head.parse(log.head.text()) == log.head
    assert "its heads are signed by another key" in refusal(lambda: Log(tmp_path / "log"))
    assert "its heads are signed by another key" in refusal(lambda: Log(tmp_path / "log", key=tmp_path / "other"))
    with Log(tmp_path / "log", key=key) as log:
        assert len(log) == 6 and log.head_at(3).by(log.public_key)
    written(tmp_path / "open")
    assert "its heads are unsigned" in refusal(lambda: Log(tmp_path / "open", key=key))
    key.chmod(0o644)
    assert f"others may read it; chmod 600 {key}" in refusal(lambda: Log(tmp_path / "log", key=key))
    (tmp_path / "word").write_text("secret")
    (tmp_path / "word").chmod(0o600)
    assert "holds no key" in refusal(lambda: Log(tmp_path / "third", key=tmp_path / "word"))


@signing
def test_who_has_not_the_key_cannot_write_another_past(tmp_path):
    written(tmp_path / "log", key=tmp_path / "key")
    public = Log(tmp_path / "log", readonly=True).public_key
    forged = Tree(map(leaf_hash, [*ENTRIES[:5], b"forged"]))
    forge(tmp_path / "log", 5, b"forged")
    (tmp_path / "log" / _disk.LEAVES).write_bytes(b"".join(forged.leaf(i) for i in range(6)))
    heads = (tmp_path / "log" / _disk.HEADS).read_bytes()
    packed = _disk.HEAD.pack(6, forged.root(), heads[-68:-4])
    (tmp_path / "log" / _disk.HEADS).write_bytes(heads[:216] + packed + _disk.CHECK.pack(zlib.crc32(packed)))
    assert gj.verify(tmp_path / "log") == ["heads.log: the head of 6 entries is not signed by the key of the log"]
    assert public is not None


def test_without_the_package_a_key_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    line = refusal(lambda: Log(tmp_path / "log", key=tmp_path / "key"))
    assert line.endswith("cryptography is not installed; pip install 'ghostjax[ledger]'")
    assert not list(tmp_path.iterdir())


# Two faces


def test_a_split_view_is_detected(tmp_path):
    with Log(tmp_path / "a") as ours:
        first, second = ours.append(BATCHES[0]), ours.append(BATCHES[1])
        shutil.copytree(tmp_path / "a", tmp_path / "b", ignore=shutil.ignore_patterns("lock"))
        with Log(tmp_path / "b") as theirs:
            there = theirs.append([b"for you"])
            here = ours.append([b"for me"])
            assert split_view(here, there) == "two logs of 4 entries have different roots"
            longer = theirs.append([b"more"])
            told = split_view(longer, here, theirs.consistency(4))
            assert told == "the log of 4 entries is not the beginning of that of 5: their proof fails"
            assert split_view(first, longer, theirs.consistency(2)) is None
            assert split_view(second, longer, theirs.consistency(2)) is not None  # the proof of another size
    with Log(tmp_path / "c", about={"of": "others"}) as other:
        assert "two heads of one log" in refusal(lambda: split_view(first, other.head))
    if can_sign():
        assert "not signed by this key" in refusal(lambda: split_view(here, there, public_key=bytes(32)))


@signing
def test_who_signed_both_heads_cannot_deny_them(tmp_path):
    key = gj.ledger.Key(bytes(range(32)))
    heads = [Head(bytes(32), 1, leaf_hash(entry)).signed(key) for entry in (b"a", b"b")]
    assert split_view(*heads, public_key=key.public) == "two logs of 1 entries have different roots"
    unsigned = heads[0]._replace(signature=b"")
    assert "not signed by this key" in refusal(lambda: split_view(unsigned, heads[1], public_key=key.public))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"origin":"00","size":1,"root":"","signature":""}', "null"])
def test_what_is_no_head_is_refused(text):
    assert "is no head" in refusal(lambda: Head.parse(text))
