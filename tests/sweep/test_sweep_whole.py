"""What lies in a sweep's folder is what it says, was made by the program that would run now, or is not used."""

import json
import os
import shutil
import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax._files import sha256
from ghostjax._run._archive import pack, unpack
from ghostjax._run._seal import read_seal, write_seal
from ghostjax._sweep import _sweep
from ghostjax._sweep._plan import build_cells
from ghostjax._sweep._verify import verify_sweep

from ..run.run_problem import simulation


F = "protocol.aggregator.f"
AXES = {F: [1, 2]}


def play(directory=None, axes=AXES, sim=None, **kwargs):
    sim = simulation() if sim is None else sim
    return gj.sweep(sim, axes, 4, directory=directory, **{"progress": None, "seeds": 2, **kwargs})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A finished sweep of four cells, to be copied."""
    folder = tmp_path_factory.mktemp("recorded") / "sweep"
    return folder, play(folder).dataset


@pytest.fixture
def copied(recorded, tmp_path):
    folder = tmp_path / "sweep"
    shutil.copytree(recorded[0], folder)
    return folder


def computed(folder, **kwargs):
    """How many cells the same call computes, and its dataset."""
    seen = []
    data = play(folder, progress=lambda done, total, latest: seen.append(bool(latest)), **kwargs).dataset
    return sum(seen), data


def sealed(folder, change):
    """Forges: the plan changed and sealed again."""
    seal = read_seal(folder, "sweep.json")
    plan = json.loads(json.dumps(seal.about))
    change(plan)
    write_seal(folder, seal.files, plan, "sweep.json")


def test_a_whole_sweep_has_no_fault_and_is_not_computed_again(copied, recorded):
    assert verify_sweep(copied) == []
    assert gj.collect(copied).dataset.identical(recorded[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        count, data = computed(copied)
    assert count == 0 and data.identical(recorded[1])


def test_swapped_and_overwritten_cells_are_refused_and_computed_again(copied, recorded):
    one, two, three, *_ = sorted((copied / "cells").glob("*.npz"))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    three.write_bytes(first)
    faults = verify_sweep(copied)
    assert len([line for line in faults if "and not the cell of its name" in line]) == 3
    with pytest.warns(UserWarning) as caught:
        found = gj.collect(copied).dataset
    assert int(found["done"].sum()) == 1
    assert len([one for one in caught if "and not the cell of its name" in str(one.message)]) == len(caught) == 3
    count, data = computed(copied)
    assert count == 3 and data.equals(recorded[1]) and verify_sweep(copied) == []


def test_a_cell_under_a_forged_name_holds_another_configuration(copied):
    one, two, *_ = sorted((copied / "cells").glob("*.npz"))
    record, manifest = unpack(one)
    two.write_bytes(pack(record, manifest | {"name": two.stem}))
    assert any("a configuration that has another name" in line for line in verify_sweep(copied))
    record, manifest = unpack(one)
    one.write_bytes(pack({name: column[:2] for name, column in record.items()}, manifest))
    with pytest.warns(UserWarning) as caught:
        assert int(gj.collect(copied).dataset["done"].sum()) == 2
    assert any("its checksum fits and its content does not" in str(one.message) for one in caught)


def test_a_plan_whose_labels_or_cells_were_moved_is_refused(copied, recorded):
    plan = copied / "sweep.json"
    whole = plan.read_text()
    for change in (lambda p: p["axes"][0]["labels"].reverse(), lambda p: p["cells"].reverse()):
        moved = json.loads(whole)
        change(moved["about"])
        plan.write_text(json.dumps(moved, sort_keys=True, indent=1) + "\n")
        with pytest.raises(gj.ConfigurationError, match=r"collect: directory=.*sweep\.json is damaged or of another"):
            gj.collect(copied)
        assert "sweep.json is damaged: its checksum does not fit" in verify_sweep(copied)
    assert computed(copied)[0] == 0, "the cells are kept"
    assert plan.read_text() == whole and gj.collect(copied).dataset.identical(recorded[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["cells"].__setitem__(0, "../../../etc/passwd"),
        lambda p: p["cells"].pop(),
        lambda p: p["axes"][0].update(name="a/b"),
        lambda p: p["axes"][0].update(labels=[[1], [2]]),
        lambda p: p.update(rounds=-1),
        lambda p: p.update(seeds=["0", "1"]),
        lambda p: p.update(schema=1),
        lambda p: p.clear(),
    ],
)
def test_a_plan_sealed_by_somebody_else_reads_nothing_outside_and_meets_no_traceback(copied, change):
    sealed(copied, change)
    with pytest.raises(gj.ConfigurationError, match=r"collect: directory=.*sweep\.json is damaged or of another"):
        gj.collect(copied)
    assert any(line.startswith("sweep.json") for line in verify_sweep(copied))


def test_moved_cells_in_a_plan_that_was_sealed_again_are_of_another_seed(copied):
    sealed(copied, lambda p: p["cells"].reverse())
    assert any("is of another seed" in line for line in verify_sweep(copied))


def test_what_a_finished_sweep_lost_is_told(copied):
    one, two, *_ = sorted((copied / "cells").glob("*.npz"))
    one.unlink()
    record, manifest = unpack(two)
    two.write_bytes(pack({**record, "loss": record["loss"] + 1}, manifest))  # whole by itself
    assert verify_sweep(copied) == [
        f"cells/{one.name}: is missing",
        f"cells/{two.name}: is not the file that was sealed",
    ]
    with pytest.warns(UserWarning) as caught:
        data = gj.collect(copied).dataset
    assert len(caught) == 2 and int(data["done"].sum()) == 2


def test_cells_of_no_plan_are_told_and_left_out(copied):
    play(copied, {F: [1]})
    with pytest.warns(UserWarning, match=r"2 cells belong to no point of sweep\.json"):
        assert gj.collect(copied).dataset.sizes[F] == 1
    assert verify_sweep(copied) == [], "of an earlier plan"
    (copied / "sweep.json").unlink()
    with pytest.raises(gj.ConfigurationError, match=r"there is no sweep\.json \(4 cells lie there\)"):
        gj.collect(copied)
    assert verify_sweep(copied) == ["sweep.json is missing"]
    (copied / "cells" / "notes.npz").write_bytes(b"")
    assert "cells/notes.npz: is no name of a cell" in verify_sweep(copied)


def test_another_version_or_device_computes_again_and_says_so(copied, recorded, monkeypatch):
    real = _sweep.environment
    monkeypatch.setattr(_sweep, "environment", lambda *placed: real(*placed) | {"jax": "0.0.1", "device": "abacus"})
    with pytest.warns(UserWarning, match=r"another program \(jax: .* -> 0\.0\.1; device: .* -> abacus\)") as caught:
        count, data = computed(copied)
    assert len(caught) == 1 and count == 4 and data["loss"].equals(recorded[1]["loss"])
    assert verify_sweep(copied) == [] and computed(copied)[0] == 0
    monkeypatch.undo()
    with pytest.warns(UserWarning) as caught:
        play(copied, shard=(0, 2))
    assert ["another program" in str(caught[0].message), "different environments" in str(caught[1].message)] == [
        True
    ] * 2
    with pytest.warns(UserWarning, match="made in different environments"):
        gj.collect(copied)


LAB = """
class Helped(AbstractMetric):
    def __call__(self, round):
        return {"helped": helper(round.weights)}
"""


def lab(helper):
    """A metric of a user, whose source says nothing of what `helper` does."""
    names = {"AbstractMetric": gj.metrics.AbstractMetric, "helper": helper, "__name__": "lab"}
    exec(LAB, names)
    return simulation(metrics=(names["Helped"](),))


def test_a_helper_that_changed_makes_finished_cells_outdated(tmp_path):
    before, after = lab(jnp.sum), lab(lambda w: w.sum() + 1)
    names = [build_cells(sim, [], [0], 4, None)[0].name for sim in (before, after)]
    assert names[0] == names[1], "no description shows it"
    first = play(tmp_path, {}, before, seeds=1).dataset["helped"]
    with pytest.warns(UserWarning, match=r"made by another program \(its trace differs\)"):
        second = play(tmp_path, {}, after, seeds=1).dataset["helped"]
    np.testing.assert_array_equal(second, first + 1)
    assert verify_sweep(tmp_path) == []


def test_drafts_of_dead_writers_and_their_claims_are_removed(copied):
    name = sorted((copied / "cells").glob("*.npz"))[0].stem
    host = sha256(os.uname().nodename.encode())[:8]
    draft = copied / "cells" / f".{name}.npz.{host}-1-1-01234567.tmp"
    draft.write_bytes(b"half")
    (copied / f".sweep.json.{host}-1-1-01234567.tmp").write_bytes(b"half")
    (copied / "cells" / f"{name}.claim").write_bytes(b"")
    os.utime(copied / "cells" / f"{name}.claim", (0, 0))
    play(copied)
    assert {path.suffix for path in (copied / "cells").iterdir()} == {".npz"}
    assert sorted(path.name for path in copied.iterdir()) == ["cells", "sweep.json"]


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_played(tmp_path, as_users_run):
    file = tmp_path / "file"
    file.write_text("")
    for directory in (file, file / "below", "", "a\0b", 3):
        with pytest.raises(gj.ConfigurationError, match="sweep: directory="):
            play(directory, progress=lambda *args: pytest.fail("played"))
