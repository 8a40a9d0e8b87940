"""Several adversaries at once: whom each holds, what each sees, and that they do not disturb each other."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.attacks import AbstractMessageAttack, AbstractSingleAttack, Redrawn, Sent, Several


N = 8
TASK = gj.tasks.quadratic(N, 3, noise=0.1)
SERVER = gj.protocols.Server(gj.aggregators.Mean())
FIRST, LAST = np.arange(N) < 2, np.arange(N) >= 6


def play(attack, byzantine=None, rounds=4, task=TASK, protocol=SERVER, **parts):
    return gj.simulate(
        gj.Simulation(task, protocol, attack=attack, byzantine=byzantine, **parts), rounds, progress=None
    )


class Held(gj.metrics.AbstractMetric):
    """Who is Byzantine in the round."""

    outputs = {"held": gj.metrics.Output(dims=("node",))}

    def __call__(self, round):
        return {"held": round.byzantine}


class Spy(AbstractMessageAttack):
    """Remembers what it sees, and follows the protocol."""

    def init(self, like):
        n = like.shape[0]
        return jnp.zeros(n, bool), jnp.zeros(n, like.dtype), jnp.zeros(like.shape, like.dtype)

    def corrupt(self, state, view):
        return (view.byzantine, view.honest, view.messages), Sent(view.messages)


def test_two_that_cannot_meet_do_what_each_does_alone():
    """Under the mean without momentum the change of the first round is the sum of both changes."""
    one, two = gj.attacks.Constant(3.0), gj.attacks.Constant(-1.0)
    sim = {"learner": gj.learners.Gradient(), "rounds": 1}
    honest = play(None, **sim).models
    both = play(Several({one: FIRST, gj.attacks.SignFlip(): LAST}), **sim).models
    alone = play(one, FIRST, **sim).models + play(gj.attacks.SignFlip(), LAST, **sim).models - honest
    np.testing.assert_allclose(both, alone, atol=1e-6)
    # Of one class, too: equal classes are different keys.
    twins = play(Several({one: FIRST, two: LAST}), **sim).models
    apart = play(one, FIRST, **sim).models + play(two, LAST, **sim).models - honest
    np.testing.assert_allclose(twins, apart, atol=1e-6)


def test_one_of_several_is_the_attack_itself():
    for attack in (gj.attacks.SignFlip(), gj.attacks.ALIE(1.0), gj.attacks.MimicHeuristic(warmup=2)):
        np.testing.assert_array_equal(play(Several([(attack, LAST)])).models, play(attack, LAST).models)


def test_each_view_shows_its_own_as_byzantine_and_all_others_as_honest():
    run = play(Several({Spy(): FIRST, gj.attacks.Constant(1e3): LAST}), rounds=1)
    assert run.state is not None
    byzantine, honest, messages = run.state.attack[0]
    np.testing.assert_array_equal(byzantine, FIRST)
    np.testing.assert_array_equal(honest, np.where(FIRST, 0, 1))
    assert np.abs(messages).max() < 100  # the other's identities look as if they were honest
    assert run.byzantine.tolist() == (FIRST | LAST).tolist()


def test_what_one_does_is_put_back_for_the_identities_of_another():
    class Greedy(AbstractMessageAttack):
        def init(self, like):
            return ()

        def corrupt(self, state, view):
            return state, Sent(jnp.full_like(view.messages, 1e6))

    rows = np.asarray(Several({Greedy(): FIRST, gj.attacks.Zero(): LAST})(jnp.ones((N, 3))))
    np.testing.assert_array_equal(rows[:, 0], [1e6, 1e6, 1, 1, 1, 1, 0, 0])


def test_counts_and_shares_take_the_last_that_are_left_in_order():
    one, two, three = map(gj.attacks.Constant, (1.0, 2.0, 3.0))
    rows = Several({one: 1, two: gj.Share(0.25), three: LAST})(jnp.zeros((N, 1)))
    assert np.asarray(rows).ravel().tolist() == [0, 0, 0, 2, 2, 1, 3, 3]


@pytest.mark.parametrize(
    ("attacks", "words"),
    [
        ({gj.attacks.SignFlip(): FIRST, gj.attacks.Zero(): np.arange(N) < 1}, "identities [0] held twice"),
        ({gj.attacks.SignFlip(): 5, gj.attacks.Zero(): 4}, "who=4: only 3 identities are left"),
        ({gj.attacks.SignFlip(): 5, gj.attacks.Zero(): Redrawn(4)}, "who=4 redrawn: only 3 identities are left"),
        ({}, "attacks={}: give {attack: who, ...}"),
        (gj.attacks.SignFlip(), "give {attack: who, ...}"),
        ([gj.attacks.SignFlip()], "give {attack: who, ...}"),
        ({gj.attacks.SignFlip(): -1}, "who=-1"),
        ([(gj.attacks.Dissensus(), 1), (gj.attacks.Isolation(), 1)], "only one of them can send a vector per receiver"),
        ([(Several({gj.attacks.Zero(): 1}), 1)], "list all adversaries side by side"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(attacks, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        gj.Simulation(TASK, SERVER, attack=Several(attacks))
    line = str(caught.value)
    assert line.startswith("Several: ") and words in line and "\n" not in line


def test_several_say_themselves_who_is_byzantine():
    with pytest.raises(gj.ConfigurationError, match=r"^Several: byzantine=2: Several itself decides who is Byzantine"):
        gj.Simulation(TASK, SERVER, attack=Several({gj.attacks.Zero(): 1}), byzantine=2)


def redrawn(**parts):
    attack = Several({gj.attacks.Constant(5.0): FIRST, gj.attacks.SignFlip(): Redrawn(3, every=4)})
    return gj.Simulation(TASK, SERVER, attack=attack, metrics=[Held(), gj.metrics.Goal()], **parts)


def test_the_redrawn_are_so_many_disjoint_and_constant_within_their_period(tmp_path):
    run = gj.simulate(redrawn(), 40, progress=None)
    held = run.record["held"].astype(bool)
    assert (held.sum(1) == 5).all() and held[:, :2].all()
    periods = held.reshape(10, 4, N)
    assert (periods == periods[:, :1]).all()
    assert len({tuple(row) for row in periods[:, 0].tolist()}) > 5
    assert held[:, 2:].any(0).all()  # everybody has its turn
    gj.simulate(redrawn(), 18, directory=tmp_path / "run", progress=None)
    resumed = gj.simulate(redrawn(), 40, directory=tmp_path / "run", progress=None)
    for name, column in run.record.items():
        np.testing.assert_array_equal(resumed.record[name], column, name)


def test_everybody_may_be_drawn_and_so_everybody_is_told_byzantine():
    assert redrawn().byzantine.all()


class Shown(gj.metrics.AbstractMetric):
    """Updates of all nodes before anything is rewritten."""

    outputs = {"update": gj.metrics.Output(dims=("node", "p"))}

    def __call__(self, round):
        return {"update": round.updates}


def digits():
    return gj.tasks.digits(N, batch_size=8, model=gj.tasks.models.Linear(64, 10))


def test_data_is_poisoned_for_its_own_only():
    both = Several({gj.attacks.LabelFlip(): FIRST, gj.attacks.SignFlip(): LAST})
    parts = {"task": digits(), "rounds": 1, "metrics": [Shown()], "learner": gj.learners.Gradient()}
    seen = {
        "both": play(both, **parts).record["update"][0],
        "flip": play(gj.attacks.LabelFlip(), FIRST, **parts).record["update"][0],
        "none": play(None, **parts).record["update"][0],
    }
    np.testing.assert_array_equal(seen["both"][2:], seen["none"][2:])
    np.testing.assert_array_equal(seen["both"][:2], seen["flip"][:2])
    assert (seen["both"][:2] != seen["none"][:2]).any(1).all()


class OnAndOff(AbstractSingleAttack):
    """Mirrors labels in odd rounds, or in rounds after one in which the model moved; counts the latter."""

    by_memory: bool = eqx.field(static=True)
    knows = "honest"

    def init(self, like):
        return jnp.zeros((), jnp.int32)

    def on(self, task):
        return self

    def poison(self, state, batch, before):
        active = state % 3 == 2 if self.by_memory else before.round % 2 == 1
        mask = (before.byzantine & active)[:, None]
        return batch._replace(y=jnp.where(mask, 9 - batch.y, batch.y))

    def corrupt(self, state, view):
        return state + 1, Sent(view.messages)


@pytest.mark.parametrize(("by_memory", "active"), [(False, [1, 3, 5]), (True, [2, 5])])
def test_poisoning_can_go_on_and_off_by_the_round_and_by_memory(by_memory, active):
    parts: dict[str, Any] = {"task": digits(), "rounds": 6, "metrics": [Shown()], "learner": gj.learners.Gradient()}
    frozen = gj.protocols.Server(gj.aggregators.Mean(), gj.Optimizer(_still))
    seen, honest = (
        play(attack, who, protocol=frozen, **parts).record["update"]
        for attack, who in ((OnAndOff(by_memory), 2), (None, None))
    )
    differs = (seen != honest).any(2)
    assert not differs[:, :6].any()
    assert np.flatnonzero(differs[:, 6:].any(1)).tolist() == active


def _still():
    import optax

    return optax.sgd(0.0)


class Objective(AbstractMessageAttack):
    """Remembers losses and gradients of its own objectives at the models of the round, and the honest messages."""

    knows = "own"

    def init(self, like):
        return (
            jnp.zeros(like.shape[:1], like.dtype),
            jnp.zeros(like.shape, like.dtype),
            jnp.zeros(like.shape, like.dtype),
        )

    def corrupt(self, state, view):
        assert view.objective is not None
        return (*view.objective(view.models), view.messages), Sent(view.messages)


@pytest.mark.parametrize("gossip", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_the_objective_is_that_of_its_own_nodes_and_zero_for_all_others(gossip, alone):
    protocol = gj.protocols.Gossip(None, gj.topologies.ring(N)) if gossip else SERVER
    attack = Objective() if alone else Several({gj.attacks.Zero(): FIRST, Objective(): LAST})
    sim = gj.Simulation(
        TASK, protocol, attack=attack, byzantine=LAST if alone else None, learner=gj.learners.Gradient(),
        metrics=[Shown()],
    )  # fmt: skip
    state, record = eqx.filter_jit(gj.Simulation.step)(sim, sim.init(jax.random.key(0)), jnp.ones(N), jax.random.key(0))
    losses, gradients, _ = state.attack if alone else state.attack[1]
    assert not np.asarray(losses)[:6].any() and not np.asarray(gradients)[:6].any()
    np.testing.assert_allclose(gradients[6:], record["update"][6:], rtol=1e-6)
    assert (np.asarray(losses)[6:] > 0).all()


def test_an_axis_of_attacks_may_hold_several():
    options = [gj.attacks.Zero(), gj.attacks.SignFlip(), gj.attacks.IPM(0.5), gj.attacks.ALIE(1.0), gj.attacks.Random()]

    def build(attack):
        if attack == "several":
            return gj.Simulation(TASK, SERVER, attack=Several({gj.attacks.Zero(): 1, gj.attacks.SignFlip(): 1}))
        return gj.Simulation(TASK, SERVER, attack=options[attack], byzantine=2)

    found = gj.sweep(build, {"attack": [0, 1, 2, 3, 4, "several"]}, 3, progress=None).dataset
    one = play(Several({gj.attacks.Zero(): 1, gj.attacks.SignFlip(): 1}), rounds=3)
    np.testing.assert_allclose(found["loss"].values[-1, 0], one.record["loss"], rtol=1e-5)


def test_a_sweep_over_a_knob_leaves_the_adversaries_as_they_are():
    several = Several([(gj.attacks.SignFlip(), 1), (gj.attacks.Zero(), Redrawn(1))])
    server = gj.protocols.Server(gj.aggregators.TrimmedMean(f=1))
    sim = gj.Simulation(gj.tasks.quadratic(6, 3), server, attack=several)
    found = gj.sweep(sim, {"protocol.aggregator.f": [1, 2]}, 3, seeds=1, progress=None)
    alone = gj.simulate(gj.Simulation(sim.task, server, attack=several), 3, progress=None)
    np.testing.assert_array_equal(found.dataset["loss"].values[0, 0], alone.record["loss"])


def test_where_everybody_may_be_drawn_a_run_is_judged_by_all():
    gossip = gj.protocols.Gossip(gj.aggregators.Mean(), gj.topologies.complete(6))
    sim = gj.Simulation(gj.tasks.quadratic(6, 3), gossip, attack=Several([(gj.attacks.Zero(), Redrawn(1))]))
    run = gj.simulate(sim, 3, progress=None)
    assert all(np.isfinite(value) for value in run.evaluate().values())
    lost = gj.simulate(sim, 3, progress=None, state=np.full(3, np.inf, np.float32))
    assert lost.result is gj.RunResult.diverged
