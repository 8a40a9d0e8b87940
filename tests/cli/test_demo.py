"""The demo: what its page claims is in its results, on a small network here and on the whole one in the whole suite."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ghostjax.cli import main
from ghostjax.report._words import listed


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
