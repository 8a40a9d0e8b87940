"""`verify`: whole, damaged, or not ours."""

import shutil

import numpy as np
import pytest

import ghostjax as gj
from ghostjax._files import sha256
from ghostjax._run._archive import pack, unpack
from ghostjax._run._seal import read_seal, write_seal
from ghostjax.cli import main

from .run_problem import simulation


def play(directory, **kwargs):
    given = {"rounds": 6, "key": 5, "chunk": 2, "checkpoint_seconds": 0, "progress": None, "directory": directory}
    return gj.simulate(simulation(), **{**given, **kwargs})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    play(folder / "one")
    play(folder / "other", key=6)
    return folder


@pytest.fixture
def run(runs, tmp_path):
    return shutil.copytree(runs / "one", tmp_path / "run")


def test_whole_damaged_and_not_ours(run, tmp_path, capsys):
    assert gj.verify(run) == [] and main(["verify", str(run)]) == 0
    assert capsys.readouterr().out.endswith("whole\n")
    for path in sorted(run.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
        faults = gj.verify(run)
        assert faults and path.name in " ".join(faults) and not any("\n" in fault for fault in faults), path
        path.write_bytes(content)
    (run / "results.nc").unlink()
    assert main(["verify", str(run)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "results.nc is missing"
    (tmp_path / "empty").mkdir()
    for argv in (["verify", str(tmp_path / "empty")], ["verify", str(tmp_path / "no")], ["verify"]):
        assert main(argv) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["verify", "--help"]) == 0


def test_files_of_another_run_are_told(run, runs):
    for name in ("final.npz", "results.nc", "seal.json"):
        shutil.copy(runs / "other" / name, run / name)
    assert any("another run than results.nc (another key)" in fault for fault in gj.verify(run))
    shutil.copytree(runs / "one", run, dirs_exist_ok=True)
    for path in [*(runs / "other").glob("record-*"), *(runs / "other").glob("checkpoint-00000006*")]:
        shutil.copy(path, run)
    assert any("another run" in fault for fault in gj.verify(run))


def test_sealed_and_untrue(run):
    arrays, manifest = unpack(run / "final.npz")
    arrays["state.protocol.theta"] = arrays["state.protocol.theta"] + 1
    content = pack(arrays, manifest)
    seal = read_seal(run)
    (run / "final.npz").write_bytes(content)
    write_seal(run, {**seal.files, "final.npz": sha256(content)}, seal.about)
    assert gj.verify(run) == ["checkpoint-00000006.npz: holds another final state than final.npz"]
    write_seal(run, seal.files | {"final.npz": sha256(content)}, seal.about | {"rounds": 7})
    assert gj.verify(run) == ["seal.json says another rounds than results.nc"]
    write_seal(run, {"../x": "0"}, seal.about)
    assert gj.verify(run) == ["seal.json is damaged: its checksum does not fit"]


def test_unfinished_is_whole(tmp_path):
    def stop(done, total, latest):
        if done >= 4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        play(tmp_path, progress=stop)
    assert gj.verify(tmp_path) == []
    assert np.all([path.name.startswith(("checkpoint-", "record-")) for path in tmp_path.iterdir()])
