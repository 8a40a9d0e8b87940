"""Running from the host: chunks, traces, result codes, labels."""

import sys
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.sinks._reporter import Reporter

from .run_problem import same, simulation, Traced, TRACES


def test_the_chunk_never_changes_a_bit():
    sim = simulation()
    whole = gj.simulate(sim, 23, 3, chunk=64, progress=None)
    for chunk in ("auto", 7):
        same(whole, gj.simulate(sim, 23, 3, chunk=chunk, progress=None))
    state, record = gj.rollout(sim, jax.random.key(3), jnp.ones((23, 6)))
    for name in record:
        np.testing.assert_array_equal(record[name], whole.record[name])
    np.testing.assert_array_equal(state.protocol.theta, whole.models)


def test_one_trace_for_all_knobs_keys_and_lengths():
    TRACES.clear()
    for f, lr, seed, rounds in ((1.0, 0.1, 0, 5), (2.0, 0.2, 1, 70), (0.5, 1e-3, 2, 130)):
        gj.simulate(simulation(f, lr, n=11, metrics=(Traced(),)), rounds, seed, progress=None)
    first = len(TRACES)
    assert 1 <= first <= 3  # what is recorded, the shapes of a record row, and the program itself
    gj.simulate(simulation(n=12, metrics=(Traced(),)), 5, progress=None)
    assert len(TRACES) > first, "another structure must be seen by this count"


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63, 10**30])
def test_a_seed_of_which_jax_would_keep_a_part_is_refused(seed):
    with pytest.raises(gj.ConfigurationError, match=f"simulate: key={seed}: a seed lies between 0 and 4294967295"):
        gj.simulate(simulation(), 1, seed)


def test_float64(x64):
    run = gj.simulate(simulation(), 4, progress=None)
    assert run.models.dtype == jnp.float64
    assert run.provenance["environment"]["x64"] is True


def test_results_say_what_happened():
    play = lambda sim, **kwargs: gj.simulate(sim, 4, progress=None, **kwargs).result
    sim = simulation(byzantine=0)
    assert play(sim) is gj.RunResult.completed
    present = np.ones((4, 6), np.float32)
    present[2] = 0
    assert play(sim, participation=present) is gj.RunResult.nobody_present
    present[1, 2:] = 0
    assert play(sim, participation=present) is gj.RunResult.void_guarantee
    assert play(simulation(lr=np.inf)) is gj.RunResult.diverged
    assert not gj.RunResult.diverged.ok


def test_lost_messages_are_reported():
    class Silent(gj.attacks.AbstractMessageAttack):
        def init(self, like):
            return ()

        def corrupt(self, state, view):
            return state, gj.attacks.Sent(jnp.full_like(view.messages, jnp.nan))

    run = gj.simulate(simulation(attack=Silent()), 3, progress=None)
    assert run.result is gj.RunResult.lost_messages
    np.testing.assert_array_equal(run.record["lost"], 1)


def test_a_goal_that_is_not_finite_is_divergence_although_blank_rounds_are_not():
    sim = simulation()
    sparse = gj.Simulation(sim.task, sim.protocol, byzantine=1, metrics=(gj.metrics.Every(3, gj.metrics.Goal()),))
    run = gj.simulate(sparse, 5, progress=None)
    assert np.isnan(run.record["loss"]).any()
    assert run.result is gj.RunResult.completed
    far = simulation(lr=1e25, byzantine=0)  # finite models, but the square of the distance is not
    assert gj.simulate(far, 3, progress=None).result is gj.RunResult.diverged


def test_labels_and_provenance():
    run = gj.simulate(simulation(f=2.0), 5, progress=None, config={"file": "a.yaml"})
    data = run.dataset
    assert data["norm"].dims == ("round", "node") and data["loss"].dims == ("round",)
    assert data.sizes == {"round": 5, "node": 6}
    assert data["byzantine"].values.tolist() == [False] * 5 + [True]
    assert data.attrs["result"] == "completed"
    assert run.provenance["config"] == {"file": "a.yaml"}
    config = run.provenance["simulation"]
    assert config["protocol"]["aggregator"]["type"] == "ghostjax.aggregators.TrimmedMean"
    assert config["protocol"]["aggregator"]["f"] == 2.0
    assert config["protocol"]["optimizer"]["knobs"]["learning_rate"] == 0.1
    assert run.params()["at"].shape == (5,)
    assert "completed, 5 rounds" in repr(run) and "<table>" in run._repr_html_()


def test_undeclared_dimensions_get_names():
    class Square(gj.metrics.AbstractMetric):
        def __call__(self, round):
            return {"gram": round.messages @ round.messages.T}

    assert gj.simulate(simulation(metrics=(Square(),)), 2, progress=None).dataset["gram"].dims[1:] == (
        "gram_0",
        "gram_1",
    )


def test_saved_and_read_back(tmp_path):
    sim = simulation()
    run = gj.simulate(sim, 4, progress=None)
    run.save(tmp_path)
    back = gj.load_run(tmp_path)
    assert back.result is run.result and back.provenance == run.provenance
    assert back.dataset.identical(run.dataset)
    np.testing.assert_array_equal(back.models, run.models)
    with pytest.raises(gj.ConfigurationError, match="load_run"):
        back.params()
    full = gj.load_run(tmp_path, sim)
    same(full, run)
    np.testing.assert_array_equal(full.params()["at"], run.params()["at"])
    content = bytearray((tmp_path / "final.npz").read_bytes())
    content[100] ^= 1
    (tmp_path / "final.npz").write_bytes(content)
    with pytest.raises(gj.ConfigurationError, match="checksum"):
        gj.load_run(tmp_path)


@pytest.mark.parametrize(
    ("kwargs", "line"),
    [
        ({"rounds": 0}, r"rounds=0"),
        ({"participation": np.ones((3, 6))}, r"participation=array of shape \(3, 6\): .*\(4, 6\)"),
        ({"participation": -np.ones(6)}, r"participation=-1.0"),
        ({"participation": np.full(6, np.nan)}, r"participation=nan"),
        ({"chunk": 0}, r"chunk=0"),
        ({"progress": "loud"}, r"progress=loud"),
    ],
)
def test_refused(kwargs, line):
    with pytest.raises(gj.ConfigurationError, match=f"simulate: {line}"):
        gj.simulate(simulation(), **{"rounds": 4, "progress": None, **kwargs})


def test_participation_of_one_row_holds_for_all_rounds():
    sim, row = simulation(), np.array([1, 1, 0, 1, 1, 1])
    same(
        gj.simulate(sim, 4, participation=row, progress=None),
        gj.simulate(sim, 4, participation=np.tile(row, (4, 1)), progress=None),
    )


def test_the_key_and_the_knobs_survive_donation():
    key, sim = jax.random.key(1), simulation()
    same(gj.simulate(sim, 3, key, progress=None), gj.simulate(sim, 3, key, progress=None))


def test_progress(capsys, monkeypatch):
    seen = []
    gj.simulate(simulation(), 5, chunk=2, progress=lambda done, total, latest: seen.append((done, total, latest)))
    assert [s[:2] for s in seen] == [(2, 5), (4, 5), (5, 5)]
    assert np.isfinite(seen[-1][2]["loss"]) and "norm" not in seen[-1][2]
    monkeypatch.setattr("ghostjax.sinks._reporter.EVERY", 0.0)
    gj.simulate(simulation(), 5, chunk=2, progress="lines")
    out, err = capsys.readouterr()
    first, second = err.splitlines()[:2]
    assert not out and first.startswith("round 2/5  loss") and "left" not in first, "the first piece was compiled too"
    assert second.startswith("round 4/5  ") and "left" in second
    gj.simulate(simulation(), 5, progress=None)
    assert capsys.readouterr() == ("", "")


def test_the_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    gj.simulate(simulation(), 3, progress="auto")
    assert "3/3" in capsys.readouterr().err


def test_the_time_left_is_that_of_work_and_not_of_the_compiler(capsys, monkeypatch):
    clock = iter([0.0, 100.0, 110.0])
    monkeypatch.setattr("ghostjax.sinks._reporter.time.monotonic", lambda: next(clock))
    with Reporter("lines", 13, "round", "simulate") as report:
        for done in (1, 2):
            report.update(done)
    assert capsys.readouterr().err.splitlines() == ["round 1/13", "round 2/13  10.0 s/round  1:50 left"]


def test_a_notebook_gets_one_line_without_widgets(capsys, monkeypatch):
    shown = []

    class Handle:
        def update(self, content, raw):
            shown.append(("update", content["text/plain"]))

    def display(content, raw, display_id):
        shown.append(("display", content["text/plain"]))
        return Handle()

    notebook: Any = types.ModuleType("IPython.display")
    notebook.display = display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("ghostjax.sinks._reporter.REFRESH", 0.0)
    gj.simulate(simulation(), 4, chunk=2)
    (first, line), (second, again), (last, empty) = shown
    assert (first, second, last) == ("display", "update", "update") and capsys.readouterr() == ("", "")
    assert line.startswith("round 2/4  loss") and again.startswith("round 4/4") and "left" in again
    assert empty == "", "the line is taken away at the end"
