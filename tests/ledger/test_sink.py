"""The ledger of a run: one log whatever the chunks and the crashes, enough to play the run again."""

import numpy as np
import pytest

import ghostjax as gj
from ghostjax.ledger import Log
from ghostjax.ledger._entries import decode, encode, faults, sha256

from ..run.run_problem import PerNode, same, simulation


ROUNDS, SEED, EVERY = 12, 5, 4


class Stop(Exception):
    pass


class Failing(gj.sinks.AbstractSink):
    """Raises at a row: what was played is saved, and some rounds are acknowledged that no checkpoint has."""

    def __init__(self, at):
        self.at = at

    def begin(self, beginning):
        pass

    def rows(self, rows, start):
        if start <= self.at < start + len(rows["loss"]):
            raise Stop

    def saved(self, path, round):
        pass

    def end(self, run):
        pass


def governed():
    """A simulation with a verdict, a digest, memory everywhere, and an attacker."""
    sim = simulation()
    decided = gj.governance.Scheduled(quarantine=[(5, 9, [False] * 5 + [True])], rollback=[(6, 3)])
    return gj.Simulation(
        sim.task, sim.protocol, learner=sim.learner, attack=sim.attack, byzantine=1, governance=decided,
        metrics=(gj.metrics.Goal(), PerNode(), gj.metrics.Digest(key=3)),
    )  # fmt: skip


SIM = governed()
WEIGHTS = np.random.default_rng(0).integers(0, 3, (20, 6)).astype(float) + np.eye(20, 6)


def play(kept, *more, rounds=ROUNDS, sim=None, **kwargs):
    given = {"every": EVERY, "key": None, "audited": None}
    ledger = gj.sinks.Ledger(kept, **{k: kwargs.pop(k, v) for k, v in given.items()})
    options = {"chunk": 2, "progress": None, "participation": WEIGHTS[:rounds], **kwargs}
    return gj.simulate(SIM if sim is None else sim, rounds, SEED, sinks=[ledger, *more], **options)


def entries(directory):
    with Log(directory, readonly=True) as log:
        return [decode(entry) for entry in log.entries()]


def head(directory):
    with Log(directory, readonly=True) as log:
        return log.head


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, play(folder)


def test_every_round_is_an_entry(whole):
    folder, run = whole
    assert gj.verify(folder) == []
    found = entries(folder)
    kinds = [(one["kind"], one["round"]) for one in found]
    rounds = [(kind, i) for i in range(ROUNDS) for kind in (["state", "round"] if i % EVERY == 0 else ["round"])]
    assert kinds == [("run", 0), ("program", 0), *rounds, ("end", ROUNDS)]
    said = [one for one in found if one["kind"] == "round"]
    assert np.array_equal([one["weights"] for one in said], WEIGHTS[:ROUNDS])
    assert np.array_equal([one["verdict"]["factor"] for one in said], run.record["factor"])
    assert said[6]["verdict"]["restored"] == 0 == run.record["restored"][6] and said[5]["verdict"]["age"] == 6
    assert said[4]["verdict"]["factor"].tolist() == [1, 1, 1, 1, 1, 0]
    assert np.array_equal([one["digest"]["rows"] for one in said], run.record["digest_rows"])
    assert found[-1]["models"] == sha256(run.models) and found[-1]["result"] == run.result.name
    assert found[0]["key"] == run.provenance["key"] and found[1]["environment"] == run.provenance["environment"]
    assert len({one["record"] for one in said}) == ROUNDS and len(found[1]["program"]) == 64


def test_equal_facts_are_equal_bytes_and_other_bytes_are_refused(whole):
    with Log(whole[0], readonly=True) as log:
        raw = list(log.entries())
    for entry in raw:
        facts = decode(entry)
        kind, round = facts.pop("kind"), facts.pop("round")
        assert facts.pop("v") == 1 and encode(kind, round, facts) == entry
        for other in (
            entry + b" ",
            entry.replace(b'"v":1', b'"v":2'),
            entry[:-1],
            b"[]",
            entry.replace(b":", b": ", 1),
        ):
            with pytest.raises(ValueError):
                decode(other)
    assert next(iter(faults(raw)), None) is None
    for wrong, told in (
        ([*raw[:5], *raw[6:]], "entry 5: round of round 3 does not belong here: 2 rounds are written before it"),
        ([*raw[:6], *raw[5:]], "entry 6: round of round 2 does not belong here"),
        (raw[1:], "entry 0: program of round 0 does not belong here"),
        ([*raw, b"{}"], f"entry {len(raw)}: it is of another version"),
    ):
        assert next(iter(faults(wrong))).startswith(told)


@pytest.mark.parametrize("chunk", [5, *(pytest.param(one, marks=pytest.mark.slow) for one in (1, "auto"))])
def test_the_log_does_not_depend_on_the_chunks(tmp_path, whole, chunk):
    same(play(tmp_path / "log", chunk=chunk), whole[1])
    assert head(tmp_path / "log") == head(whole[0])


@pytest.mark.parametrize(("at", "seconds"), [(7, 0), (7, 1e9), (3, 1e9), (8, 0)])
def test_a_killed_run_goes_on_in_the_same_log_without_a_round_twice(tmp_path, whole, at, seconds):
    with pytest.raises(Stop):
        play(tmp_path / "log", Failing(at), directory=tmp_path / "run", checkpoint_seconds=seconds)
    for path in sorted((tmp_path / "run").glob("checkpoint-*"))[1:]:
        path.unlink()  # the rounds after the older checkpoint are played again, as after a kill
    assert gj.verify(tmp_path / "log") == []
    assert 0 < len(entries(tmp_path / "log")) < len(entries(whole[0]))
    same(play(tmp_path / "log", directory=tmp_path / "run"), whole[1])
    assert head(tmp_path / "log") == head(whole[0])
    play(tmp_path / "log", directory=tmp_path / "run")  # finished: nothing is added
    assert head(tmp_path / "log") == head(whole[0])


def test_a_run_that_goes_on_has_a_log_that_goes_on(tmp_path, whole):
    run = play(tmp_path / "log", rounds=8, directory=tmp_path / "run")
    longer = play(tmp_path / "log", rounds=12, directory=tmp_path / "run")
    same(longer, whole[1])
    found = entries(tmp_path / "log")
    assert ("state", 8) in [(one["kind"], one["round"]) for one in found]
    assert len(found) == len(entries(whole[0])) + 1  # that it ended after 8 rounds once
    assert gj.verify(tmp_path / "log") == [] and run.rounds == 8
    alone = play(tmp_path / "memory", rounds=8).extend(
        12, participation=WEIGHTS[:12], progress=None, sinks=[gj.sinks.Ledger(tmp_path / "memory", every=EVERY)]
    )
    same(alone, whole[1])
    assert head(tmp_path / "memory") == head(tmp_path / "log")


def test_a_log_that_is_attached_later_holds_the_rounds_before(tmp_path, whole):
    gj.simulate(SIM, 8, SEED, participation=WEIGHTS[:8], directory=tmp_path / "run", progress=None)
    play(tmp_path / "log", directory=tmp_path / "run")
    assert gj.verify(tmp_path / "log") == []
    ours, all_of_it = entries(tmp_path / "log"), entries(whole[0])
    assert [one["record"] for one in ours if one["kind"] == "round"] == [
        one["record"] for one in all_of_it if one["kind"] == "round"
    ]


def test_the_entries_suffice_to_play_the_run_again(tmp_path, whole):
    folder, run = whole
    again = gj.ledger.training(folder, governed())
    assert again.rounds == ROUNDS and np.array_equal(again.weights, run.training.weights)
    replayed = gj.simulate(again, progress=None)
    same(replayed, run)
    assert sha256(replayed.models) == entries(folder)[-1]["models"]
    with pytest.raises(gj.ConfigurationError, match="training: simulation=another one: give the one that was logged"):
        gj.ledger.training(folder, simulation())
    with pytest.raises(gj.ConfigurationError, match="training: state=one: it began anew"):
        gj.ledger.training(folder, governed(), state=run.state)
    warm = gj.simulate(SIM, 3, key=9, state=run.models, progress=None, sinks=[gj.sinks.Ledger(tmp_path)])
    with pytest.raises(gj.ConfigurationError, match="training: state=none: it began from a state; give that"):
        gj.ledger.training(tmp_path, SIM)
    same(gj.simulate(gj.ledger.training(tmp_path, SIM, state=run.models), progress=None), warm)


def test_a_round_that_is_another_one_now_ends_the_run(tmp_path, monkeypatch):
    play(tmp_path, rounds=6)
    changed = WEIGHTS[:6].copy()
    changed[4, 0] += 1
    with pytest.raises(gj.ConfigurationError, match=r"round 4 is not the one that was acknowledged") as told:
        play(tmp_path, rounds=6, participation=changed)
    assert "raised by the sink Ledger" in told.value.__notes__[0]
    assert gj.verify(tmp_path) == [] and len([one for one in entries(tmp_path) if one["kind"] == "round"]) == 6


@pytest.mark.parametrize("other", [{"every": 3}, {"audited": [1]}, {"every": None}])
def test_what_is_committed_stays_the_same(tmp_path, other):
    play(tmp_path, rounds=2)
    with pytest.raises(gj.ConfigurationError, match="the run is not the one that was acknowledged"):
        play(tmp_path, rounds=2, **other)
    with pytest.raises(gj.ConfigurationError, match="holds another ledger"):
        play(tmp_path, rounds=2, sim=simulation())


def test_decisions_on_the_host_are_entries(tmp_path):
    ledger = gj.sinks.Ledger(tmp_path)
    play = lambda rounds, weights: gj.simulate(
        SIM, rounds, SEED, participation=weights, progress=None, sinks=[ledger], directory=tmp_path / ".." / "run"
    )
    play(4, WEIGHTS[:4])
    with pytest.raises(gj.ConfigurationError, match=r"Ledger.decide: round=3: 4 rounds are written"):
        ledger.decide(3, {"out": [2]})
    ledger.decide(4, {"out": [2], "why": "slow"})
    ledger.decide(4, {"why": "slow", "out": [2]})  # the same one
    cut = WEIGHTS[:8].copy()
    cut[4:, 2] = 0
    run = play(8, cut)
    found = [one for one in entries(tmp_path) if one["kind"] == "decision"]
    assert [one["decision"] for one in found] == [{"out": [2], "why": "slow"}] and found[0]["round"] == 4
    assert gj.verify(tmp_path) == []
    same(gj.simulate(gj.ledger.training(tmp_path, SIM), progress=None), run)
    ledger.decide(4, {"out": [2], "why": "slow"})  # known, however late it is said again
    assert len([one for one in entries(tmp_path) if one["kind"] == "decision"]) == 1


@pytest.mark.parametrize(
    ("kwargs", "line"),
    [
        ({"every": 0}, "Ledger: every=0"),
        ({"audited": []}, "Ledger: audited="),
        ({"audited": [1, 1]}, "name each identity once"),
        ({"audited": [-1]}, "Ledger: audited=-1"),
    ],
)
def test_a_ledger_that_cannot_be_meant_is_refused(tmp_path, kwargs, line):
    with pytest.raises(gj.ConfigurationError, match=line):
        gj.sinks.Ledger(tmp_path, **kwargs)


def test_identities_that_do_not_exist_and_folders_of_others_are_refused_before_the_first_round(tmp_path):
    with pytest.raises(gj.ConfigurationError, match=r"Ledger: audited=\[6\]: there are 6 identities"):
        play(tmp_path / "a", audited=[6])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").write_text("")
    with pytest.raises(gj.ConfigurationError, match=r"Log: directory=.*choose another"):
        play(tmp_path / "b")


def test_the_state_that_is_shown_is_the_one_that_comes_into_the_round(tmp_path):
    """Under any chunk, also where the host would not have waited otherwise."""
    seen = {}

    class Looking(Failing):
        every = 3

        def begin(self, beginning):
            self.looks = lambda state, round: seen.update({round: np.asarray(state.protocol.theta).tolist()})

    run = gj.simulate(SIM, 8, SEED, participation=WEIGHTS[:8], progress=None, sinks=[Looking(-1)], chunk=64)
    assert sorted(seen) == [0, 3, 6]
    for round, theta in seen.items():
        if round:
            assert gj.simulate(SIM, round, SEED, participation=WEIGHTS[:round], progress=None).models.tolist() == theta
    assert run.rounds == 8
