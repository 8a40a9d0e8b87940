"""Every attack keeps every law, and every law catches an attack that breaks it."""

import itertools
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from ghostjax import attacks, ConfigurationError
from ghostjax.attacks import AbstractMessageAttack, Sent
from ghostjax.testing import check_attack
from ghostjax.testing._attacks import LAWS

from .table import TABLE


MORE = ("alie_flpoison", "min_max_unit", "min_sum_std", "optimal_alie")
"""Rows that resemble another one: the whole suite."""
ROWS = [pytest.param(name, marks=[pytest.mark.slow] * (name in MORE)) for name in TABLE]


@pytest.mark.parametrize("name", ROWS)
def test_laws(name):
    check_attack(TABLE[name]())


def test_every_public_attack_has_a_row_in_the_quick_suite():
    assert set(MORE) <= set(TABLE)
    used = {type(make()) for name, make in TABLE.items() if name not in MORE}
    public = {
        value
        for name, value in vars(attacks).items()
        if isinstance(value, type) and issubclass(value, attacks.AbstractAttack) and not name.startswith("Abstract")
    }
    assert public == used


class Broken(AbstractMessageAttack):
    """Sends `rows(view, knob)`; the tests below make it break one law each."""

    rows: Any = eqx.field(static=True)
    knob: Any = eqx.field(default_factory=lambda: jnp.asarray(1.0))
    knows: ClassVar[Any] = "honest"

    def init(self, like):
        return ()

    def corrupt(self, state, view):
        return state, Sent(
            self.rows(view, self.knob.astype(view.messages.dtype) if eqx.is_array(self.knob) else self.knob)
        )


class Ignorant(AbstractMessageAttack):
    """Claims to know nothing, or only its own, and reads `read(view)`."""

    read: Any = eqx.field(static=True)
    knows: ClassVar[Any] = "nothing"

    def init(self, like):
        return ()

    def corrupt(self, state, view):
        return state, Sent(jnp.broadcast_to(self.read(view), view.messages.shape))


class Selfish(AbstractMessageAttack):
    knows: ClassVar[Any] = "own"

    def init(self, like):
        return ()

    def corrupt(self, state, view):
        return state, Sent(-view.messages + view.messages[:1])


class Static(AbstractMessageAttack):
    """Sends a static number, which sets neither a shape nor a loop bound."""

    value: float = eqx.field(static=True, default=1.0)
    count: int = eqx.field(static=True, default=1)

    def init(self, like):
        return ()

    def corrupt(self, state, view):
        return state, Sent(jnp.full_like(view.messages, self.value * self.count))


class BrokenData(attacks.AbstractDataAttack):
    rewrite: Any = eqx.field(static=True)

    def on(self, task):
        return self

    def poison(self, state, batch, before):
        return self.rewrite(batch, before.byzantine)


class StaticData(attacks.AbstractDataAttack):
    """Poisons with a static number."""

    factor: float = eqx.field(static=True, default=2.0)

    def on(self, task):
        return self

    def poison(self, state, batch, before):
        return batch._replace(x=jnp.where(before.byzantine[:, None, None], self.factor * batch.x, batch.x))


CALLS = itertools.count(1)


def of_eager_mode(view, knob):
    # A side effect that a compiled program does only once.
    return jnp.full_like(view.messages, next(CALLS))


@jax.custom_batching.custom_vmap
def times(k, y):
    return k * y


@times.def_vmap
def _(size, batched, k, y):
    # Every case of the batch takes the knob of the first.
    return k[:1, None, None] * y, True


def mean_of_all(view):
    return view.messages.mean(0)[None, :]


BROKEN = {
    "shape: wider": ("shape", Broken(lambda v, k: jnp.concatenate([v.messages, v.messages], 1))),
    "shape: dtype": ("shape", Broken(lambda v, k: v.messages.astype(jnp.float32))),
    "finite: sqrt": ("finite", Broken(lambda v, k: v.messages / v.honest.sum())),
    "finite: nan": ("finite", Broken(lambda v, k: jnp.where(v.byzantine.any(), v.messages, jnp.nan) / v.weights.sum())),
    "absence": ("absence", Broken(lambda v, k: k * jnp.broadcast_to(mean_of_all(v), v.messages.shape))),
    "permutation": (
        "permutation",
        Broken(lambda v, k: jnp.arange(7.0, dtype=v.messages.dtype)[:, None] + 0 * v.messages),
    ),
    "knowledge: messages": ("knowledge", Ignorant(mean_of_all)),
    "knowledge: models": ("knowledge", Ignorant(lambda v: v.models[None, :])),
    "knowledge: weights": ("knowledge", Ignorant(lambda v: v.weights.sum()[None, None])),
    "knowledge: graph": ("knowledge", Ignorant(lambda v: v.mixing.max(1)[:, None])),
    "knowledge: others": ("knowledge", Selfish()),
    "knowledge: defence": ("knowledge", Broken(lambda v, k: jnp.broadcast_to(v.respond(v.messages), v.messages.shape))),
    "jit": ("jit", Broken(of_eager_mode)),
    "vmap": ("vmap", Broken(lambda v, k: times(k, v.messages))),
    "trace: a float of Python": ("trace", Broken(lambda v, k: k * v.messages, knob=1.0)),
    "trace: a count of Python": ("trace", Broken(lambda v, k: k * v.messages, knob=1)),
    "trace: a static float": ("trace", Static(value=1.5)),
    "trace: a static count": ("trace", Static(count=2)),
    "trace: poison": ("trace", StaticData()),
    "data: honest": ("data", BrokenData(lambda b, byz: b._replace(y=9 - b.y))),
    "data: peeking": ("data", BrokenData(lambda b, byz: b._replace(y=jnp.where(byz[:, None], b.y[:1], b.y)))),
    "data: form": ("data", BrokenData(lambda b, byz: b._replace(y=b.y[:, :3]))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_caught(name):
    law, attack = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        check_attack(attack, skip=LAWS.keys() - {law})


def test_every_law_catches_something():
    assert {law for law, _ in BROKEN.values()} == LAWS.keys()


def test_unknown_law_is_refused():
    with pytest.raises(ConfigurationError, match=r"check_attack: skip=\['speed'\]: the laws are"):
        check_attack(attacks.NoAttack(), skip=["speed"])
