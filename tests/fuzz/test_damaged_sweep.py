"""Damaged copies of a sweep: the same numbers, fewer cells and a word, or one line; never another number or a wait."""

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

import ghostjax as gj
from ghostjax._sweep._verify import verify_sweep

from ..run.run_problem import simulation
from .fuzzing import examples


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A finished sweep of four cells."""
    folder = tmp_path_factory.mktemp("recorded") / "sweep"
    sweep = gj.sweep(simulation(), {"protocol.aggregator.f": [1, 2]}, 4, seeds=2, directory=folder, progress=None)
    return folder, sweep.dataset


def flip(path, files, at):
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << at % 8
    path.write_bytes(content)


def cut(path, files, at):
    os.truncate(path, at % path.stat().st_size)


def zero(path, files, at):
    content = bytearray(path.read_bytes())
    start = at % len(content)
    content[start : start + 4096] = bytes(len(content[start : start + 4096]))
    path.write_bytes(content)


def swap(path, files, at):
    other = files[at % len(files)]
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def overwrite(path, files, at):
    path.write_bytes(files[at % len(files)].read_bytes())


def delete(path, files, at):
    path.unlink()


def folder(path, files, at):
    path.unlink()
    path.mkdir()


def link(path, files, at):
    path.unlink()
    path.symlink_to([path, files[at % len(files)], Path("/dev/zero"), Path("nowhere")][at % 4])


def pipe(path, files, at):
    path.unlink()
    os.mkfifo(path)


def claim(path, files, at):
    path.with_suffix(".claim").write_bytes(path.read_bytes()[: at % 100])


DAMAGES = (flip, cut, zero, swap, overwrite, delete, folder, link, pipe, claim)


@examples(40, damage=st.sampled_from(DAMAGES), which=st.integers(0, 4), at=st.integers(0, 2**20))
def test_a_damaged_sweep_never_gives_another_number(recorded, tmp_path_factory, damage, which, at):
    copy = tmp_path_factory.mktemp("copy") / "sweep"
    shutil.copytree(recorded[0], copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    damage(files[which], files, at)
    # A link to an equal file holds the same bytes; a claim beside a finished cell is nobody's fault.
    same = damage is claim or all(path.is_file() and path.read_bytes() == before[path] for path in files)
    faults = verify_sweep(copy)
    assert bool(faults) != same, faults
    assert all("\n" not in line and "Traceback" not in line for line in faults)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = gj.collect(copy).dataset
        except gj.ConfigurationError as error:
            assert "\n" not in str(error) and not same
            return
        finally:
            shutil.rmtree(copy)
    assert same or caught or not found["done"].all(), "something was damaged and nothing was said"
    for name in recorded[1].data_vars:
        values, true = found[name], recorded[1][name]
        for index in np.ndindex(found["done"].shape):
            if bool(found["done"].values[index]):
                np.testing.assert_array_equal(values.values[index], true.values[index])
