"""The vote machine alone: 2,000 votes in one program against the closed form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.governance import Council, deliberate, Electorate, expected_rounds, passing_probability


DRAWS, N, VOTING, TIMELOCK = 2000, 64, 5, 10


@functools.partial(jax.jit, static_argnums=1)
def drawn(captured, horizon):
    """The rounds to the first execution under an alarm that stays, `[draws]`, `horizon` for never."""
    reading = gj.Reading(jnp.ones(horizon), jnp.ones(horizon, bool), jnp.zeros(horizon, jnp.int32))
    council = Council(voting=VOTING, timelock=TIMELOCK, quorum=0.5)
    members = Electorate(captured=captured, participation=0.9, accuracy=0.95)

    def one(key):
        executed = deliberate(council, members, {"network": reading}, N, 16, key=key)["executed"]
        return jnp.where(executed >= 0, executed, horizon).min()

    return jax.vmap(one)(jax.random.split(jax.random.key(0), DRAWS))


@pytest.mark.parametrize("captured", [0, 16, 25, 28, 30])
def test_the_time_to_correct_is_that_of_the_closed_form(captured):
    chance = passing_probability([0.9 * 0.95] * (N - captured) + [0] * captured)
    horizon = 700 if captured == 30 else 200
    taken = np.asarray(drawn(captured / N, horizon))
    assert taken.max() < horizon  # a mean over those that were decided would be too small
    assert taken.mean() == pytest.approx(expected_rounds(chance, VOTING, TIMELOCK), rel=0.05)


def test_beyond_its_share_nothing_is_ever_decided():
    assert passing_probability([0.9 * 0.95] * (N - 35) + [0] * 35) == 0
    assert expected_rounds(0.0) == np.inf and drawn(35 / N, 200).min() == 200
