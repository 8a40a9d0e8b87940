"""The demo: what its page claims is true, on a small network here and on the whole one in the whole suite."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray

from ghostjax.cli import _demo, main
from ghostjax.cli._naming import deviations, name
from ghostjax.report._verdict import difference, listed


@pytest.fixture(autouse=True)
def quiet_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "0")


def played(effects: np.ndarray, cells: np.ndarray | None = None, swell: float | np.ndarray = 1.0):
    """Scores of a made-up training: an identity that is out has none, the others keep theirs."""
    calls = []

    def scores_of(weights):
        calls.append(weights)
        # Under attack everybody matters more, as in a training that hardly learns.
        scores = effects * weights * np.where((effects > -1) & (weights[effects.min(0) < -1] > 0).any(), swell, 1.0)
        return scores, np.ones((*effects.shape[:1], 4, effects.shape[1])) if cells is None else cells

    return scores_of, calls


def test_who_stands_out_in_every_seed_is_named_and_strong_ones_do_not_hide_weak_ones():
    honest = np.random.default_rng(0).uniform(0.0, 0.1, (2, 20))
    effects = np.concatenate([honest, [[-90.0, -80.0, -0.2], [-95.0, -70.0, -0.2]]], 1)
    scores_of, calls = played(effects, swell=np.where(effects > -0.1, 20.0, 1.0))
    found = name(scores_of, 23)
    assert found.identities == (20, 21, 22) and found.weakest > 3.5 > found.suspect
    assert len(calls) >= 2 and calls[-1].tolist() == [1.0] * 20 + [0.0] * 3
    effects[1, 22] = 0.05  # in one seed only
    assert name(played(effects)[0], 23).identities == (20, 21)


def test_nobody_is_named_where_nobody_stands_out():
    honest = np.random.default_rng(0).uniform(0.0, 0.1, (2, 20))
    assert name(played(honest)[0], 20).identities == ()
    assert name(played(np.zeros((2, 20)))[0], 20).identities == (), "nothing to measure with"
    assert name(played(np.full((2, 20), np.nan))[0], 20).identities == ()
    assert name(played(-10.0 - honest)[0], 20).identities == (), "all alike"
    assert deviations(np.array([[0.0, 1.0, 2.0, 3.0, 100.0]]))[0, -1] == pytest.approx(98 / 1.4826)


def test_since_when_is_the_round_after_which_the_harm_is_largest():
    effects = np.concatenate([np.random.default_rng(0).uniform(0, 0.1, (2, 9)), [[-9.0], [-9.0]]], 1)
    cells = np.zeros((2, 6, 10))
    cells[:, :3, 9], cells[:, 3:, 9] = 0.1, -1.0
    assert name(played(effects, cells)[0], 10).since == 4


def claims_hold(folder: Path) -> tuple[xarray.Dataset, str]:
    """What the page says is in the results; returns both."""
    data, page = xarray.load_dataset(folder / "results.nc", engine="h5netcdf"), (folder / "report.html").read_text()
    tested = {str(t): data["test_accuracy"].sel(training=t).values for t in data["training"].values}
    sentence = re.findall(r'class="verdict">([^<]+)<', page)[0]
    named = [int(one) for one in data.attrs["named"].split()]
    assert sentence.startswith(f"Identities {listed(named)} moved the model from round {data.attrs['since']} on")
    cost = difference(tested["mean, no attack"], tested["mean"])[0]
    assert f"costs the mean {cost:.1f} points" in sentence or f"({cost:+.1f} points" in sentence
    gain = difference(tested[data.attrs["defence"]], tested["mean"])[0]
    assert f"{data.attrs['defence']} ends {gain:.1f} points above" in sentence or f"ends {gain:+.1f} points" in sentence
    for training in _demo.SHOWN:
        assert f"<td>{training}</td><td>{tested[training].mean():.1%}<small>[" in page
    byzantine = data["byzantine"].sel(training="mean").values
    right = int(byzantine[named].sum())
    assert f"{right} of them are named, {int(byzantine.sum()) - right} missed" in page
    assert not data["byzantine"].sel(training="mean, no attack").values.any()
    return data, page


def test_the_page_says_what_the_results_say(monkeypatch, capsys):
    # One program per rule is the price of this test: a rule and a model that compile fast.
    monkeypatch.setattr(_demo, "RULES", {"mean": "mean", "clipping": "centered_clipping(tau=0.5)"})
    monkeypatch.setattr(_demo, "SHOWN", ("mean", "clipping", _demo.FREE, _demo.REMOVED))
    monkeypatch.setattr(_demo, "TASK", "digits(alpha=1, batch_size=16, model=mlp((64, 10)))")
    assert main(["demo", "--out", "here", "--nodes", "16", "--byzantine", "2", "--rounds", "10", "--seeds", "2"]) == 0
    data, page = claims_hold(Path("here"))
    assert dict(data["accuracy"].sizes) == {"training": 5, "seed": 2, "round": 10}
    out = capsys.readouterr().out
    assert "moved the model" in out and "results: here/results.nc" in out and "report: here/report.html" in out
    assert data.attrs["named"] == "14 15", "the two that flip signs"
    assert "names nobody" in page


@pytest.mark.slow
def test_the_demo_names_the_adversary_and_the_defence_pays():
    assert main(["demo", "--out", "here"]) == 0
    data, page = claims_hold(Path("here"))
    assert data.attrs["named"].split() == [str(i) for i in range(54, 64)] and data.attrs["since"] == 1
    assert "(3 of 3 seeds agree)" in page and "the defence pays" in page and "names nobody" in page
    tested = {str(t): data["test_accuracy"].sel(training=t).values for t in data["training"].values}
    assert difference(tested["mean, no attack"], tested["mean"])[1] > 10
    assert difference(tested[_demo.REMOVED], tested["mean, no attack"])[0] > -2
