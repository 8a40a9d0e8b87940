"""Last rounds, never the best; worst cases with the minimum inside each resample."""

import numpy as np
import pytest
import xarray as xr

import ghostjax as gj
from ghostjax._sweep._stats import final_value


def dataset(values, seeds):
    """`values [attack, f, seed]` as the accuracy of the last of ten rounds, after a better one."""
    data = np.repeat(np.asarray(values, float)[..., None], 10, axis=-1)
    data[..., 3] = 1.0
    dims = ("attack", "f", "seed", "round")
    coords = {"attack": ["A", "B"], "f": [1, 2], "seed": np.arange(seeds)}
    return xr.Dataset({"accuracy": (dims, data), "loss": (dims, -data)}, coords)


def noisy(seeds=40, gap=0.0):
    noise = np.random.default_rng(1).normal(size=(2, 2, seeds)) * 0.1
    return dataset(0.5 + noise + np.array([0, gap])[:, None, None], seeds)


def test_the_best_round_never_counts():
    data = noisy()
    assert float(final_value(data, "accuracy", 5).max()) < 0.95
    np.testing.assert_allclose(final_value(data, "accuracy", 1), data["accuracy"].isel(round=-1))


def test_rounds_between_do_not_count_but_a_nan_of_one_cell_stays():
    data = noisy(3)
    data["accuracy"][..., [5, 6, 8]] = np.nan  # an occasional metric
    np.testing.assert_allclose(final_value(data, "accuracy", 3), data["accuracy"].isel(round=[4, 7, 9]).mean("round"))
    data["accuracy"][0, 0, 0, 9] = np.nan  # one cell diverged
    final = final_value(data, "accuracy", 3)
    assert np.isnan(final[0, 0, 0]) and int(np.isnan(final).sum()) == 1


def test_the_minimum_is_inside_the_resample():
    data = noisy()
    worst = gj.worst_case(data, "accuracy", "attack", seed=3)
    values = final_value(data, "accuracy").values
    np.testing.assert_allclose(worst["value"], values.mean(-1).min(0))
    draws = np.random.default_rng(3).integers(0, 40, (2000, 40))
    inside = np.array([values[..., draw].mean(-1).min(0) for draw in draws])
    np.testing.assert_allclose(worst["low"], np.quantile(inside, 0.025, axis=0))
    np.testing.assert_allclose(worst["high"], np.quantile(inside, 0.975, axis=0))
    # The twin that takes the minimum of the intervals is another number, and this test would notice.
    outside = np.quantile(np.array([values[..., draw].mean(-1) for draw in draws]), 0.975, axis=0).min(0)
    assert (outside - worst["high"].values > 1e-4).any()
    assert "note" not in worst.attrs and worst["value"].dims == ("f",)


def test_losses_are_worst_when_highest():
    data = noisy(gap=0.5)
    lowest, highest = gj.worst_case(data, "accuracy", "attack"), gj.worst_case(data, "loss", "attack")
    assert set(lowest["worst"].values) == set(highest["worst"].values) == {"A"}
    np.testing.assert_allclose(highest["value"], -lowest["value"])
    np.testing.assert_allclose(highest["low"], -lowest["high"])
    assert (highest["low"] <= highest["value"]).all() and (highest["value"] <= highest["high"]).all()
    assert set(gj.worst_case(data, "accuracy", "attack", worst="highest")["worst"].values) == {"B"}


def test_the_interval_covers():
    """Two attacks that differ: the interval around the worse one holds its true mean about as often as it says."""
    hits = 0
    for trial in range(100):
        noise = np.random.default_rng(trial).normal(size=(2, 2, 20))
        worst = gj.worst_case(dataset(noise + np.array([0, 3])[:, None, None], 20), resamples=400)
        hits += int((worst["low"] <= 0).values[0] and (worst["high"] >= 0).values[0])
    assert 85 <= hits <= 99


def test_few_seeds_and_missing_cells_say_so():
    assert "only 5 seeds" in gj.worst_case(noisy(5)).attrs["note"]
    single = gj.worst_case(noisy(1))
    assert np.isnan(single["low"]).all() and np.isfinite(single["value"]).all()
    data = noisy()
    data["accuracy"][1, 0] = np.nan
    worst = gj.worst_case(data)
    assert np.isnan(worst["value"][0]) and worst["worst"][0] == "" and np.isfinite(worst["value"][1])


@pytest.mark.parametrize(
    ("kwargs", "line"),
    [
        ({"metric": "acuracy"}, r"metric=acuracy: recorded are \['accuracy', 'loss'\]"),
        ({"over": "atack"}, r"over=atack: dimensions are"),
        ({"level": 95}, r"level=95"),
        ({"last": 0}, r"last=0"),
    ],
)
def test_refused(kwargs, line):
    with pytest.raises(gj.ConfigurationError, match=line):
        gj.worst_case(noisy(3), **kwargs)
