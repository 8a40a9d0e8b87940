"""A run that dies at its k-th file operation, started again: equal bits, and nothing left behind."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import ghostjax as gj
from ghostjax._files import remove_drafts

from .crash_points import dying_at
from .run_problem import same, simulation


CHUNKS = 6


def play(directory=None, **kwargs):
    """A run of six chunks, a checkpoint after each."""
    given = {"chunk": 2, "checkpoint_seconds": 0, "progress": None, "directory": directory}
    return gj.simulate(simulation(), 2 * CHUNKS, 5, **{**given, **kwargs})


@pytest.fixture(scope="module")
def whole():
    return play()


@pytest.fixture(scope="module")
def total(tmp_path_factory):
    """How many file operations the run has."""
    with dying_at(None) as counted:
        play(tmp_path_factory.mktemp("count") / "run")
    assert counted.names.count("replace") == 2 * CHUNKS + 3  # pieces and checkpoints, two results and the seal
    return counted.count


def start_again(directory, whole):
    """What a crash left is no fault; the same call ends as if nothing had happened, and leaves nothing else behind."""
    done = [line for line in gj.verify(directory) if "seal.json is missing" not in line] if left(directory) else []
    assert done == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing half written is ever seen
        same(play(directory), whole)
    assert not list(directory.glob(".*")) and gj.verify(directory) == []
    assert left(directory) == {"final.npz", "results.nc", "seal.json", "checkpoint-00000010.npz",
                               "checkpoint-00000012.npz"}  # fmt: skip
    same(gj.load_run(directory, simulation()), whole)


def left(directory):
    """What lies in the folder, beside the pieces of the record."""
    names = {path.name for path in directory.glob("*")}
    return {name for name in names if not name.startswith(("record-", "."))}


def dies_and_starts_again(directory, at, whole, monkeypatch):
    with dying_at(at) as counted:
        play(directory)
    assert counted.count >= at
    # The draft's writer is this process, which lives: for the one that starts again it is another one, and dead.
    for draft in directory.glob(".*.tmp"):
        _, pid, born, _ = draft.name.rsplit(".", 2)[1].split("-")
        draft.rename(draft.with_name(draft.name.replace(f"-{pid}-{born}-", f"-{pid}-1-")))
    start_again(directory, whole)


def some(total):
    """A few points: in the first file, in the middle, and in each of those that are written last."""
    return [5, total // 2, total - 20, total - 12, total - 4]


def test_a_few_crash_points(tmp_path, total, whole, monkeypatch):
    for at in some(total):
        dies_and_starts_again(tmp_path / str(at), at, whole, monkeypatch)


@pytest.mark.slow
def test_every_crash_point(tmp_path, total, whole, monkeypatch):
    for at in range(1, total + 1):
        dies_and_starts_again(tmp_path / str(at), at, whole, monkeypatch)


@pytest.mark.slow
def test_killed_at_every_file_operation(tmp_path, total, whole):
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    for at in range(1, total + 1):
        directory = tmp_path / str(at)
        killed = subprocess.run(
            [sys.executable, "-m", "tests.run.crashing_worker", str(directory), str(at)],
            cwd=Path(__file__).parents[2],
            env=os.environ | cache,
        )
        assert killed.returncode == -signal.SIGKILL
        start_again(directory, whole)


def test_a_writer_that_lives_keeps_its_draft(tmp_path):
    with dying_at(3):
        from ghostjax._files import write_atomic

        write_atomic(tmp_path / "a", b"content")
    assert len(list(tmp_path.glob(".*.tmp"))) == 1
    remove_drafts(tmp_path)
    assert len(list(tmp_path.glob(".*.tmp"))) == 1
