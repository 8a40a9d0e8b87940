"""Damaged copies of a recorded run: the same result, or refused in one line; never another number, never a wait."""

import shutil
import signal
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import strategies as st

import ghostjax as gj

from .damage import Damage, damages, files_of
from .fuzzing import examples


SIMULATION = gj.Simulation(
    gj.tasks.quadratic(3, 2, seed=0, noise=0.1),
    gj.protocols.Server(gj.aggregators.Mean()),
    metrics=(gj.metrics.Goal(),),
)
ROUNDS = 6
# What a finished and a stopped run leave; pieces of the record by their number, since their names hold hashes.
SLOTS = ["final.npz", "results.nc", "seal.json", "checkpoint-00000004.npz", "checkpoint-00000006.npz", "0", "1", "2"]


def play(directory, key=5, **kwargs):
    given = {"chunk": 2, "checkpoint_seconds": 0, "progress": None, "directory": directory}
    return gj.simulate(SIMULATION, ROUNDS, key, **{**given, **kwargs})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Two recorded runs of different seeds, and the first one's result."""
    folder = tmp_path_factory.mktemp("recorded")
    play(folder / "b", key=6)
    return folder / "a", folder / "b", play(folder / "a")


@pytest.fixture
def alarm():
    """Nothing here waits: whatever takes ten seconds is interrupted."""

    def ring(number, frame):
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda: signal.alarm(10)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def same(run, expected):
    assert run.result is expected.result and run.record.keys() == expected.record.keys()
    for name, column in expected.record.items():
        np.testing.assert_array_equal(run.record[name], column, err_msg=name)
    np.testing.assert_array_equal(run.models, expected.models)
    if run.state is not None:
        for a, b in zip(jax.tree.leaves(run.state), jax.tree.leaves(expected.state), strict=True):
            np.testing.assert_array_equal(a, b)


def same_or_refused(call, expected):
    """Whether `call` gave the expected run; a refusal is one line."""
    try:
        run = call()
    except gj.ConfigurationError as error:
        assert "\n" not in str(error)
        return False
    same(run, expected)
    return True


def slot(folder: Path, name: str) -> str:
    return sorted(path.name for path in folder.glob("record-*"))[int(name)] if name.isdigit() else name


# A folder stands where a piece of the record, or the end of the run, is to be written again.
FOLDERS = [{"damage": Damage("folder", name, "final.npz", 0.5, 0.0), "then": "finished"} for name in ("1", "final.npz")]


@examples(25, explicit=FOLDERS, damage=damages(SLOTS), then=st.sampled_from(("read", "finished", "stopped")))
def test_damaged_copies_of_a_run(recorded, alarm, tmp_path_factory, damage, then):
    source, twins, expected = recorded
    folder = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(source, folder)
    damage = damage._replace(file=slot(folder, damage.file), other=slot(folder, damage.other))
    before = {path: (folder / path).read_bytes() for path in files_of(folder)}
    damage.apply(folder, twins)
    changed = {p: (folder / p).read_bytes() for p in before if (folder / p).is_file() and _target(folder / p) != "zero"}
    alarm()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is set aside is said
        faults = gj.verify(folder)
        lost = damage.kind == "delete" and damage.file.startswith("checkpoint")  # a saved run needs none
        assert bool(faults) == (changed != before and not lost), (damage, faults)
        assert all("\n" not in fault for fault in faults)
        if then == "read":
            assert same_or_refused(lambda: gj.load_run(folder, SIMULATION), expected) or faults
        else:
            if then == "stopped":  # before its end was written
                for name in ("final.npz", "results.nc", "seal.json"):
                    if (folder / name).is_file():
                        (folder / name).unlink()
            if same_or_refused(lambda: play(folder), expected):
                same(gj.load_run(folder), expected)
    shutil.rmtree(folder)


def _target(path: Path) -> str:
    return path.resolve().name if path.is_symlink() else ""


def test_the_strategy_reaches_every_kind(recorded, tmp_path):
    source, twins, _ = recorded
    for kind in ("flip", "cut", "zero", "swap", "twin", "delete", "folder", "link", "nowhere", "endless"):
        folder = shutil.copytree(source, tmp_path / kind)
        before = {path: (folder / path).read_bytes() for path in files_of(folder)}
        Damage(kind, "final.npz", "results.nc", 0.5, 0.5).apply(folder, twins)
        path = folder / "final.npz"
        assert not path.is_file() or path.read_bytes() != before["final.npz"], kind
