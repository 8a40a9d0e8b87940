"""The rounds in which a verdict can be executed, against the council itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.governance import (
    Council,
    deliberate,
    Electorate,
    execution_rounds,
    expected_rounds,
    passing_probability,
)


def test_executions_under_an_alarm_that_comes_and_goes_are_where_and_as_probable_as_they_are_said_to_be():
    draws, horizon = 1000, 120
    alarm = np.arange(horizon) % 13 < 6
    reading = gj.Reading(jnp.ones(horizon), jnp.asarray(alarm), jnp.zeros(horizon, jnp.int32))
    council, members = Council(voting=3, timelock=7), Electorate(captured=28 / 64)

    @jax.vmap
    def first(key):
        executed = deliberate(council, members, {"network": reading}, 64, 16, key=key)["executed"]
        return jnp.where(executed >= 0, executed, horizon).min()

    taken = jax.jit(first)(jax.random.split(jax.random.key(0), draws))
    found = np.bincount(np.asarray(taken), minlength=horizon + 1) / draws
    rounds = execution_rounds(alarm, 3, 7)
    assert set(np.flatnonzero(found[:horizon])) <= set(rounds.tolist())
    assert len(set(np.diff(rounds))) > 1, "some votes are held at once, others wait for the next alarm"
    chance = passing_probability([0.9 * 0.95] * 36 + [0] * 28)
    said = chance * (1 - chance) ** np.arange(len(rounds))
    assert (np.abs(found[rounds] - said) < 4 * np.sqrt(said / draws)).all()


def test_under_an_alarm_that_stays_the_mean_is_the_closed_form():
    rounds = execution_rounds(np.ones(300, bool), 5, 10)
    assert (rounds * 0.8 * 0.2 ** np.arange(len(rounds))).sum() == pytest.approx(expected_rounds(0.8, 5, 10), rel=1e-6)
    assert execution_rounds(np.zeros(9, bool)).tolist() == execution_rounds([]).tolist() == []
    assert execution_rounds([True, True], 0, 0).tolist() == [1]


@pytest.mark.parametrize(
    ("alarm", "rounds", "words"),
    [
        ([0.0, 1.0], {}, "execution_rounds: alarm="),
        ([[True]], {}, "execution_rounds: alarm="),
        ([True], {"voting": -1}, "execution_rounds: voting=-1"),
        ([True], {"timelock": 1.5}, "execution_rounds: timelock=1.5"),
    ],
)
def test_what_is_no_alarm_is_refused_in_one_line(alarm, rounds, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        execution_rounds(alarm, **rounds)
    assert words in str(caught.value) and "\n" not in str(caught.value)
