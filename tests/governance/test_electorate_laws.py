"""Every electorate keeps every law, and every law catches one that breaks it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.governance import AbstractElectorate, Electorate, Kind
from ghostjax.testing import check_electorate
from ghostjax.testing._electorates import LAWS

from .table import ELECTORATES


@pytest.mark.parametrize("name", ELECTORATES)
def test_laws(name):
    check_electorate(ELECTORATES[name]())


def test_every_public_electorate_has_a_row():
    public = {v for v in vars(gj.governance).values() if isinstance(v, type) and issubclass(v, AbstractElectorate)}
    assert public - {AbstractElectorate} == {type(make()) for make in ELECTORATES.values()}


class Broken(AbstractElectorate):
    """Votes by `how(motion, people, key, knob) -> yes`, all come; the tests below make it break one law each."""

    how: Any = eqx.field(static=True)
    knob: Any = eqx.field(default_factory=lambda: jnp.asarray(1.0))
    always: bool = eqx.field(static=True, default=False)

    def init(self, num_nodes):
        return ()

    def spoken_for(self, people):
        return people.byzantine

    def vote(self, state, motion, people, key):
        yes = self.how(motion, people, key, self.knob)
        cast = jnp.broadcast_to(motion.votes | self.always, yes.shape)
        return state, gj.Ballots(yes, cast)


class Fickle(AbstractElectorate):
    """Captured is whoever a counter on the host says: the state of the world leaks into who is spoken for."""

    def init(self, num_nodes):
        return jnp.zeros((), jnp.int32)

    def spoken_for(self, people):
        return people.byzantine & (
            jax.pure_callback(_counted, jax.ShapeDtypeStruct((), np.int32), people.power) % 2 > 0
        )

    def vote(self, state, motion, people, key):
        return state, gj.Ballots(people.byzantine, jnp.broadcast_to(motion.votes, people.byzantine.shape))


COUNT = [0]


def _counted(power):
    COUNT[0] += 1
    return np.int32(COUNT[0])


def eager(motion, people, key, knob):
    EAGER[0] += 1
    return people.power > EAGER[0] - 1


EAGER = [0]


def unseeded(motion, people, key, knob):
    drawn = jax.pure_callback(_drawn, jax.ShapeDtypeStruct((), np.float32), people.power)
    return people.power > drawn


def _drawn(power):
    COUNT[0] += 1
    return np.float32(COUNT[0] % 2)


@jax.custom_batching.custom_vmap
def above(k, power):
    return power > k


@above.def_vmap
def _(size, batched, k, power):
    return (power if batched[1] else jnp.broadcast_to(power, (size, *power.shape))) > k[:1, None], True


BROKEN = {
    "shape": ("shape", Broken(lambda motion, people, key, k: people.power)),
    "silence": ("silence", Broken(lambda motion, people, key, k: people.byzantine, always=True)),
    "repeats": ("repeats", Broken(unseeded)),
    "captured": ("captured", Fickle()),
    "jit": ("jit", Broken(eager)),
    "vmap": ("vmap", Broken(lambda motion, people, key, k: above(k, people.power), knob=jnp.asarray(0.9))),
    "trace: a float of Python": ("trace", Broken(lambda motion, people, key, k: people.power > k, knob=1.0)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_caught(name):
    law, twin = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        check_electorate(twin, skip=LAWS.keys() - {law})


def test_every_law_catches_something():
    assert {law for law, _ in BROKEN.values()} == LAWS.keys()


def people(n=64, byzantine=0, owner=None, power=None):
    held = jnp.arange(n) >= n - byzantine
    owner = jnp.arange(n, dtype=jnp.int32) if owner is None else jnp.asarray(owner, jnp.int32)
    return gj.People(held, owner, jnp.ones(n) if power is None else jnp.asarray(power))


@pytest.mark.parametrize(("share", "members"), [
    (0, 0), (0.25, 16), (28 / 64, 28), (0.01, 1), (0.4, 26), (0.47, 30), (1.0, 64), (gj.Share(1), 64),
    (gj.Share(0.25), 16), (1, 1), (25, 25), (np.int64(64), 64), (100, 64),
])  # fmt: skip
def test_a_share_or_a_number_of_the_members_is_captured(share, members):
    assert int(Electorate(captured=share).spoken_for(people()).sum()) == members


def test_captured_are_whom_the_adversary_owns_first():
    owner = [0, 1, 2, 9, 4, 9, 6, 7]  # members 3 and 5 belong to the principal of member 7
    owner[7] = 9
    everybody = people(8, byzantine=1, owner=owner)
    for count, expected in [(1, [3]), (3, [3, 5, 7]), (4, [0, 3, 5, 7]), (6, [0, 1, 2, 3, 5, 7])]:
        held = np.flatnonzero(Electorate(captured=count / 8).spoken_for(everybody)).tolist()
        assert held == expected


def votes(kind, members, **knobs):
    motion = gj.Motion(jnp.asarray(kind), jnp.asarray(True))
    draw = jax.vmap(lambda key: Electorate(**knobs).vote((), motion, members, key)[1])
    return draw(jax.random.split(jax.random.key(0), 4000))


@pytest.mark.parametrize(
    ("kind", "byzantine", "honest", "captured"),
    [(Kind.ALARM, 16, 0.95, 0.0), (Kind.ALARM, 0, 0.05, 0.0), (Kind.MOVED, 16, 0.05, 1.0)],
    ids=["a true alarm", "a false alarm", "a motion of a member"],
)
def test_members_judge_right_and_captured_ones_as_they_are_told(kind, byzantine, honest, captured):
    members = people(byzantine=byzantine)
    said = votes(kind, members, captured=0.25)
    held = np.asarray(Electorate(captured=0.25).spoken_for(members))
    cast, yes = np.asarray(said.cast), np.asarray(said.yes)
    assert cast[:, held].all() and (yes[:, held] == captured).all()
    assert abs(cast[:, ~held].mean() - 0.9) < 0.005
    assert abs((yes & cast)[:, ~held].mean() - 0.9 * honest) < 0.005


def test_an_alarm_about_those_without_power_is_a_false_one():
    """All whom the adversary holds are in quarantine: an alarm accuses somebody else."""
    members = people(byzantine=16, power=jnp.where(jnp.arange(64) >= 48, 0.0, 1.0))
    assert float(votes(Kind.ALARM, members, accuracy=1, participation=1).yes.mean()) == 0


def test_random_numbers_are_drawn_only_in_rounds_with_a_vote():
    members = people()
    program = jax.make_jaxpr(lambda motion, key: Electorate().vote((), motion, members, key))(
        gj.Motion(jnp.asarray(1), jnp.asarray(True)), jax.random.key(0)
    )
    outside = [equation.primitive.name for equation in program.eqns]
    assert "cond" in outside and not {"random_bits", "random_fold_in", "threefry2x32"} & set(outside)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"captured": 1.2}, "Electorate: captured=1.2"),
        ({"captured": -0.1}, "Electorate: captured=-0.1"),
        ({"captured": -1}, "Electorate: captured=-1"),
        ({"captured": 25.0}, "Electorate: captured=25.0"),
        ({"captured": True}, "Electorate: captured=True"),
        ({"captured": [1]}, "Electorate: captured="),
        ({"captured": "many"}, "Electorate: captured='many'"),
        ({"captured": float("nan")}, "Electorate: captured=nan"),
        ({"participation": 2}, "Electorate: participation=2"),
        ({"accuracy": "high"}, "Electorate: accuracy='high'"),
    ],
)
def test_shares_that_cannot_be_meant_are_refused_in_one_line(knobs, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        Electorate(**knobs)
    assert words in str(caught.value) and "\n" not in str(caught.value)
