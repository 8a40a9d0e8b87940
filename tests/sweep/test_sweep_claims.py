"""Claims: one worker at a time, taken over when left behind, whatever clocks, power and files do."""

import json
import os
import time

import pytest

from ghostjax._sweep import _claims
from ghostjax._sweep._claims import Claims, LONGEST, STALE


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: `clock.wall` is what files are compared with, `clock.own` what only goes on."""

    class Clock:
        wall, own = time.time(), 1000.0
        time, monotonic = lambda self: self.wall, lambda self: self.own

    found = Clock()
    monkeypatch.setattr(_claims, "time", found)
    return found


def held(folder, **changes):
    """A claim of another process, as it would have written it."""
    owner = {"id": "x", "host": "elsewhere", "pid": 1, "born": "1", "life": STALE} | changes
    (folder / "a.claim").write_text(json.dumps(owner))


def test_one_worker_at_a_time(tmp_path):
    ours, theirs = Claims(tmp_path), Claims(tmp_path)
    mine = ours.take("a")
    assert mine is not None and mine.held() and theirs.take("a") is None and ours.take("a") is None
    assert mine.heartbeat()
    mine.release()
    assert not list(tmp_path.iterdir())
    assert theirs.take("a") is not None


def test_who_was_silent_for_too_long_notices_and_touches_nothing(tmp_path, clock):
    ours, theirs = Claims(tmp_path), Claims(tmp_path)
    mine = ours.take("a")
    clock.wall += STALE + 1  # SIGSTOP, say
    other = theirs.take("a")
    assert other is not None, "no sign of life: taken over"
    before = os.stat(tmp_path / "a.claim").st_mtime_ns
    assert mine is not None
    assert not mine.held() and not mine.heartbeat() and os.stat(tmp_path / "a.claim").st_mtime_ns == before
    mine.release()
    assert other.held(), "who lost it cannot give it up"
    other.release()
    assert not mine.heartbeat() and not list(tmp_path.iterdir())


def test_a_process_that_is_gone_holds_nothing(tmp_path):
    held(tmp_path, host=_claims._machine(), born="never")
    assert Claims(tmp_path).take("a") is not None, "of this machine: at once"
    held(tmp_path)
    assert Claims(tmp_path).take("a") is None, "of another machine nothing is known"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"host": 1}', b"[" * 50_000, None])
def test_what_cannot_be_read_is_stale_by_its_age(tmp_path, clock, content):
    """A power loss leaves an empty or cut claim; nobody waits for ever, and nobody meets a traceback."""
    path = tmp_path / "a.claim"
    path.mkdir() if content is None else path.write_bytes(content)
    claims = Claims(tmp_path)
    assert claims.take("a") is None, "it may be somebody's who writes it just now"
    clock.wall += STALE + 1
    if content is None:
        with pytest.warns(UserWarning, match="is no claim that ghostjax wrote"):
            assert claims.take("a") is None or True
        assert claims.take("a") is not None or (tmp_path / "a.claim").is_file()
    else:
        assert claims.take("a") is not None
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".corrupt")) == ["a.claim"]


def test_a_time_in_the_future_is_waited_for_by_ones_own_clock(tmp_path, clock):
    held(tmp_path)
    ahead = clock.wall + 10 * 365 * 86_400
    os.utime(tmp_path / "a.claim", (ahead, ahead))
    claims = Claims(tmp_path)
    assert claims.take("a") is None
    clock.own += STALE - 1
    assert claims.take("a") is None
    os.utime(tmp_path / "a.claim", (ahead + 1, ahead + 1))  # a sign of life
    clock.own += 2
    assert claims.take("a") is None
    clock.own += STALE + 1
    assert claims.take("a") is not None


def test_a_worker_of_long_chunks_asks_for_a_longer_life_and_not_for_ever(tmp_path, clock):
    slow = Claims(tmp_path)
    first = slow.take("b")
    clock.own += 300
    assert first is not None
    assert first.heartbeat() and slow.longest == 300
    slow.take("a")
    assert json.loads((tmp_path / "a.claim").read_text())["life"] == 1500
    os.utime(tmp_path / "a.claim", (clock.wall, clock.wall))
    clock.wall += 1400
    assert Claims(tmp_path).take("a") is None
    clock.wall += 200
    assert Claims(tmp_path).take("a") is not None
    for life in (1e300, LONGEST * 2, -1, "x", None, True):
        held(tmp_path, life=life)
        os.utime(tmp_path / "a.claim", (clock.wall - STALE - 1,) * 2)
        assert Claims(tmp_path).take("a") is not None, "a life that nobody means is none"


def test_a_claim_taken_between_look_and_rename_is_given_back(tmp_path, monkeypatch):
    mine = Claims(tmp_path).take("a")
    fresh, looked = (tmp_path / "a.claim").read_bytes(), _claims.look(tmp_path / "a.claim")
    assert looked is not None
    looks = iter([looked._replace(content=b"somebody stale")])
    look = _claims.look
    monkeypatch.setattr(_claims, "look", lambda path: next(looks, None) or look(path))
    monkeypatch.setattr(Claims, "left_behind", lambda *args: True)
    assert Claims(tmp_path).take("a") is None
    assert mine is not None
    assert (tmp_path / "a.claim").read_bytes() == fresh and mine.held()
    assert [p.name for p in tmp_path.iterdir()] == ["a.claim"]
