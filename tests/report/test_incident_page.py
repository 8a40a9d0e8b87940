"""The page of an incident says what its dataset says, also when nobody is named or nothing alarms."""

import numpy as np
import pytest
import xarray as xr

from ghostjax.report import render
from ghostjax.report._incident_figures import network_first
from ghostjax.report._words import listed
from ghostjax.report.incident import blocks, table, verdict


RUNS, ROUNDS, NODES, T0 = 4, 30, 8, 10
OWNED = np.arange(NODES) >= 6


def story(**changed):
    """A made-up incident of four runs: three name the owned, one waits."""
    draw = np.random.default_rng(0)
    named = np.tile(OWNED, (RUNS, 1)) & (np.arange(RUNS) < 3)[:, None]
    rise = np.where(np.arange(ROUNDS) < T0, 0.0, (np.arange(ROUNDS) - T0) * 0.01)
    never = np.full((RUNS, ROUNDS), 0.2)
    data = {
        "result": ("incident", ["executed"] * RUNS),
        "detect": ("incident", [4.0, 6.0, 8.0, 5.0]),
        "since": ("incident", [1.0, 2.0, 3.0, 2.0]),
        "verdict": ("incident", ["named", "named", "named", "wait"]),
        "right": ("incident", [2, 2, 2, 0]),
        "wrong": ("incident", [0, 0, 0, 0]),
        "executed": ("incident", [0.05] * RUNS),
        "nothing": ("incident", [0.19] * RUNS),
        "quarantine": ("incident", [0.06, 0.06, 0.06, np.nan]),
        "replay": ("incident", [0.001, 0.001, 0.001, np.nan]),
        "charter_loss": (("incident", "round"), never + rise),
        "never": (("incident", "round"), never),
        "accuracy": (("incident", "round"), np.full((RUNS, ROUNDS), 0.96)),
        "honest_accuracy": (("honest_run", "round"), np.full((19, ROUNDS), 0.97)),
        "deviation": (("incident", "round", "node"), draw.uniform(0.5, 1.5, (RUNS, ROUNDS, NODES))),
        "evidence": (("watch", "incident", "round"), draw.uniform(0, 2, (2, RUNS, ROUNDS))),
        "threshold": ("watch", [3.0, 5.0]),
        "honest_evidence": (("watch", "honest_run"), draw.uniform(0, 3, (2, 19))),
        "alarm": (("watch", "incident"), [[14, 16, 18, 15], [20, 16, -1, 12]]),
        "score": (("incident", "node"), np.where(OWNED, 1.0, -0.1) + draw.uniform(0, 0.1, (RUNS, NODES))),
        "named": (("incident", "node"), named),
        "owned": ("node", OWNED),
        "corrected": (("correction", "incident", "round"), np.stack([never + 0.06, never])),
        "chance": ("captured", [1.0, 0.1]),
        "decides": ("captured", [16.0, np.inf]),
        "drawn": ("captured", [16.0, np.nan]),
        "meanwhile": ("captured", [0.05, 0.19]),
        **changed,
    }
    coords = {"correction": ["quarantine", "replay"], "watch": ["network", "identities"], "captured": [0.0, 0.5]}
    attributes = {"t0": T0, "honest_runs": 19, "rank": 19, "low": 0.001, "high": 0.18, "alarm": "network"}
    columns = [name for name, one in data.items() if one[0] == "incident"]
    attributes["columns"] = "\n".join(columns)
    return xr.Dataset(data, coords, attributes)


NOBODY = np.zeros((RUNS, NODES), bool)
SENTENCES = {
    "named": (
        {},
        "Identities 6 and 7 moved the model from about round 12 on (3 of 4 runs name them, the others wait); the "
        "network alarms in 4 of 4 runs, 6 rounds after the start; replay brings the harm at the end from 0.190 to "
        "0.001.",
    ),
    "all wait": (
        {"verdict": ("incident", ["wait"] * RUNS), "named": (("incident", "node"), NOBODY)},
        "The model was moved, and nobody can be named: the network alarms in 4 of 4 runs",
    ),
    "no alarm": (
        {"verdict": ("incident", ["nobody"] * RUNS), "detect": ("incident", [np.nan] * RUNS),
         "named": (("incident", "node"), NOBODY)},
        "No alarm in 4 runs: nothing is known and nobody is named.",
    ),
    "not repaired": (
        {name: ("incident", [np.nan] * RUNS) for name in ("quarantine", "replay")},
        "the harm at the end is 0.190, not repaired",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SENTENCES)
def test_the_sentence_says_what_the_numbers_say(case):
    changed, words = SENTENCES[case]
    data = story(**changed)
    answer = verdict(data)
    assert words in answer.sentence and "nan" not in answer.sentence
    assert any("19 honest runs" in ground and "0.001 to 0.180" in ground for ground in answer.grounds)
    assert "one principal owns identities 6 and 7 of 8" in answer.grounds[-1] and "round 10" in answer.grounds[-1]
    page = render("Title", "", blocks(data))
    assert page.count('class="chart"') == 5 and ">nan<" not in page and ": nan" not in page
    order = [page.index(f"<h2>{i}. ") for i in range(1, 6)]
    assert order == sorted(order)


def test_the_network_is_first_only_strictly():
    assert network_first(story()).tolist() == [True, False, True, False]


def test_a_page_without_deviations_says_so():
    data = story().drop_vars("deviation")
    assert "Deviations were not recorded." in render("", "", blocks(data))


def test_the_table_has_a_row_per_run_and_medians():
    columns, rows = table(story())
    assert columns[:3] == ["run", "result", "detect"] and len(rows) == RUNS + 1
    assert rows[0][:3] == ["0", "executed", "4"] and rows[3][-1] == "-"
    assert rows[-1][0] == "median" and rows[-1][1] == "-" and rows[-1][2] == "5.500"


def test_votes_that_never_pass_are_words():
    page = render("", "", blocks(story()))
    assert "<td>never</td>" in page and "inf" not in page[page.index("4. Captured") : page.index("5. Rollback")]


def test_neighbours_become_a_range():
    assert listed([5]) == "5" and listed([5, 3]) == "3 and 5" and listed([1, 2, 3, 9, 12, 13]) == "1 to 3, 9, 12 and 13"
