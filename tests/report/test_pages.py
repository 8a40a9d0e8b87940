"""Pages: the verdict first, the numbers of the data, words for every chart, and no way out to other sites."""

import itertools
import re
import shutil
import subprocess

import numpy as np
import plotly.graph_objects as go
import pytest
import xarray

from ghostjax._sweep import Sweep
from ghostjax.cli._pages import sweep_page
from ghostjax.report import comparison, Heading, render, sweep, Table, Verdict
from ghostjax.report._axes import log_ticks, logarithmic, tick_text
from ghostjax.report._scales import DASHES, judgement, PALETTE


ROUNDS, NODES = 12, 5
BYZANTINE = np.array([False, False, False, False, True])


def record(level: float, seeds: int, *, flat: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
    """What a run records, made up: a metric of every section."""
    draw = np.random.default_rng(seed)
    noisy = lambda *shape: draw.uniform(0.9, 1.1, (seeds, ROUNDS, *shape))
    influence = np.full((seeds, ROUNDS, NODES), 1 / NODES) if flat else noisy(NODES) / NODES
    return {
        "accuracy": level * noisy(),
        "loss": 1 - level * noisy() / 2,
        "worst_loss": 2 - level * noisy(),
        "honest_distance": 10 ** -draw.uniform(0, 3, (seeds, ROUNDS)),
        "honest_bound": noisy() if level > 0.5 else np.full((seeds, ROUNDS), np.inf),
        "message_spread": noisy(),
        "influence": influence,
        "byzantine_share": influence[:, :, -1],
    }


def ranking() -> comparison.Ranking:
    scores = np.array([0.2, 0.1, 0.3, 0.15, -0.5])
    return comparison.Ranking("mean", scores, scores * 1.1, 1.0, 0)


SUMMARY = {
    "data": {"classes": [0, 1], "histogram": [[3, 1]] * NODES, "total_variation": 0.2, "imbalance": 1.0,
             "classes_per_node": 2.0},
    "network": {"spectral_gap": 0.25},
}  # fmt: skip


@pytest.fixture(scope="module")
def records():
    return {"mean": record(0.4, 3, flat=True), "robust": record(0.9, 3, seed=1), "free": record(0.95, 3, seed=2)}


@pytest.fixture(scope="module")
def page(records):
    blocks = comparison.blocks(records, BYZANTINE, ranking(), SUMMARY, baseline="free")
    verdict = Verdict("One answer.", ["a <ground>", "see `margin`"])
    return render("Title", "Where it comes from.", [verdict, *blocks], "key: value")


def body(page: str) -> str:
    return page[page.index("<main>") : page.rindex("</main>")]


def test_nothing_leads_out_of_a_page(page):
    assert "default-src 'none'" in page and "form-action 'none'" in page and "base-uri 'none'" in page
    assert "plotly.com" not in page, "the library's address for sharing charts"
    assert not re.search(r"""(src|href|action)=\\?["']https?://""", page)
    assert not re.search(r"https?://", body(page))
    for switch in ("displayModeBar: false", "showSendToCloud: false", "showLink: false", "plotlyServerURL: ''"):
        assert switch in page


def test_the_verdict_comes_first(page):
    order = [page.index(text) for text in ("<h1>", 'class="verdict"', "a &lt;ground&gt;", 'class="subtitle"', "<h2>")]
    assert order == sorted(order)
    assert page.count('class="subtitle"') == 1
    assert "<li>see <code>margin</code></li>" in page


def test_every_chart_is_told_in_words_and_has_a_title(page):
    charts = re.findall(r'<div id="(figure-\d+)" class="chart"[^>]* role="img" aria-label="([^"]+)"', page)
    assert len(charts) == page.count('class="chart"') == len(re.findall(r"^draw\('figure", page, re.MULTILINE)) >= 7
    assert page.count("<noscript>") == page.count("<h3") == len(charts)
    said = dict(charts)["figure-0"]
    assert said.startswith("Accuracy, by round: mean from ") and "; robust from " in said


def test_dark_print_and_phone_have_their_styles(page):
    for rule in ("@media screen and (prefers-color-scheme: dark)", "@media print", "@media (max-width: 600px)"):
        assert rule in page
    assert "addEventListener('beforeprint'" in page and "prefers-color-scheme: dark)').addEventListener" in page
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page


def test_the_numbers_are_those_of_the_data(page, records):
    for name, values in records.items():
        final = values["accuracy"][:, -2:].mean()  # a fifth of twelve rounds
        assert f"<td>{name}</td><td>{final:.1%}<small>[" in page
        where = "without an attack" if name == "free" else f"with {name}"
        assert f"<b>{final:.1%}</b><span>accuracy {where}</span>" in page
    assert "<b>1 of 5</b><span>identities held by the adversary</span>" in page


def test_one_seed_has_no_bands_and_no_intervals():
    blocks = comparison.blocks({"mean": record(0.4, 1)}, BYZANTINE)
    text = body(render("", "", blocks))
    assert "band" not in text and "over seeds" not in text and "<small>" not in text
    assert "Lines are means over 3 seeds" in body(
        render("", "", comparison.blocks({"mean": record(0.4, 3)}, BYZANTINE))
    )


def test_a_map_in_which_all_is_equal_is_a_sentence(records):
    only = {name: records[name] for name in ("mean", "robust")}
    text = body(render("", "", comparison.blocks(only, BYZANTINE)))
    assert "With mean everybody has the fair share in every round." in text
    assert ">Influence with robust<" in text and ">Influence with mean<" not in text


def test_what_a_rule_moved_is_one_chart_with_one_scale(page):
    assert page.count(">Distance from the honest mean<") == 1


@pytest.mark.parametrize("low", [1e-9, 3e-4, 0.013, 0.7, 4.0])
@pytest.mark.parametrize("factor", [1.0, 1.5, 7.0, 40.0, 2e4, 1e12])
def test_ticks_of_a_logarithmic_axis_are_written_out(low, factor):
    ticks = log_ticks(low, low * factor)
    words = [tick_text(tick) for tick in ticks]
    assert 1 <= len(ticks) <= 12 and len(set(words)) == len(words)
    assert all(a < b for a, b in itertools.pairwise(ticks))
    assert ticks[0] <= low * (1 + 1e-9) and (ticks[-1] >= low * factor * (1 - 1e-9) or factor >= 1e12)
    assert [float(word) for word in words] == pytest.approx(ticks)


def test_an_axis_shows_these_ticks_and_nothing_without_values():
    figure = go.Figure()
    logarithmic(figure, [np.array([0.1, np.nan, 0.0, 3.0])])
    axis = figure.to_dict()["layout"]["yaxis"]
    assert axis["type"] == "log" and list(axis["ticktext"]) == ["0.1", "0.2", "0.5", "1", "2", "5"]
    assert axis["range"][0] < -1 and axis["range"][1] > np.log10(5)
    logarithmic(empty := go.Figure(), [np.array([np.nan, 0.0])])
    assert "type" not in empty.to_dict()["layout"].get("yaxis", {})


def seen_without(kind: str, colour: str) -> np.ndarray:
    """A colour as people without red or green cones see it (Viénot, Brettel and Mollon, 1999), linear light."""
    rgb = (np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255) ** 2.2
    to = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    long, middle, short = to @ rgb
    if kind == "red":
        long = 2.02344 * middle - 2.52581 * short
    else:
        middle = 0.494207 * long + 1.24827 * short
    return np.linalg.solve(to, np.array([long, middle, short]))


@pytest.mark.parametrize("kind", ["red", "green"])
def test_good_and_bad_differ_for_all_eyes(kind):
    (_, bad), _, (_, good) = judgement(high_is_good=True)
    assert np.abs(seen_without(kind, bad) - seen_without(kind, good)).max() > 0.15
    red_green = np.abs(seen_without(kind, "#b3473f") - seen_without(kind, "#2f6f57")).max()
    assert red_green < 0.15, "the scale from red to green, which this replaces"
    assert judgement(high_is_good=False)[0][1] == good


def test_lines_differ_by_more_than_colour():
    assert len(set(zip(PALETTE, DASHES * 2, strict=False))) == len(PALETTE) and len(set(DASHES)) == len(DASHES)


def swept(done: np.ndarray, values: np.ndarray) -> Sweep:
    """A sweep over two rules and two attacks, made up."""
    dims = ("protocol.aggregator", "attack", "seed")
    coords = {"protocol.aggregator": ["mean", "median"], "attack": ["alie", "ipm"], "seed": np.arange(done.shape[2])}
    accuracy = np.where(done, values, np.nan)[..., None] * np.ones(6)
    result = np.where(done, "completed", "")
    variables = {
        "done": (dims, done),
        "result": (dims, result),
        "accuracy": ((*dims, "round"), accuracy, {"better": "higher"}),
    }
    return Sweep(xarray.Dataset(variables, coords))


VALUES = np.array([[[0.50, 0.52, 0.54], [0.90, 0.91, 0.92]], [[0.80, 0.81, 0.82], [0.85, 0.86, 0.87]]])


def test_a_sweep_answers_first_which_point_is_best(tmp_path):
    text = sweep_page(tmp_path, swept(np.ones((2, 2, 3), bool), VALUES), "axes: {}").read_text()
    verdict = re.findall(r'class="verdict">([^<]+)<', text)
    assert len(verdict) == 1
    assert verdict[0].startswith("The best worst case is accuracy 0.810 [")
    assert verdict[0].endswith("], with aggregator = median; the worst attack there is alie.")
    assert ">Worst accuracy<" in text and "continues" not in body(text)


def test_a_sweep_of_a_metric_that_is_no_accuracy_is_judged_by_what_it_declares(tmp_path):
    made = swept(np.ones((2, 2, 3), bool), VALUES)
    odd = made.dataset.rename({"accuracy": "perplexity"})
    odd["perplexity"].attrs["better"] = "lower"
    text = sweep_page(tmp_path, Sweep(odd), "axes: {}").read_text()
    assert 'class="verdict">The best worst case is perplexity 0.860 [' in text
    assert "with aggregator = median; the worst attack there is ipm." in text
    del odd["perplexity"].attrs["better"]
    assert "no metric declares which of its values are better" in sweep_page(tmp_path, Sweep(odd), "").read_text()


def test_an_unfinished_sweep_says_what_is_there_and_draws_nothing_empty(tmp_path):
    done = np.ones((2, 2, 3), bool)
    done[:, 1] = False
    done[1, 1, 0] = True
    text = body(sweep_page(tmp_path, swept(done, VALUES), "").read_text())
    assert "Unfinished: 7 of 12 cells are done. 2 of 4 points have all their 3 seeds, 1 some of them." in text
    assert 'class="chart"' not in text, "no rule has all attacks, so there is no worst case to draw"
    assert "No point has all its attacks and seeds yet" in text and "nan" not in text
    assert "<td>median | ipm</td><td>1 of 3</td><td>-</td>" in text
    assert "The same command continues" in text


def test_a_sweep_half_of_which_is_there_draws_that_half():
    done = np.ones((2, 2, 3), bool)
    done[1, 1, 2] = False
    text = render("", "", sweep.blocks(swept(done, VALUES)))
    assert ">Worst accuracy<" in text and "1 of 2 points are blank" in text and "nan" not in body(text)


def test_a_sweep_of_one_seed_has_no_ranges():
    text = render("", "", sweep.blocks(swept(np.ones((2, 2, 1), bool), VALUES[:, :, :1])))
    assert "of one seed" in text and "0.80]" not in text and "<small>" not in body(text)
    drawn = text.rpartition("</main>")[2]
    assert "0.80" in drawn and "[0.80, 0.80]" not in drawn and "nan" not in drawn


def test_text_from_users_is_no_markup():
    page = render("<b>", "<i>", [Heading("<u>", "&"), Table(["<s>"], [["<em>  [<tt>]"]])], "</pre><script>")
    assert not re.search("<(b|i|u|s|em|tt)>", body(page)) and "</pre><script>" not in page


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_draws_every_chart_and_offers_no_button(page, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page)
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000",
        "--blink-settings=preferredColorScheme=0",
    ]  # fmt: skip
    seen = subprocess.run([*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120).stdout
    drawn = body(seen)
    assert drawn.count('class="plot-container plotly"') == page.count('class="chart"')
    assert "Share" not in drawn and 'class="modebar-btn' not in drawn
    assert "fill: rgb(228, 233, 239)" in drawn, "charts take the colours of the dark page"
    picture = tmp_path / "page.png"
    subprocess.run([*command, "--window-size=1400,3200", f"--screenshot={picture}", path.as_uri()], timeout=120)
    assert picture.stat().st_size > 50_000
