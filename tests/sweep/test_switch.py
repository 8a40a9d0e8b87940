"""A switch over members of a family is the member that it switches to, and a merged sweep is the sweep of its parts."""

import inspect
from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import PyTree

import ghostjax as gj
from ghostjax._sweep import _switch
from ghostjax._sweep._paths import set_paths
from ghostjax._sweep._plan import build_cells, group_cells
from ghostjax._sweep._switch import agreed, CHOSEN, JOINS, NESTED, switch
from ghostjax.aggregators import AbstractAggregator, AbstractGuarantee
from ghostjax.attacks import AbstractAttack
from ghostjax.channels import AbstractChannel, Carried
from ghostjax.governance import AbstractElectorate
from ghostjax.identity import AbstractIdentity
from ghostjax.learners import AbstractLearner

from ..run.run_problem import simulation


A, L, R = gj.attacks, gj.learners, gj.aggregators
FAMILIES = (AbstractGuarantee, *gj.protocols.Server.switchable.values(), *gj.Simulation.switchable.values())
KEPT = {
    AbstractAggregator: {"demands"},  # asked of the options, before they are merged
    AbstractAttack: {"doubt"},
}
"""Declarations of a family that a switch leaves as the base has them."""


@pytest.mark.parametrize("family", FAMILIES)
def test_every_declaration_of_a_family_is_joined(family):
    declared = {
        name for name, kind in inspect.get_annotations(family, eval_str=True).items() if "ClassVar" in str(kind)
    }
    assert declared <= JOINS.keys() | CHOSEN | NESTED.keys() | KEPT.get(family, set())
    made = _switch._switch_of(family)
    assert not inspect.isabstract(made) and made is _switch._switch_of(family)


def test_a_declaration_that_nothing_joins_is_a_mistake_of_the_family():
    class AbstractOpaque(eqx.Module):
        @property
        @abstractmethod
        def opaque(self):
            """A property that the tables do not know."""

    with pytest.raises(TypeError, match=r"AbstractOpaque\.opaque is declared, and JOINS does not say"):
        _switch._switch_of(AbstractOpaque)


def test_declarations_are_joined():
    rules = (R.TrimmedMean(f=1), R.Bucketing(R.Mean()), R.Krum())
    rule = switch(AbstractAggregator, rules)
    assert rule.needs == {"key"} and {"rotation", "permutation", "repetition"} <= rule.exempt_laws
    assert rule.certificate_kind == "none" and not rule.guarantee.in_convex_hull
    assert switch(AbstractAggregator, (R.Mean(), R.Krum())).guarantee.in_convex_hull
    assert switch(AbstractAggregator, (R.Krum(), R.CenteredClipping())).certificate_kind == "conditional"
    assert rule.by_slots is None and rule.geometric_form is None and rule.wrapped is None
    assert switch(AbstractAttack, (A.NoAttack(), A.ALIE())).knows == "honest"


def test_options_that_give_a_round_another_shape_are_refused():
    assert agreed(A.ALIE()) == (False,) and agreed(A.Dissensus()) == (True,)
    with pytest.raises(gj.ConfigurationError, match=r"switch\(AbstractAttack\): options=.* is False and True"):
        switch(AbstractAttack, (A.ALIE(), A.Dissensus()))


def test_a_rule_and_its_guarantee():
    x, w = jax.random.normal(jax.random.key(0), (6, 4)), jnp.array([1.0, 1, 0, 1, 1, 1])
    rules = (R.TrimmedMean(f=1), R.Mean(), R.Clipping(R.Mean(), c=0.5))
    who = jnp.arange(6) < 1
    for i, rule in enumerate(rules):
        chosen = switch(AbstractAggregator, rules, i)
        np.testing.assert_allclose(chosen(x, w), rule(x, w), rtol=1e-6)
        assert chosen.margin(w) == rule.margin(w) and chosen.kappa(w) == rule.kappa(w)
        np.testing.assert_allclose(chosen.certificate(x, w, who), rule.certificate(x, w, who), rtol=1e-6)
        assert bool(R.outnumbered(chosen, w, who)) == bool(R.outnumbered(rule, w, who))


def test_where_masses_come_in_another_unit_those_of_the_options_do():
    x = jax.random.normal(jax.random.key(0), (7, 4))
    chosen = switch(AbstractAggregator, (R.Mean(), R.TrimmedMean(f=1e35)), 1)
    np.testing.assert_allclose(chosen(x, jnp.full(7, 1e35)), R.TrimmedMean(f=1)(x), rtol=1e-5)


class Counting(AbstractLearner):
    """Sends how often it was asked."""

    def init(self, like):
        return jnp.zeros((), like.dtype)

    def learn(self, state, models, objective):
        losses, gradients = objective(models, 0)
        return state + 1, gradients * 0 + state, losses


def test_memory_has_a_slot_each_and_only_the_chosen_one_moves():
    like = jax.ShapeDtypeStruct((3, 2), jnp.float32)
    learners = (L.Momentum(0.5), Counting(), L.Gradient())

    def objective(models, draw):
        return jnp.ones(3), jnp.ones((3, 2)) + jnp.asarray(draw).astype(jnp.float32)

    for i, alone in enumerate(learners):
        chosen = switch(AbstractLearner, learners, i)
        states, state = chosen.init(like), alone.init(like)
        assert len(states) == 3 and states[2] == ()
        for _ in range(3):
            states, *sent = chosen.learn(states, jnp.zeros(2), objective)
            state, *expected = alone.learn(state, jnp.zeros(2), objective)
            jax.tree.map(np.testing.assert_array_equal, (states[i], *sent), (state, *expected))
        for j, other in enumerate(learners):
            if j != i:
                jax.tree.map(np.testing.assert_array_equal, states[j], other.init(like))


class AbstractNote(eqx.Module):
    """A family with every way in which a member of the round uses its memory."""

    @abstractmethod
    def init(self, like: jax.ShapeDtypeStruct) -> PyTree:
        """The memory."""

    @abstractmethod
    def weigh(self, state: PyTree, presence: jax.Array) -> jax.Array:
        """Reads."""

    @abstractmethod
    def learn(self, state: PyTree, seen: jax.Array) -> PyTree:
        """Writes, and returns nothing else."""

    @abstractmethod
    def decide(self, state: PyTree, seen: jax.Array) -> tuple[PyTree, jax.Array]:
        """Reads and writes."""


class Note(AbstractNote):
    step: float

    def init(self, like):
        return jnp.zeros(())

    def weigh(self, state, presence):
        return presence * state

    def learn(self, state, seen):
        return state + self.step * seen

    def decide(self, state, seen):
        return state - self.step, state * seen


def test_methods_that_read_write_or_do_both_keep_to_their_slot():
    notes = (Note(1.0), Note(10.0))
    one = jnp.asarray(1.0)
    for i, note in enumerate(notes):
        chosen = switch(AbstractNote, notes, i)
        states = chosen.learn(chosen.init(None), one)
        assert states[i] == note.step and states[1 - i] == 0
        assert chosen.weigh(states, one) == note.step
        states, seen = chosen.decide(states, one)
        assert seen == note.step and states == (0, 0)


def attack_axis():
    return "attack", {"alie": A.ALIE(z=1.0), "noise": A.Gaussian(), "flip": A.SignFlip()}


def rule_axis():
    rules = {"mean": R.Mean(), "clip": R.CenteredClipping(), "trimmed": R.TrimmedMean(f=1)}
    return "protocol.aggregator", rules


def learner_axis():
    local = L.LocalSteps(gj.Optimizer(optax.sgd, learning_rate=0.05), 2)
    return "learner", {"momentum": L.Momentum(0.5), "gradient": L.Gradient(), "local": local}


class Earned(AbstractIdentity):
    """Counts who was there more often for more."""

    def init(self, num_nodes):
        return jnp.zeros(num_nodes)

    def weigh(self, state, w):
        return w * (1 + state) / (1 + state.mean())

    def remember(self, state, seen):
        return state + seen.weights * jnp.arange(state.size, dtype=state.dtype) / state.size


class Fixed(gj.identity.AbstractStatelessIdentity):
    """Counts the first identity for `first`."""

    first: float

    def weigh(self, state, w):
        return w * jnp.where(jnp.arange(w.size) == 0, self.first, 1.0)


def identity_axis():
    return "identity", {"alike": gj.identity.Stake(np.ones(6)), "some": Fixed(2.0), "earned": Earned()}


class Outage(AbstractChannel):
    """Loses everything of the first identity in every second round."""

    def init(self, like):
        return jnp.zeros((), jnp.int32)

    def carry(self, state, x, w, nbr, key):
        lost = (jnp.arange(w.size) == 0) & (state % 2 == 1)
        return state + 1, Carried(x, jnp.where(lost, 0, w))


def channel_axis():
    return "channel", {"drop": gj.channels.Drop(0.6), "outage": Outage()}


def watch(test):
    return gj.detectors.Watch(gj.metrics.Goal(), "loss", test, gj.detectors.Standard())


def detector_axis():
    return "detectors.network", {"cusum": watch(gj.detectors.CUSUM()), "ratio": watch(gj.detectors.ShiryaevRoberts())}


def governance_axis():
    # Their snapshots are numbers of one structure: the ring is that of the chosen one.
    often, rarely = (gj.governance.Snapshots(every=every) for every in (1, 2))
    one = gj.governance.Scheduled(quarantine=[(1, 4, 3)], rollback=[(2, 1)], snapshots=often)
    two = gj.governance.Scheduled(quarantine=[(1, 2, 1), (2, 4, 4)], rollback=[(2, 1)], snapshots=rarely)
    return "governance", {"one": one, "two": two}


class Tired(AbstractElectorate):
    """Every member says yes until it has voted twice."""

    def init(self, num_nodes):
        return jnp.zeros(num_nodes, jnp.int32)

    def spoken_for(self, people):
        return people.byzantine

    def vote(self, state, motion, people, key):
        comes = jnp.where(motion.votes, state < 2, False)
        return state + comes.astype(state.dtype), gj.Ballots(comes, comes)


def electorate_axis():
    return "electorate", {"drawn": gj.governance.Electorate(captured=0.5), "tired": Tired()}


ALARMS = {"network": watch(gj.detectors.CUSUM(h=0.0))}
COUNCIL = gj.governance.Council("network", voting=1, quorum=1.0)
ENTRIES = {
    "detectors": ("evidence_network", {"detectors": ALARMS}),
    "governance": ("loss", {"governance": gj.governance.Scheduled()}),
    "electorate": ("yes", {"detectors": ALARMS, "governance": COUNCIL, "electorate": gj.governance.Electorate()}),
}
"""In which entry of the record members of a family differ, and the stages that they need beside them."""


@pytest.mark.parametrize(
    "axis",
    [
        attack_axis, rule_axis, learner_axis, identity_axis, channel_axis, detector_axis, governance_axis,
        electorate_axis,
    ],
    ids=lambda axis: axis.__name__.removesuffix("_axis"),
)  # fmt: skip
def test_a_family_merged_into_one_program_agrees_with_its_members_apart(axis):
    path, members = axis()
    entry, stages = ENTRIES.get(path.split(".")[0], ("loss", {}))
    base, count = set_paths(simulation(), stages)[0], len(members)
    cells = [build_cells(set_paths(base, {path: member})[0], [], [0], 4, None)[0] for member in members.values()]
    (group,) = group_cells(cells, True)
    assert group.branches == [(i,) for i in range(count)] and len(group_cells(cells, False)) == count
    merged, apart = (gj.sweep(base, {path: members}, 4, merge=how, progress=None).dataset for how in (True, False))
    for name in apart.data_vars:
        if apart[name].dtype.kind in "fiub":
            np.testing.assert_allclose(merged[name], apart[name], rtol=2e-5, atol=1e-5, err_msg=name)
    values = apart[entry].transpose(path, ...).values.reshape(count, -1).round(5)
    assert np.unique(values, axis=0).shape[0] == count, "members that should differ do"


def test_members_that_pass_on_other_arrays_are_kept_apart():
    """Of four adversaries one votes: the others share a program."""

    class Voting(A.AbstractStatelessAttack):
        knows = "own"

        def corrupt(self, state, view):
            nobody = jnp.zeros_like(view.byzantine)
            return state, A.Sent(-view.messages, ballots=gj.Ballots(nobody, view.byzantine))

    stages = ENTRIES["electorate"][1]
    attacks = {"flip": A.SignFlip(), "voting": Voting(), "zero": A.Zero(), "noise": A.Gaussian()}
    cells = [
        build_cells(set_paths(simulation(), {**stages, "attack": one})[0], [], [0], 3, None)[0]
        for one in attacks.values()
    ]
    groups = group_cells(cells, "auto")
    assert [[type(cell.simulation.attack).__name__ for cell in group.cells] for group in groups] == [
        ["SignFlip", "Constant", "Gaussian"],
        ["Voting"],
    ]
    assert [group.branches for group in groups] == [[(0,), (1,), (2,)], [()]]
    with pytest.raises(gj.ConfigurationError, match=r"switch: options=\['SignFlip', 'Voting'\]: `corrupt` returns"):
        both = set_paths(simulation(), {**stages, "attack": switch(AbstractAttack, (A.SignFlip(), Voting()))})[0]
        jax.eval_shape(lambda: both.step(both.init(jax.random.key(0)), jnp.ones(6), jax.random.key(0)))


def test_adversaries_that_say_themselves_whom_they_hold_are_options_too():
    task, server = simulation().task, gj.protocols.Server(R.Median())

    def build(attack):
        who = {} if attack == "several" else {"byzantine": 2}
        attacks = {"flip": A.SignFlip(), "noise": A.Gaussian(), "several": A.Several({A.SignFlip(): 1, A.Zero(): 2})}
        return gj.Simulation(task, server, attack=attacks[attack], **who)

    sweeps = [
        gj.sweep(build, {"attack": ["flip", "noise", "several"]}, 3, merge=how, progress=None) for how in (True, False)
    ]
    merged, apart = (sweep.dataset["loss"].squeeze() for sweep in sweeps)
    np.testing.assert_allclose(merged, apart, rtol=2e-5)
    assert np.unique(apart.isel(round=-1).values.round(5)).size == 3


def test_a_channel_and_a_detector():
    channels = (gj.channels.Drop(0.0), gj.channels.Drop(1.0))
    x, w = jnp.ones((4, 2)), jnp.ones(4)
    for i, alone in enumerate(channels):
        chosen = switch(AbstractChannel, channels, i)
        states, carried = chosen.carry(chosen.init(x), x, w, None, jax.random.key(0))
        state, expected = alone.carry(alone.init(x), x, w, None, jax.random.key(0))
        jax.tree.map(np.testing.assert_array_equal, (states[i], carried), (state, expected))
    assert not inspect.isabstract(_switch._switch_of(gj.detectors.AbstractDetector))


def test_what_a_protocol_does_not_offer_stays_apart():
    task = simulation().task

    def build(learner, rule):
        return gj.Simulation(task, gj.protocols.Gossip(rule, gj.topologies.ring(6, degree=4)), learner=learner)

    sims = [build(learner, rule) for learner in (L.Gradient(), L.Momentum()) for rule in (R.Mean(), R.Median())]
    cells = [build_cells(sim, [], [0], 3, None)[0] for sim in sims]
    assert [len(group.cells) for group in group_cells(cells, True)] == [2, 2]
