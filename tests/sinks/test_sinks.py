"""Sinks: every row once and in order, also when a run is killed, continued or stopped early; and no run lost by one."""

import contextlib
import json
import sys
import types

import numpy as np
import pytest

import ghostjax as gj

from ..run.run_problem import checkpoint, same, simulation


ROUNDS, SEED = 12, 5


class Stop(Exception):
    pass


class Follower(gj.sinks.AbstractSink):
    """Notes every call; raises at a row, a checkpoint or the end, if it is asked to."""

    def __init__(self, **at):
        self.at, self.calls, self.seen, self.path = at, [], [], None

    def begin(self, beginning):
        self.calls.append(("begin", beginning.round))
        self.beginning = beginning
        self.seen = [(i, float(loss)) for i, loss in enumerate(beginning.record.get("loss", ()))]
        assert len(self.seen) == beginning.round

    def rows(self, rows, start):
        self.calls.append(("rows", start, len(rows["loss"])))
        for i, loss in enumerate(rows["loss"]):
            if self.at.get("row") == start + i:
                raise Stop("row")
            self.seen.append((start + i, float(loss)))

    def saved(self, path, round):
        self.calls.append(("saved", round))
        self.path = path
        assert path.exists() and checkpoint(path.parent).round == round
        if self.at.get("saved") == round:
            raise Stop("saved")

    def end(self, run):
        self.calls.append(("end", None if run is None else run.result.name))
        if self.at.get("end"):
            raise Stop("end")


def play(*sinks, rounds=ROUNDS, sim=None, **kwargs):
    kwargs = {"chunk": 2, "checkpoint_seconds": 0, "progress": None, **kwargs}
    return gj.simulate(simulation() if sim is None else sim, rounds, SEED, sinks=sinks, **kwargs)


@pytest.fixture(scope="module")
def whole():
    return gj.simulate(simulation(), ROUNDS, SEED, progress=None)


def every_row_once(follower, run):
    assert follower.seen == list(enumerate(map(float, run.record["loss"])))


def test_every_row_once_and_in_order(tmp_path, whole):
    follower, second = Follower(), Follower()
    same(play(follower, second, directory=tmp_path), whole)
    every_row_once(follower, whole)
    assert follower.calls == second.calls and follower.calls[0] == ("begin", 0)
    assert [call[1] for call in follower.calls if call[0] == "saved"] == [2, 4, 6, 8, 10, 12]
    assert follower.calls[-1] == ("end", "completed")
    started = follower.beginning
    assert started.training.rounds == ROUNDS and started.provenance["rounds"] == ROUNDS and len(started.name) == 16
    play(follower, directory=tmp_path)  # finished: read back and not played
    assert follower.calls[-2:] == [("begin", 12), ("end", "completed")]
    every_row_once(follower, whole)


def test_the_device_plays_one_chunk_ahead(monkeypatch):
    calls = []
    from ghostjax._run import _simulate

    advance = _simulate.advance
    monkeypatch.setattr(_simulate, "advance", lambda *args: (calls.append("play"), advance(*args))[1])

    class Seen(Follower):
        def rows(self, rows, start):
            calls.append("rows")

    play(Seen(), rounds=8)
    assert calls == ["play", "play", "rows", "play", "rows", "play", "rows", "rows"]


@pytest.mark.parametrize("at", [{"row": 7}, {"saved": 6}])
def test_an_exception_in_a_sink_loses_nothing(tmp_path, whole, at):
    failing, follower = Follower(**at), Follower()
    with pytest.raises(Stop) as caught:
        play(failing, follower, directory=tmp_path)
    played = checkpoint(tmp_path).round
    note = caught.value.__notes__[0]
    assert "raised by the sink Follower" in note and f"its first {played} rounds are saved in {tmp_path}" in note
    assert 6 <= played < ROUNDS and len(follower.seen) == played, "the rows that were played reach the others"
    assert failing.calls[-1] == follower.calls[-1] == ("end", None)
    assert gj.verify(tmp_path) == []
    again = Follower()
    same(play(again, directory=tmp_path), whole)
    assert again.calls[0] == ("begin", played)
    every_row_once(again, whole)


def test_without_a_directory_the_note_says_what_is_lost():
    with pytest.raises(Stop) as caught:
        play(Follower(row=3))
    assert "nothing of it is kept; with directory=" in caught.value.__notes__[0]

    def progress(done, total, latest):
        raise Stop

    with pytest.raises(Stop) as caught:
        play(progress=progress)
    assert "raised by the sink Progress" in caught.value.__notes__[0]


def test_an_exception_at_the_end_is_told_and_the_run_is_whole(tmp_path, whole):
    follower = Follower()
    with pytest.warns(UserWarning, match=r"sinks=Follower: its end failed \(Stop: end\); the run is whole"):
        same(play(Follower(end=True), follower), whole)
    assert follower.calls[-1] == ("end", "completed")


def test_what_is_no_sink_is_refused(as_users_run):
    for wrong, line in ((Follower(), "give a list"), ([print], r"\[0\]=print"), ([Follower], "make an object")):
        with pytest.raises(gj.ConfigurationError, match=f"^simulate: sinks.*{line}"):
            gj.simulate(simulation(), 2, sinks=wrong)


def test_a_run_that_goes_on_in_memory_has_sinks_too(whole):
    follower = Follower()
    same(play(rounds=4).extend(ROUNDS, chunk=2, progress=None, sinks=[follower]), whole)
    assert follower.calls[0] == ("begin", 4)
    every_row_once(follower, whole)


# Early stopping


class Scripted(gj.metrics.AbstractMetric):
    """Records a value that is lowest in round 3, one that declares nothing, and one per node."""

    outputs = {
        "valley": gj.metrics.Output(better="lower"),
        "hill": gj.metrics.Output(better="higher"),
        "each": gj.metrics.Output(dims=("node",), better="lower"),
    }

    def __call__(self, round):
        value = abs(round.index - 3).astype(round.losses.dtype)
        return {"valley": value, "hill": -value, "each": round.losses, "plain": value}


def scripted(every=1):
    return simulation(metrics=(Scripted() if every == 1 else gj.metrics.Every(every, Scripted()),))


@pytest.mark.parametrize(
    ("metric", "chunk"),
    [
        pytest.param(
            metric, chunk, marks=() if (metric, chunk) in (("valley", 5), ("hill", "auto")) else pytest.mark.slow
        )
        for metric in ("valley", "hill")
        for chunk in (1, 5, 64, "auto")
    ],
)
def test_a_run_ends_in_the_same_round_under_every_chunk(metric, chunk):
    # Best in round 3; rounds 4, 5, 6 are not better: the third of them is seen after 8 rounds, a multiple of 4.
    stop = gj.sinks.EarlyStopping(metric, patience=3, every=4)
    run = play(stop, rounds=40, sim=scripted(), chunk=chunk)
    assert run.rounds == 8 and run.result is gj.RunResult.stopped and run.result.ok
    same(run, play(rounds=8, sim=scripted()))
    assert run.training is not None
    cells = gj.attribution.adjoint(run, probes=0).cells
    assert run.training.rounds == 40 and cells is not None and cells.shape == (8, 6)


def test_patience_counts_what_was_recorded():
    stop = gj.sinks.EarlyStopping("valley", patience=2, every=1)
    # Due in rounds 0, 4, 9, 14, ...: worse than the best, round 4, for the second time in round 14.
    assert play(stop, rounds=40, sim=scripted(every=5)).rounds == 15
    assert play(gj.sinks.EarlyStopping("valley", 1, least=2.5, every=1), rounds=40, sim=scripted()).rounds == 2


def test_a_run_that_was_stopped_stays_stopped_until_it_is_asked_for_more(tmp_path):
    sim = scripted()
    stop = lambda patience=3: gj.sinks.EarlyStopping("valley", patience=patience, every=4)
    with pytest.raises(Stop):
        play(Follower(row=5), stop(), rounds=40, sim=sim, directory=tmp_path)
    run = play(stop(), rounds=40, sim=sim, directory=tmp_path)
    assert run.rounds == 8 and run.result is gj.RunResult.stopped
    follower = Follower()
    assert play(stop(), follower, rounds=40, sim=sim, directory=tmp_path).rounds == 8
    assert follower.calls == [("begin", 8), ("end", "stopped")]
    assert gj.load_run(tmp_path).result is gj.RunResult.stopped and gj.verify(tmp_path) == []
    assert play(stop(9), rounds=40, sim=sim, directory=tmp_path).rounds == 16
    same(play(rounds=20, sim=sim, directory=tmp_path), play(rounds=20, sim=sim))


def test_graver_things_are_said_first():
    stop = gj.sinks.EarlyStopping("valley", patience=1, every=1)
    sim = gj.Simulation(scripted().task, scripted().protocol, byzantine=3, metrics=(Scripted(),))
    assert play(stop, rounds=40, sim=sim).result is gj.RunResult.outnumbered


@pytest.mark.parametrize(
    ("metric", "line"),
    [
        ("vally", "did you mean 'valley'"),
        ("nothing at all", "use one of present, lost"),
        ("each", r"it has dimensions \('node',\)"),
        ("plain", "it does not say which direction is better"),
    ],
)
def test_a_metric_that_says_no_direction_stops_nothing(metric, line):
    follower = Follower()
    with pytest.raises(gj.ConfigurationError, match=f"EarlyStopping: metric='{metric}': {line}"):
        play(follower, gj.sinks.EarlyStopping(metric, patience=1), sim=scripted())
    assert follower.calls == [("begin", 0), ("end", None)]


@pytest.mark.parametrize("kwargs", [{"patience": 0}, {"patience": 1, "every": 0}, {"patience": 1, "least": -1}])
def test_early_stopping_refuses(kwargs):
    with pytest.raises(gj.ConfigurationError, match=r"^EarlyStopping: "):
        gj.sinks.EarlyStopping("loss", **kwargs)


# What writes elsewhere


def sparse():
    """Records the goal in every third round only."""
    sim = simulation()
    metrics = (gj.metrics.Every(3, gj.metrics.Goal()), *sim.metrics[1:])
    return gj.Simulation(sim.task, sim.protocol, byzantine=1, attack=gj.attacks.ALIE(z=1.5), metrics=metrics)


def logged(path):
    head, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(head["run"]) == 16
    return lines


def test_jsonl_holds_every_entry_that_was_due(tmp_path):
    run = play(gj.sinks.JSONL(tmp_path / "log.jsonl"), sim=sparse())
    lines = logged(tmp_path / "log.jsonl")
    assert [line["round"] for line in lines] == list(range(ROUNDS))
    for line in lines:
        i = line["round"]
        assert ("loss" in line) == (i == 0 or (i + 1) % 3 == 0)
        np.testing.assert_array_equal(np.float32(line["norm"]), run.record["norm"][i])
        assert line["count"] == run.record["count"][i]
        assert "loss" not in line or line["loss"] == run.record["loss"][i]


def test_jsonl_has_no_number_that_json_has_not(tmp_path):
    play(gj.sinks.JSONL(tmp_path / "log"), sim=simulation(lr=np.inf), rounds=4)
    lines = logged(tmp_path / "log")
    assert lines[-1]["loss"] is None and "NaN" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("torn", [False, True])
def test_jsonl_is_whole_whatever_a_crash_left(tmp_path, torn):
    log, sim = tmp_path / "log", sparse()
    with pytest.raises(Stop):
        play(gj.sinks.JSONL(log), Follower(row=7), sim=sim, directory=tmp_path / "run", checkpoint_seconds=1e9)
    with log.open("a") as file:  # rounds beyond the checkpoint, as a kill leaves them
        file.write('{"round": 99}\n' + ('{"rou' if torn else ""))
    play(gj.sinks.JSONL(log), sim=sim, directory=tmp_path / "run")
    play(gj.sinks.JSONL(tmp_path / "other"), sim=sim)
    assert logged(log) == logged(tmp_path / "other")
    log.unlink()  # attached later, or lost
    play(gj.sinks.JSONL(log), sim=sim, directory=tmp_path / "run", rounds=14)
    assert [line["round"] for line in logged(log)] == list(range(14))


def test_what_lies_there_is_not_written_over(tmp_path):
    log = tmp_path / "log"
    for content in ("my notes\n", "[1]\n", '{"run": "another"}\n'):
        log.write_text(content)
        with pytest.raises(gj.ConfigurationError, match=r"JSONL: path=.*another file is there"):
            play(gj.sinks.JSONL(log))
        assert log.read_text() == content
    with pytest.raises(gj.ConfigurationError, match="JSONL: path="):
        play(gj.sinks.JSONL(tmp_path))


def test_results_without_checkpoints(tmp_path):
    run = play(gj.sinks.Results(tmp_path / "out"))
    same(gj.load_run(tmp_path / "out", simulation()), run)
    with contextlib.suppress(Stop):
        play(Follower(row=3), gj.sinks.Results(tmp_path / "none"))
    assert not (tmp_path / "none" / "seal.json").exists()
    with pytest.raises(gj.ConfigurationError, match=r"Results: directory=.*cannot be written to"):
        play(gj.sinks.Results("/proc/nowhere"))


class Service(types.ModuleType):
    """What the sink uses of wandb, with the steps that the service knows already."""

    def __init__(self, step=0):
        super().__init__("wandb")
        self.rows, self.step, self.finished = [], step, None

    def init(self, **options):
        self.options = options
        return self

    def log(self, values, step):
        self.rows.append((step, values))

    def finish(self, exit_code):
        self.finished = exit_code


def test_weights_and_biases(monkeypatch, tmp_path):
    service = Service()
    monkeypatch.setitem(sys.modules, "wandb", service)
    sink = gj.sinks.WandB(project="ghosts", mode="offline")
    run = play(sink, sim=sparse(), directory=tmp_path, rounds=6)
    assert [step for step, _ in service.rows] == list(range(6)) and service.finished == 0
    assert service.options["project"] == "ghosts" and service.options["resume"] == "allow"
    assert service.options["config"]["simulation"] == run.description
    assert [step for step, values in service.rows if "loss" in values] == [0, 2, 5]
    assert service.rows[2][1]["loss"] == run.record["loss"][2] and "norm" not in service.rows[0][1]
    known = Service(step=4)  # the service lost two, and gets nothing twice
    monkeypatch.setitem(sys.modules, "wandb", known)
    play(gj.sinks.WandB(), sim=sparse(), directory=tmp_path, rounds=8)
    assert [step for step, _ in known.rows] == [4, 5, 6, 7] and known.options["id"] == service.options["id"]
    failed = Service()
    monkeypatch.setitem(sys.modules, "wandb", failed)
    with pytest.raises(Stop):
        play(gj.sinks.WandB(), Follower(row=3))
    assert failed.finished == 1
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(gj.ConfigurationError, match=r"WandB: .*pip install wandb"):
        gj.sinks.WandB()
