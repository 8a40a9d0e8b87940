"""A training that a council governs: at a server, in gossip, in a batch, in a sweep, resumed and attributed."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax.attacks import AbstractStatelessAttack
from ghostjax.governance import AbstractElectorate, Council, Electorate, Kind, matters, Outcome, Scheduled

from .table import council, watched


N, T, BEGINS = 6, 24, 10
TASK = gj.tasks.quadratic(N, 3, noise=0.2)
SERVER = gj.protocols.Server(gj.aggregators.Mean(), gj.Optimizer(optax.sgd, learning_rate=0.1, momentum=0.5))
GOSSIP = gj.protocols.Gossip(gj.aggregators.TrimmedMean(f=1), gj.topologies.ring(N, degree=4))
SLOW_GOSSIP = pytest.mark.parametrize(
    "protocol", [SERVER, pytest.param(GOSSIP, marks=pytest.mark.slow)], ids=["server", "gossip"]
)
PROTOCOLS = pytest.mark.parametrize("protocol", [SERVER, GOSSIP], ids=["server", "gossip"])
PEOPLE = Electorate(captured=0.3, participation=1.0, accuracy=1.0)


class Shouts(AbstractStatelessAttack):
    """Honest at first; from round `begins` on it shouts."""

    begins: int = eqx.field(static=True, default=BEGINS)
    knows = "own"

    def corrupt(self, state, view):
        louder = jnp.where(view.round >= self.begins, 100.0, 1.0)
        return state, gj.attacks.Sent(louder * view.messages)


def governed(protocol=SERVER, **parts):
    parts = {
        "attack": Shouts(), "byzantine": 1, "detectors": watched(20.0, 20.0, rounds=8), "governance": council(rest=100),
        "electorate": PEOPLE,
    } | parts  # fmt: skip
    return gj.Simulation(TASK, protocol, **parts)


@PROTOCOLS
def test_an_incident_from_the_alarm_to_the_model_of_before(protocol):
    run = gj.simulate(governed(protocol), T, progress=None)
    (only,) = matters(run.record)
    assert only.outcome is Outcome.executed and only.kind is Kind.ALARM
    assert BEGINS <= only.alarmed <= BEGINS + 2 and only.executed == only.alarmed + 3
    assert only.restored is not None and only.restored < BEGINS
    assert np.flatnonzero(run.record["quarantine"][-1]).tolist() == [N - 1]
    assert (run.record["age"][: only.alarmed] == 1 + np.arange(only.alarmed)).all()
    # Quarantined and taken back, the attack left nothing behind: the loss is that of before and falls on.
    assert run.record["loss"][-1] < run.record["loss"][BEGINS - 1]
    assert run.dataset["quarantine"].dims == ("round", "node")
    assert run.dataset["phase"].attrs["long_name"].startswith("phase of the council")


@PROTOCOLS
def test_a_paused_round_changes_neither_models_nor_momentum(protocol):
    sim = governed(protocol, governance=council(pause=3, voting=3, rest=100), learner=gj.learners.Momentum(0.9))
    key = jax.random.key(0)
    state, step = eqx.filter_jit(gj.Simulation.init)(sim, key), eqx.filter_jit(gj.Simulation.step)
    paused = 0
    for _ in range(18):
        after, record = step(sim, state, jnp.ones(N), key)
        if bool(state.verdict.pause):
            paused += 1
            for name in ("protocol", "learner", "age"):
                for now, then in zip(
                    jax.tree.leaves(getattr(after, name)), jax.tree.leaves(getattr(state, name)), strict=True
                ):
                    np.testing.assert_array_equal(now, then)
            # At a server nobody counts; in gossip nodes go on talking, and evidence goes on growing.
            assert float(record["present"]) == (0 if protocol is SERVER else N)
        state = after
    assert paused == 3


def test_a_paused_round_is_no_round_without_anybody():
    run = gj.simulate(governed(byzantine=0, attack=None, detectors=watched(0.1, 50.0, rounds=2)), T, progress=None)
    assert (run.record["present"] == 0).any() and run.result is gj.RunResult.completed


def same(one, other):
    for a, b in zip(jax.tree.leaves(one.state), jax.tree.leaves(other.state), strict=True):
        np.testing.assert_array_equal(a, b)
    for name, column in one.record.items():
        np.testing.assert_array_equal(column, other.record[name], name)


@SLOW_GOSSIP
@pytest.mark.parametrize("chunk", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_chunks_do_not_change_a_bit(protocol, chunk):
    sim = governed(protocol)
    same(gj.simulate(sim, T, chunk=T, progress=None), gj.simulate(sim, T, chunk=chunk, progress=None))


@pytest.mark.parametrize(
    "border",
    [pytest.param(BEGINS, marks=pytest.mark.slow), BEGINS + 2, pytest.param(BEGINS + 4, marks=pytest.mark.slow)],
)
def test_a_run_that_is_stopped_during_an_incident_is_resumed_to_the_same_bits(border, tmp_path):
    sim = governed()
    gj.simulate(sim, border, directory=tmp_path / "run", progress=None)
    same(gj.simulate(sim, T, progress=None), gj.simulate(sim, T, directory=tmp_path / "run", progress=None))


@SLOW_GOSSIP
def test_a_batch_of_eight_equals_one_after_the_other(protocol):
    sim, keys = governed(protocol, electorate=Electorate(captured=0.3)), jax.random.split(jax.random.key(0), 8)
    _, batch = jax.jit(jax.vmap(lambda key: gj.rollout(sim, key, jnp.ones((T, N)))))(keys)
    play = jax.jit(lambda key: gj.rollout(sim, key, jnp.ones((T, N))))
    for lane in (0, 3, 7):
        _, single = play(keys[lane])
        for name in ("phase", "outcome", "executed", "restored", "quarantined", "yes"):
            np.testing.assert_array_equal(batch[name][lane], single[name], name)
        np.testing.assert_allclose(batch["loss"][lane], single["loss"], rtol=1e-4)


def test_a_sweep_goes_over_quorum_and_captured_members():
    found = gj.sweep(
        governed(),
        {"governance.quorum": [0.5, 0.9], "electorate.captured": [0, 2]},
        T,
        progress=None,
    ).dataset
    outcomes = found["outcome"].isel(round=-1, seed=0).values.tolist()
    assert outcomes == [[Outcome.executed, Outcome.executed], [Outcome.executed, Outcome.never_decided]]


def test_what_was_undone_or_paused_is_attributed_exactly_nothing():
    run = gj.simulate(governed(), T, progress=None)
    (only,) = matters(run.record)
    cells = gj.attribution.adjoint(governed(), T, 0, probes=0).cells
    assert cells is not None and only.executed is not None
    back = int(np.flatnonzero(run.record["age"] == only.restored)[0]) + 1
    np.testing.assert_array_equal(cells[back : only.executed + 1], 0)
    assert (cells[:back] != 0).all() and (cells[only.executed + 1 :, : N - 1] != 0).all()
    np.testing.assert_array_equal(cells[only.executed + 1 :, N - 1], 0)


@SLOW_GOSSIP
def test_an_advisory_council_leaves_the_training_as_it_is(protocol):
    advisory = council(quarantine=False, rollback=False, pause=0)
    plain = gj.simulate(governed(protocol, governance=None, electorate=None), T, progress=None)
    told = gj.simulate(governed(protocol, governance=advisory), T, progress=None)
    np.testing.assert_allclose(plain.models, told.models, rtol=1e-5)
    assert matters(told.record)[0].outcome is Outcome.executed


def test_detectors_begin_anew_after_an_execution():
    run = gj.simulate(governed(), T, progress=None)
    (only,) = matters(run.record)
    assert only.executed is not None
    quiet = slice(only.executed + 1, only.executed + 9)  # the stretch in which a reference of own past is learnt
    assert run.record["alarm_network"][only.executed] and not run.record["evidence_network"][quiet].any()
    kept = gj.simulate(governed(governance=council(rest=100, renew=False)), T, progress=None)
    assert kept.record["evidence_network"][only.executed + 1] > 0


class Votes(Shouts):
    """Tells all members how to vote, and moves against the first one."""

    says: bool = eqx.field(static=True, default=True)
    moves: bool = eqx.field(static=True, default=False)

    def corrupt(self, state, view):
        _, sent = super().corrupt(state, view)
        everybody = jnp.ones(N, bool)
        against = (jnp.arange(N) == 0) if self.moves else None
        return state, sent._replace(ballots=gj.Ballots(everybody & self.says, everybody, against))


def votes_of(**parts):
    record = gj.simulate(governed(**parts), T, progress=None).record
    (only, *_) = matters(record)
    return record["yes"][only.passed or np.flatnonzero(record["cast"])[0]], record["cast"].max()


def test_an_adversary_votes_for_the_members_that_it_captured_and_for_nobody_else():
    lock = {"governance": council(quorum=1.0, voting=1, rest=100)}
    assert votes_of(**lock) == (4, 6)  # two of six are captured and say no
    assert votes_of(**lock, attack=Votes(says=True)) == (6, 6)
    silent = Electorate(captured=0.3, participation=0.0)
    assert votes_of(**lock, attack=Votes(says=True), electorate=silent) == (2, 2)


def test_an_adversary_moves_a_motion_only_through_a_member_with_power():
    quiet = {"detectors": watched(1e6, 1e6), "attack": Votes(moves=True)}
    found = gj.simulate(governed(**quiet, electorate=Electorate(captured=1.0)), T, progress=None)
    assert np.flatnonzero(found.record["quarantine"][-1]).tolist() == [0]
    assert matters(found.record)[0].kind is Kind.MOVED
    for captured, expected in [(0.3, Outcome.rejected), (0.0, Outcome.nothing)]:
        members = Electorate(captured=captured, participation=1.0, accuracy=1.0)
        record = gj.simulate(governed(**quiet, electorate=members), T, progress=None).record
        assert not record["quarantined"].any() and expected in record["outcome"]
        assert (record["outcome"] > 0).any() == (captured > 0)


def test_several_adversaries_vote_each_for_its_own():
    both = gj.attacks.Several({Votes(says=True): 1, Votes(says=False): 1})
    record = gj.simulate(
        governed(attack=both, byzantine=None, governance=council(quorum=1.0, voting=1, rest=100)), T, progress=None
    ).record
    assert record["yes"].max() == 5 and record["cast"].max() == 6


def test_stake_is_power():
    stake = gj.identity.Stake([5.0, 1, 1, 1, 1, 1])
    rich = votes_of(identity=stake, governance=council(quorum=0.9, voting=1, rest=100))
    assert rich == (pytest.approx(6 - 0.6 - 3.0), pytest.approx(6.0))  # captured are the owned one and the first


class Agreed(AbstractElectorate):
    """All say yes, whatever the truth is."""

    def init(self, num_nodes):
        return ()

    def spoken_for(self, people):
        return jnp.zeros_like(people.byzantine)

    def vote(self, state, motion, people, key):
        return state, gj.Ballots(jnp.ones(N, bool), jnp.broadcast_to(motion.votes, (N,)))


def test_the_council_does_not_see_who_is_byzantine():
    """The same ballots give the same verdicts, bit for bit, whoever is Byzantine and whoever owns whom."""
    quiet = {"attack": None, "detectors": watched(0.1, 0.1, rounds=2), "electorate": Agreed()}
    one = gj.simulate(governed(byzantine=0, **quiet), T, progress=None)
    other = gj.simulate(governed(byzantine=N, owner=[0] * N, **quiet), T, progress=None)
    assert matters(one.record)
    for name in Council.outputs:
        np.testing.assert_array_equal(one.record[name], other.record[name], name)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"governance": council(alarm="netwrok")}, "Council: alarm='netwrok': no detector has this name; there are: "),
        ({"governance": council(names="who")}, "Council: names='who': no detector has this name"),
        ({"governance": council(names="network")}, "Council: names='network': its readings are of shape ()"),
        ({"detectors": None}, "there are: none"),
        ({"electorate": None}, "Council: electorate=None: a motion needs voters"),
        ({"governance": None}, "Simulation: electorate=Electorate: nobody counts its ballots"),
        ({"governance": Scheduled()}, "Simulation: electorate=Electorate: Scheduled holds no vote"),
        ({"electorate": Electorate}, "electorate"),
        ({"electorate": council()}, "electorate"),
        ({"owner": [0, 1]}, "Simulation: owner="),
    ],
)
def test_combinations_that_cannot_work_are_refused_in_one_line(parts, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        governed(**parts)
    assert words in str(caught.value) and "\n" not in str(caught.value)
