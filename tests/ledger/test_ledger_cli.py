"""The ledger from the command line."""

import numpy as np
import pytest

import ghostjax as gj
from ghostjax.cli import main
from ghostjax.ledger import _disk
from ghostjax.ledger._keys import can_sign


RUN = """
nodes: 6
byzantine: 1
task: quadratic(3)
attack: sign_flip
aggregator: median
metrics: [goal, digest(key=4)]
rounds: 6
progress: none
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(RUN)
    return "run.yaml"


def test_a_run_keeps_a_ledger_and_verify_reads_it(config, tmp_path, capsys):
    assert main(["run", config, "--out", "out", "--ledger", "ledger", "--ledger-every", "2"]) == 0
    assert "ledger: ledger, 12 entries, unsigned" in capsys.readouterr().out
    assert main(["verify", "ledger"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == ["ledger: whole", "12 entries, unsigned: who can write the folder can write another one"]
    # As a run is continued: with more rounds, and from its own configuration.
    assert main(["resume", "out", "--rounds", "9"]) == 0
    assert "entries, unsigned" in capsys.readouterr().out and gj.verify("ledger") == []
    run = gj.load_run("out")
    again = gj.simulate(gj.ledger.training("ledger", run.simulation), progress=None)
    assert again.rounds == 9 and np.array_equal(again.models, run.models)
    path = tmp_path / "ledger" / "entries-000000000000.log"
    entries = [entry.replace(b'"round":3', b'"round":4') for entry in _disk.frames(path) if entry is not None]
    path.write_bytes(b"".join(map(_disk.frame, entries)))
    assert main(["verify", "ledger"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("entry 7 is forged") and said[-1] == "ledger: 1 fault"
    (tmp_path / "nothing").mkdir()
    assert main(["verify", "nothing"]) == 2
    assert "a run, a sweep or a ledger" in capsys.readouterr().err


@pytest.mark.skipif(not can_sign(), reason="needs cryptography")
def test_yaml_says_it_too_and_the_key_signs(config, tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(RUN + "ledger: kept\nledger_key: mine\n")
    assert main(["run", config, "--out", "out"]) == 0
    assert "entries, signed by " in capsys.readouterr().out
    assert main(["verify", "kept"]) == 0 and (tmp_path / "mine").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["run", "--ledger-key", "mine"], "run: ledger=none: a key and a period are those of a ledger"),
        (["run", "--ledger", "x", "--ledger-every", "-1"], "run: ledger_every=-1"),
        (["run", "--ledger", "."], "Log: directory=.: holds ['"),
        (["sweep", "--ledger", "x"], "sweep: ledger=x: only a single run keeps a ledger"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(config, tmp_path, flags, line, capsys):
    if flags[0] == "sweep":
        (tmp_path / "run.yaml").write_text(RUN + "axes: {aggregator: [mean, median]}\n")
    assert main([flags[0], config, "--out", "out", *flags[1:]]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and line in said[0] and not (tmp_path / "out").exists()
