"""`ghostjax incident` and `ghostjax demo`: what their page claims is in their results.

A small network here, the whole one in the whole suite.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ghostjax import verify
from ghostjax.cli import main
from ghostjax.cli._config import load
from ghostjax.cli._incident import IncidentConfig, of_config
from ghostjax.report._words import listed


PAST = "own_past(skip=4, rounds=10)"
FILE = f"""
nodes: 16
byzantine: 4
task: digits(partition=dirichlet_per_node(nodes, 0.5), model=mlp((64, 16, 10), tanh), batch_size=8)
attack: backdoor(blank_pixels(32), target=3, eps=1.5)
rounds: 48
t0: 16
detectors:
  network: watch(charter(blank_pixels([0, 32, 39])), 'charter_rise', shiryaev_roberts, {PAST})
  identities: watch(charter(blank_pixels([0, 32, 39])), 'charter_push', shiryaev_roberts, {PAST})
correction: [quarantine, replay]
honest_runs: 19
seeds: 2
seed: 100
"""


@pytest.fixture(autouse=True)
def quiet_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "0")


def claims_hold(folder: Path) -> tuple[xr.Dataset, str]:
    """What the page says is in the results; returns both."""
    data = xr.load_dataset(folder / "incidents.nc", engine="h5netcdf")
    page = (folder / "report.html").read_text()
    sentence = re.findall(r'class="verdict">([^<]+)<', page)[0]
    named = data["verdict"].values == "named"
    who = np.flatnonzero(data["named"].values[named].mean(0) > 0.5).tolist()
    start = data.attrs["t0"] + float(data["since"].median())
    assert sentence.startswith(f"Identities {listed(who)} moved the model from about round {start:.0f} on")
    assert f"({named.sum()} of {len(named)} runs name them" in sentence
    harm = {name: float(data[name].median()) for name in ("nothing", "replay")}
    assert f"from {harm['nothing']:.3f} to {harm['replay']:.3f}" in sentence
    np.testing.assert_allclose(data["nothing"], (data["charter_loss"] - data["never"])[:, -1], rtol=1e-6)
    kept = np.isfinite(data["replay"].values)
    ends = data["corrected"].sel(correction="replay").values[:, -1] - data["never"].values[:, -1]
    np.testing.assert_allclose(data["replay"].values[kept], ends[kept], rtol=1e-6)
    for heading in ("deviations are minor", "network knows", "names the owner", "voters delay", "replay repair"):
        assert heading in page
    return data, page


SMALL = {"nodes": 16, "owned": 4, "eps": 1.5, "rounds": 48, "t0": 16, "honest-runs": 19, "seeds": 2}


def test_the_page_says_what_the_results_say(capsys):
    assert (
        main(["demo", "--out", "here", *(word for name, value in SMALL.items() for word in (f"--{name}", str(value)))])
        == 0
    )
    data, _ = claims_hold(Path("here"))
    assert data["owned"].values.tolist() == [False] * 12 + [True] * 4
    assert data.attrs["honest_runs"] == 19 and data.sizes["honest_run"] == 19
    out = capsys.readouterr().out
    assert "results: here/incidents.nc" in out and "report: here/report.html" in out
    page = Path("here/report.html").read_text()
    assert main(["report", "here"]) == 0
    assert Path("here/report.html").read_text() == page


@pytest.mark.slow
def test_the_demo_names_the_owner_and_replay_repairs():
    assert main(["demo", "--out", "here"]) == 0
    data, _ = claims_hold(Path("here"))
    named = data["verdict"].values == "named"
    assert named.sum() >= 5 and (data["wrong"].values[named] <= 1).all() and (data["right"].values[named] >= 14).all()
    assert (data["alarm"][0] >= data.attrs["t0"]).all(), "the network alarms in every run, and never too early"
    assert abs(float(data["replay"].median())) < 0.02 < float(data["quarantine"].median())
    assert data["deviation"].values[:, 60:, 48:].mean() < 1.5


def test_an_incident_from_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ghost.yaml").write_text(FILE)
    assert main(["incident", "ghost.yaml", "--out", "out", "--ledger", "log"]) == 0
    printed = capsys.readouterr().out
    assert "ledger of seed 100: log, " in printed and verify("log") == []
    assert "a further one alarms with probability .05" in printed
    assert "the network alarms in 2 of 2 runs" in printed and "Identities 12 to 15 moved the model" in printed
    with xr.open_dataset(tmp_path / "out" / "incidents.nc") as table:
        named = table["verdict"].values == "named"
        told = table.isel(incident=named)
        assert named.any() and (told["right"] == 4).all() and (told["wrong"] == 0).all()
        assert (told["replay"] < told["quarantine"]).all() and (told["quarantine"] < told["nothing"]).all()
    again = load(tmp_path / "out" / "incident.yaml", IncidentConfig)
    assert again == dataclasses.replace(load(tmp_path / "ghost.yaml", IncidentConfig), ledger="log")


def test_the_defaults_are_the_ghost():
    case = of_config(IncidentConfig())
    assert case.num_nodes == 64 and case.owned.sum() == 16 and case.t0 == 80 and set(case.watches) == {
        "network", "identities",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seeds", "0"], "seeds=0"),
        (["--track", "curves"], "track=curves"),
        (["--ledger-key", "key.pem"], "ledger=none"),
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
