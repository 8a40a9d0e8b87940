"""Every channel keeps every law, and every law catches one that breaks it."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import ghostjax as gj
from ghostjax.channels import AbstractChannel, Carried
from ghostjax.testing import check_channel
from ghostjax.testing._channels import LAWS

from .table import TABLE


@pytest.mark.parametrize("name", TABLE)
def test_laws(name):
    channel, idle = TABLE[name]()
    check_channel(channel, idle=idle)


def test_every_public_channel_has_a_row():
    public = {v for v in vars(gj.channels).values() if isinstance(v, type) and issubclass(v, AbstractChannel)}
    assert public - {AbstractChannel} == {type(make()[0]) for make in TABLE.values()}


class Broken(AbstractChannel):
    """Carries by `how(memory, x, w, nbr, key, knob)`; the tests below make it break one law each."""

    how: Any = eqx.field(static=True)
    knob: Any = eqx.field(default_factory=lambda: jnp.asarray(1.0))

    def init(self, like):
        return jnp.zeros(like.shape[:1], like.dtype)

    def carry(self, state, x, w, nbr, key):
        return self.how(state, x, w, nbr, key, self.knob)


class Static(AbstractChannel):
    rate: float = eqx.field(static=True, default=0.5)

    def init(self, like):
        return ()

    def carry(self, state, x, w, nbr, key):
        return state, Carried(x, self.rate * w)


CALLS = itertools.count(1)


def of_eager_mode(s, x, w, nbr, key, k):
    return s, Carried(x, w * next(CALLS))


@jax.custom_batching.custom_vmap
def times(k, y):
    return k * y


@times.def_vmap
def _(size, batched, k, y):
    return k[:1, None] * y, True


def remembers_absent(s, x, w, nbr, key, k):
    first = jnp.nan_to_num(x[:, 0])
    return first, Carried(x, jnp.where(s > 100, 0, w))


BROKEN = {
    "shape: dtype": ("shape", Broken(lambda s, x, w, nbr, key, k: (s, Carried(x, w.astype(jnp.float16))))),
    "shape: negative": ("shape", Broken(lambda s, x, w, nbr, key, k: (s, Carried(x, -w)))),
    "shape: edges of a server": (
        "shape",
        Broken(lambda s, x, w, nbr, key, k: (s, Carried(x, w, jnp.ones((7, 3), x.dtype)))),
    ),
    "idle": ("idle", Broken(lambda s, x, w, nbr, key, k: (s, Carried(x, 0.5 * w)))),
    "absence: appears": ("absence", Broken(lambda s, x, w, nbr, key, k: (s, Carried(x, w + 1)))),
    "absence: memory": ("absence", Broken(remembers_absent)),
    "absence: others": (
        "absence",
        Broken(lambda s, x, w, nbr, key, k: (s, Carried(x + jnp.nan_to_num(x).sum(), w))),
    ),
    "alters": ("alters", Broken(lambda s, x, w, nbr, key, k: (s, Carried(2 * x, w)))),
    "jit": ("jit", Broken(of_eager_mode)),
    "vmap": ("vmap", Broken(lambda s, x, w, nbr, key, k: (s, Carried(x, times(k, w))))),
    "trace: a float of Python": ("trace", Broken(lambda s, x, w, nbr, key, k: (s, Carried(x, k * w)), knob=1.0)),
    "trace: a static float": ("trace", Static()),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_caught(name):
    law, twin = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        check_channel(twin, idle=twin, skip=LAWS.keys() - {law})


def test_every_law_catches_something():
    assert {law for law, _ in BROKEN.values()} == LAWS.keys()


def test_unknown_law_is_refused():
    with pytest.raises(gj.ConfigurationError, match=r"check_channel: skip=\['speed'\]: the laws are"):
        check_channel(gj.channels.Drop(0.1), skip=["speed"])
