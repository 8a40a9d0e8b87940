"""Crash points: whichever file operation of worker A is its last, the sweep ends with equal bits and nothing left."""

import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path

import pytest

import ghostjax as gj
from ghostjax._sweep._verify import verify_sweep
from specs.cell_store import operations as OS

from ..run.run_problem import simulation


ROOT = Path(__file__).parents[2]
AXES = {"protocol.aggregator.f": [0.5, 1, 1.5]}
ROUNDS = 4
"""The first is a chunk by itself, so that claims are kept alive between."""


def play(folder, **kwargs):
    return gj.sweep(simulation(), AXES, ROUNDS, seeds=2, directory=folder, **{"progress": None, **kwargs})


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of an undisturbed sweep of six cells, and how many operations one worker needs for it."""
    folder = tmp_path_factory.mktemp("whole") / "sweep"
    watched = OS.Operations(0, [])
    with OS.playing(watched, 1):
        play(folder)
    return files(folder), watched.count


def crash(folder, at):
    """A dies at operation `at`, with B playing a part of the cells meanwhile; B plays on; A starts again."""
    log = []

    def meanwhile(done, total, latest):
        if done == 1:
            with OS.playing(OS.Operations(1, log), 2):
                play(folder, shard=(1, 3))

    died = False
    try:
        with OS.playing(OS.Operations(0, log, at), 1):
            play(folder, progress=meanwhile)
    except OS.Killed:
        died = True
    with OS.playing(OS.Operations(1, log), 2):
        assert play(folder).finished
    with OS.playing(OS.Operations(0, log), 3):
        assert play(folder).finished
    return died


def check(folder, at, whole):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        died = crash(folder, at)
    found = files(folder)
    assert found.keys() == whole.keys(), "no claim, no draft, and every cell"
    assert found == whole, "equal bits"
    assert verify_sweep(folder) == []
    return died


@pytest.mark.parametrize("share", [0.02, 0.11, 0.155, 0.4])
def test_a_worker_dies_at_a_file_operation(whole, tmp_path, share):
    """At the beginning, while a claim is written, while a cell is written, and after others have played."""
    assert check(tmp_path / "sweep", int(share * whole[1]), whole[0]), "A was done before it could die"


@pytest.mark.slow
def test_a_worker_dies_at_every_file_operation(whole, tmp_path):
    at = 0
    while check(tmp_path / str(at), at, whole[0]):
        at += 1
    assert at > whole[1] / 2, "B takes a part of A's work, and not more"


KILLED = """
import os, signal
from tests.sweep.test_sweep_crash import OS, play
from pathlib import Path
watched = OS.Operations(0, [], {at}, lambda: os.kill(os.getpid(), signal.SIGKILL))
with OS.mock.patch.object(OS._files, "os", watched), OS.mock.patch.object(OS._claims, "os", watched):
    with OS.mock.patch.object(OS._cells, "os", watched):
        play(Path({folder!r}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_a_process_is_killed_at_a_file_operation(whole, tmp_path, part):
    """Another point of each sixth every day; drafts, claims and all, as the system leaves them."""
    at = (part * whole[1] + date.today().toordinal() % whole[1]) // 6
    code = KILLED.format(at=at, folder=str(tmp_path / "sweep"))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr[-2000:]
    assert play(tmp_path / "sweep").finished
    assert files(tmp_path / "sweep") == whole[0] and verify_sweep(tmp_path / "sweep") == []
