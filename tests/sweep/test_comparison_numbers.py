"""Numbers of the comparison page: last rounds, intervals, pairs by seed."""

import numpy as np

from ghostjax._intervals import t_interval
from ghostjax.report import comparison
from ghostjax.report._numbers import differences, last, spread, table
from ghostjax.report._page import Heading, Table


def records(seeds=4, gap=0.05):
    shared = np.random.default_rng(0).normal(0.7, 0.1, size=(seeds, 1))
    own = np.random.default_rng(1).normal(0, 0.002, size=(2, seeds, 20))
    return {"mean": {"accuracy": shared + own[0]}, "median": {"accuracy": shared + gap + own[1]}}


def test_the_last_rounds_count_and_who_lost_its_numbers_has_none():
    values = np.arange(20.0)[None] * np.ones((2, 1))
    np.testing.assert_array_equal(last(values), [17.5, 17.5])
    occasional = np.full((2, 20), np.nan)
    occasional[:, [0, 4, 9, 14, 19]] = [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(last(occasional), [5, 5])
    np.testing.assert_array_equal(last(occasional[:, :18]), [4, 4])  # not a multiple of its period
    occasional[0, 19] = np.nan  # one seed diverged
    np.testing.assert_array_equal(last(occasional), [np.nan, 5])
    values[:, 12:] = np.nan  # all diverged
    assert np.isnan(last(values)).all() and np.isnan(last(values[:, :13])).all()
    assert np.isnan(last(np.full((2, 5), np.nan))).all() and last(np.array([[3.0]])) == 3


def test_tables_hold_intervals_and_differences_are_paired():
    found = records()
    columns, rows = table(found)
    assert columns == ["rule", "accuracy"] and [row[0] for row in rows] == ["mean", "median"]
    finals = {name: last(record["accuracy"]) for name, record in found.items()}
    low, high = t_interval(finals["mean"])
    assert rows[0][1] == f"{finals['mean'].mean():.1%}  [{low:.1%}, {high:.1%}]"
    columns, rows = differences(found, "mean")
    gap = finals["median"] - finals["mean"]
    low, high = t_interval(gap)
    assert columns == ["minus mean", "accuracy"] and rows == [
        ["median", f"{100 * gap.mean():+.1f} points  [{100 * low:+.1f} points, {100 * high:+.1f} points]"]
    ]
    assert low > 0.04, "seeds differ by .1, and yet the two are told apart"


def test_seeds_without_a_number_are_counted():
    form = "{:.1f}".format
    assert spread(np.array([1.0, np.nan]), form) == "1.0  [of 1 of 2 seeds; the others have no number]"
    assert spread(np.array([np.nan]), form) == "-" and spread(np.array([2.0]), form) == "2.0"


def test_the_page_has_both_and_says_what_intervals_speak_about():
    page = comparison.blocks(records(), np.arange(6) >= 5)
    titles = [block.title for block in page if isinstance(block, Heading)]
    assert titles[-2:] == ["Final values", "Paired differences"]
    assert len([block for block in page if isinstance(block, Table)]) == 2
    said = next(block.text for block in page if isinstance(block, Heading) and block.title == "Final values")
    assert "same partition" in said and "only 4 seeds" in said
    single = {name: {"accuracy": record["accuracy"][:1]} for name, record in records().items()}
    titles = [block.title for block in comparison.blocks(single, np.arange(6) >= 5) if isinstance(block, Heading)]
    assert "Paired differences" not in titles
