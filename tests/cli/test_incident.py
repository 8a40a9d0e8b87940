"""`ghostjax incident`: thresholds, alarms, names and repairs from a configuration."""

import pytest
import xarray as xr

from ghostjax.cli import main
from ghostjax.cli._config import load
from ghostjax.cli._incident import IncidentConfig, of_config


PAST = "own_past(skip=4, rounds=10)"
SMALL = f"""
nodes: 16
byzantine: 4
task: digits(partition=dirichlet_per_node(nodes, 0.5), model=mlp((64, 16, 10), tanh), batch_size=8)
attack: backdoor(blank_pixels(32), target=3, eps=1.5)
rounds: 48
t0: 16
detectors:
  network: watch(charter(blank_pixels([0, 32, 39])), 'charter_rise', shiryaev_roberts, {PAST})
correction: [quarantine, replay]
honest_runs: 19
seeds: 2
seed: 100
"""


def test_an_incident_from_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ghost.yaml").write_text(SMALL)
    assert main(["incident", "ghost.yaml", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert "a further one alarms with probability .05" in printed
    assert "the network alarms in 2 of 2 runs" in printed and "Identities 12 to 15 moved the model" in printed
    with xr.open_dataset(tmp_path / "out" / "incidents.nc") as table:
        named = table["verdict"].values == "named"
        told = table.isel(incident=named)
        assert named.any() and (told["right"] == 4).all() and (told["wrong"] == 0).all()
        assert (told["replay"] < told["quarantine"]).all() and (told["quarantine"] < told["nothing"]).all()
    again = load(tmp_path / "out" / "incident.yaml", IncidentConfig)
    assert again == load(tmp_path / "ghost.yaml", IncidentConfig)


def test_the_defaults_are_the_ghost():
    case = of_config(IncidentConfig())
    assert case.num_nodes == 64 and case.owned.sum() == 16 and case.t0 == 80 and set(case.watches) == {
        "network", "identities",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seeds", "0"], "seeds=0"),
        (["--honest-runs", "18"], "honest_runs=18"),
        (["--t0", "240"], "t0=240"),
        (["--charter", "blank"], "charter"),
        (["--correction", "pray"], "pray"),
        (["--alarm", "nobody"], "nobody"),
        (["--byzantine", "0", "--attack", "no_attack"], "owner=0"),
        (["--task", "quadratic(3)", "--nodes", "16"], "audit"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(flags, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["incident", *flags]) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()
