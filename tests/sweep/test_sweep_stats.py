"""Last rounds, never the best; intervals whose coverage is simulated; pairs by seed; declared directions."""

import numpy as np
import pytest
import xarray as xr

import ghostjax as gj
from ghostjax._intervals import lowest_interval, t_interval
from ghostjax._sweep._stats import final_value


def dataset(values, seeds):
    """`values [attack, f, seed]` as the accuracy of the last of ten rounds, after a better one."""
    data = np.repeat(np.asarray(values, float)[..., None], 10, axis=-1)
    data[..., 3] = 1.0
    dims = ("protocol.attack", "f", "seed", "round")
    coords = {"protocol.attack": ["A", "B"], "f": [1, 2], "seed": np.arange(seeds)}
    variables = {
        "accuracy": (dims, data, {"better": "higher"}),
        "perplexity": (dims, -data, {"better": "lower"}),
        "norm": (dims, data),
    }
    return xr.Dataset(variables, coords)


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


TRIALS = 6_000


def covered(interval, true, options, seeds, kind, level=0.95):
    """How often the interval of simulated values `[options, trials, seeds]` holds the lowest true mean."""
    draw = np.random.default_rng([options, seeds, len(kind)])
    noise = draw.normal(size=(options, TRIALS, seeds))
    if kind == "together":  # equal seeds share most of what they draw
        noise = 0.3 * noise + draw.normal(size=(TRIALS, seeds))
    spread = np.array([1.0, 4.0, 0.2])[:options, None, None] if kind == "uneven" else 1.0
    low, high = interval(np.asarray(true)[:options, None, None] + spread * noise, level)
    return float(((low <= min(true[:options])) & (min(true[:options]) <= high)).mean())


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 20])
def test_intervals_cover_what_they_say(seeds):
    """One mean between .93 and .97, the worst of three at least .93: equal, apart, together, uneven."""
    one = lambda values, level: t_interval(values[0], level)
    assert 0.93 <= covered(one, [0.0], 1, seeds, "alone") <= 0.97
    assert 0.93 <= covered(lowest_interval, [0.0], 1, seeds, "alone") <= 0.97
    for kind in ("alone", "together", "uneven"):
        for true in ([0.0, 0.0, 0.0], [0.0, 0.3, 1.0], [0.0, 5.0, 5.0]):
            assert covered(lowest_interval, true, 3, seeds, kind) >= 0.93, (kind, true)


def test_a_percentile_bootstrap_would_be_noticed():
    """The twin that resamples five seeds covers far less than it says."""
    rows = np.random.default_rng(2).normal(size=(1000, 5))
    means = rows[:, np.random.default_rng(3).integers(0, 5, (400, 5))].mean(-1)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert ((low <= 0) & (high >= 0)).mean() < 0.9


def test_one_option_is_a_mean_and_uncorrected_limits_would_be_noticed():
    values = np.random.default_rng(4).normal(size=(1, 7, 5))
    np.testing.assert_allclose(lowest_interval(values), t_interval(values[0]))
    middle, error = values[0].mean(-1), values[0].std(-1, ddof=1) / np.sqrt(5)
    table = 2.131847  # Student's t of 4 degrees that one of twenty exceeds, as tables print it
    np.testing.assert_allclose(t_interval(values[0], 0.9), [middle - table * error, middle + table * error], rtol=1e-6)
    plain = lambda values, level: tuple(limit.min(0) for limit in t_interval(values, level))
    assert covered(plain, [0.0] * 3, 3, 5, "alone") < 0.94  # the lowest upper limit of three is low too often


def test_the_worst_case_of_a_dataset_is_that_of_its_values():
    data = noisy(12)
    worst = gj.worst_case(data, "accuracy", "attack")
    values = final_value(data, "accuracy").values
    np.testing.assert_allclose(worst["value"], values.mean(-1).min(0))
    low, high = lowest_interval(values)
    np.testing.assert_allclose(worst["low"], low)
    np.testing.assert_allclose(worst["high"], high)
    assert worst["value"].dims == ("f",) and worst.attrs["over"] == "protocol.attack"
    assert "one partition" in worst.attrs["holds for"]


def test_directions_are_declared_or_asked_for():
    data = noisy(gap=0.5)
    lowest, highest = gj.worst_case(data, "accuracy", "attack"), gj.worst_case(data, "perplexity", "attack")
    assert set(lowest["worst"].values) == set(highest["worst"].values) == {"A"}
    np.testing.assert_allclose(highest["value"], -lowest["value"])
    np.testing.assert_allclose(highest["low"], -lowest["high"])
    assert (highest["low"] <= highest["value"]).all() and (highest["value"] <= highest["high"]).all()
    assert set(gj.worst_case(data, "accuracy", "attack", worst="highest")["worst"].values) == {"B"}
    with pytest.raises(gj.ConfigurationError, match=r"worst_case: metric=norm: .*higher or lower.*worst='lowest'"):
        gj.worst_case(data, "norm", "attack")
    assert set(gj.worst_case(data, "norm", "attack", worst="lowest")["worst"].values) == {"A"}


def test_differences_are_paired_by_seed():
    draw = np.random.default_rng(5)
    shared = draw.normal(size=(1, 2, 6))
    data = dataset(shared + 0.01 * draw.normal(size=(2, 2, 6)) + np.array([0, 0.1])[:, None, None], 6)
    found = gj.difference(data, "accuracy", "attack", against="A")
    assert found["value"].dims == ("protocol.attack", "f") and found["protocol.attack"].values.tolist() == ["B"]
    np.testing.assert_allclose(found["value"], 0.1, atol=0.02)
    assert (found["low"] > 0).all(), "values far apart between seeds, and yet told apart"
    means = gj.mean_over_seeds(data, "accuracy")
    assert (means["high"] - means["low"] > 10 * (found["high"] - found["low"]).max()).all()
    back = gj.difference(data, "accuracy", "attack", "B")
    np.testing.assert_allclose(back["value"].values, -found["value"].values)
    np.testing.assert_allclose(back["high"].values, -found["low"].values)
    by_number = gj.difference(data, "accuracy", "f", 2)
    values = final_value(data, "accuracy").values
    np.testing.assert_allclose(by_number["value"].values[0], (values[:, 0] - values[:, 1]).mean(-1))
    assert found.attrs["better"] == "higher" and int(found["seeds"]) == 6


def test_few_seeds_and_missing_cells_say_so():
    for seeds in (5, 20):
        assert f"only {seeds} seeds" in gj.worst_case(noisy(seeds)).attrs["note"]
    assert "note" not in gj.worst_case(noisy(21)).attrs
    single = gj.worst_case(noisy(1))
    assert np.isnan(single["low"]).all() and np.isfinite(single["value"]).all() and "one seed" in single.attrs["note"]
    data = noisy()
    data["accuracy"][1, 0] = np.nan
    worst = gj.worst_case(data)
    assert np.isnan(worst["value"][0]) and worst["worst"][0] == "" and np.isfinite(worst["value"][1])
    assert np.isnan(worst["low"][0]) and np.isnan(gj.difference(data, over="attack")["low"][0, 0])


@pytest.mark.parametrize(
    ("call", "kwargs", "line"),
    [
        (gj.worst_case, {"metric": "acuracy"}, r"metric='acuracy': did you mean 'accuracy'"),
        (gj.worst_case, {"over": "atack"}, r"over='atack': dimensions are"),
        (gj.worst_case, {"over": "seed"}, r"over='seed': the interval is over seeds"),
        (gj.worst_case, {"level": 95}, r"level=95"),
        (gj.worst_case, {"level": 1}, r"level=1"),
        (gj.worst_case, {"last": 0}, r"last=0"),
        (gj.worst_case, {"last": 2.5}, r"last=2\.5"),
        (gj.worst_case, {"worst": "lower"}, r"worst='lower': did you mean 'lowest'"),
        (gj.difference, {"over": "attack", "against": "C"}, r"difference: against='C'"),
        (gj.mean_over_seeds, {"metric": "done"}, r"metric='done'"),
    ],
)
def test_refused(call, kwargs, line, as_users_run):
    with pytest.raises(gj.ConfigurationError, match=line):
        call(noisy(3), **kwargs)
