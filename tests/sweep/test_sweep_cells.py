"""Cells on disk: crashes, several workers, shards, damage."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ghostjax as gj
from ghostjax._sweep._cells import CellStore

from ..run.run_problem import simulation, Traced, TRACES


F = "protocol.aggregator.f"
LR = "protocol.optimizer.knobs.learning_rate"
AXES = {F: [0.5, 1, 1.5, 2], LR: [0.1, 0.2]}
ROOT = Path(__file__).parents[2]


def play(directory=None, axes=AXES, rounds=4, **kwargs):
    return gj.sweep(simulation(), axes, rounds, directory=directory, **{"progress": None, **kwargs})


def cells(directory):
    return {path.name: path.read_bytes() for path in (directory / "cells").glob("*.npz")}


def test_computed_once_and_extended(tmp_path):
    first = play(tmp_path, {F: [1, 2]})
    before = cells(tmp_path)
    seen = []
    again = gj.sweep(simulation(), {F: [1, 2, 0.5]}, 4, directory=tmp_path, progress=lambda *args: seen.append(args[2]))
    assert before.items() <= cells(tmp_path).items() and len(cells(tmp_path)) == 3
    assert [bool(latest) for latest in seen] == [False, False, True]  # two read, one computed
    assert first.dataset["loss"].equals(again.dataset["loss"].sel({F: [1, 2]}))
    assert gj.collect(tmp_path).dataset.identical(again.dataset)
    assert not list((tmp_path / "cells").glob("*.claim")) and not list((tmp_path / "cells").glob(".*"))


def test_equal_cells_are_computed_once(tmp_path):
    build = lambda useless: simulation(f=1 + 0 * useless)
    result = gj.sweep(build, {"useless": [1, 2, 3]}, 3, directory=tmp_path, progress=None)
    assert result.finished and len(cells(tmp_path)) == 1


def test_shards_make_the_whole(tmp_path):
    whole = play()
    parts = [play(tmp_path, shard=(i, 3)) for i in range(3)]
    assert [int(part.dataset["done"].sum()) for part in parts] == [3, 6, 8]
    assert not parts[0].finished and parts[2].finished
    missing = parts[0].dataset
    assert np.isnan(missing["loss"].values[~missing["done"].values]).all()
    assert np.isnan(missing["count"].values).any(), "whole numbers are missing too"
    assert parts[2].dataset.drop_attrs().equals(whole.dataset.drop_attrs())
    assert not parts[0].interrupted


def test_a_corrupt_cell_is_computed_again(tmp_path):
    play(tmp_path)
    before = cells(tmp_path)
    victim, other = sorted((tmp_path / "cells").glob("*.npz"))[:2]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    other.write_bytes(other.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="checksum"):
        play(tmp_path)
    assert cells(tmp_path) == before
    assert len(list((tmp_path / "cells").glob("*.corrupt"))) == 2


def test_collect_needs_a_sweep(tmp_path):
    with pytest.raises(gj.ConfigurationError, match=r"collect: directory=.*sweep\.json"):
        gj.collect(tmp_path)


def test_a_damaged_plan_is_refused_and_written_again(tmp_path):
    whole = play(tmp_path, {F: [1, 2]})
    plan = tmp_path / "sweep.json"
    for content in ("", "{", "[]", '{"axes": []}', '{"schema": 0}'):
        plan.write_text(content)
        with pytest.raises(gj.ConfigurationError, match=r"collect: directory=.*sweep\.json is damaged or of another"):
            gj.collect(tmp_path)
    play(tmp_path, {F: [1, 2]}, progress=lambda done, total, latest: pytest.fail("computed again") if latest else None)
    assert gj.collect(tmp_path).dataset.identical(whole.dataset)


@pytest.mark.parametrize(
    ("seeds", "axes", "message"),
    [
        (0, AXES, r"sweep: seeds=\[\]: give at least one"),
        ([3, 3], AXES, r"sweep: seeds=\[3, 3\]: .*no two alike"),
        ([2**32], AXES, "sweep: seeds=4294967296: a seed lies between"),
        (1, {"seed": [1, 2]}, "sweep: axes=.*'seed' cannot be an axis; give seeds="),
    ],
)
def test_seeds_that_cannot_be(seeds, axes, message):
    with pytest.raises(gj.ConfigurationError, match=message):
        gj.sweep(simulation(), axes, 2, seeds=seeds)


def test_cells_held_by_others_are_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("ghostjax._sweep._sweep.WAIT", 0.01)
    whole = play(tmp_path)
    victim = min((tmp_path / "cells").glob("*.npz"))
    content = victim.read_bytes()
    victim.unlink()
    held = CellStore(tmp_path).claim(victim.stem)
    assert held is not None
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            victim.write_bytes(content)  # the other worker is done
            held.release()

    monkeypatch.setattr("ghostjax._sweep._sweep.time.sleep", sleep)
    assert play(tmp_path).dataset.equals(whole.dataset)
    assert len(waits) == 3


def test_a_signal_stops_after_the_chunk(tmp_path):
    def ask(done, total, latest):
        if done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    result = play(tmp_path, progress=ask)
    assert result.interrupted and 2 <= int(result.dataset["done"].sum()) < 8
    assert not list((tmp_path / "cells").glob("*.claim"))
    assert play(tmp_path).finished


def start(directory):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweep.worker", str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_two_workers_one_killed(tmp_path):
    first, second = start(tmp_path), start(tmp_path)
    with first:
        assert first.stdout is not None
        for line in first.stdout:
            if int(line.split()[0]) >= 3:
                break
        os.kill(first.pid, signal.SIGKILL)
    out, err = second.communicate(timeout=300)
    assert second.returncode == 0, err
    assert out.splitlines()[-1] == "16 done"
    alone = gj.sweep(simulation(), AXES, 70, seeds=2, progress=None)
    both = gj.collect(tmp_path)
    assert both.dataset.drop_attrs().equals(alone.dataset.drop_attrs())
    # Killed between saving a cell and giving up its claim, a worker leaves a claim that nobody needs.
    assert {path.stem for path in (tmp_path / "cells").glob("*.claim")} <= {name[:16] for name in cells(tmp_path)}


def test_one_trace_for_cells_of_several_calls(tmp_path):
    TRACES.clear()
    sim = simulation(n=9, metrics=(Traced(),))  # a size of its own: programs are shared between tests
    for i in range(3):
        gj.sweep(sim, AXES, 4 + i, directory=tmp_path, shard=(i, 3), progress=None)
    assert 1 <= len(TRACES) <= 3
