"""The vote machine alone: 2,000 votes in one program against the closed form."""

import numpy as np
import pytest

from ghostjax.governance import Council, Electorate, expected_rounds, passing_probability, rounds_to_execution


DRAWS, N, VOTING, TIMELOCK = 2000, 64, 5, 10


def drawn(captured, horizon):
    """The rounds to the first execution under an alarm that stays, `[draws]`, nan for never."""
    council = Council(voting=VOTING, timelock=TIMELOCK, quorum=0.5)
    members = Electorate(captured=captured, participation=0.9, accuracy=0.95)
    return rounds_to_execution(council, members, N, 16, draws=DRAWS, horizon=horizon)


LONG = pytest.mark.slow
"""A horizon within which every draw is decided, or one more of two that are alike."""


@pytest.mark.parametrize("captured", [0, pytest.param(16, marks=LONG), 25, 28, pytest.param(30, marks=LONG)])
def test_the_time_to_correct_is_that_of_the_closed_form(captured):
    chance = passing_probability([0.9 * 0.95] * (N - captured) + [0] * captured)
    horizon = 700 if captured == 30 else 200
    taken = drawn(captured / N, horizon)
    assert np.isfinite(taken).all()  # a mean over those that were decided would be too small
    assert taken.mean() == pytest.approx(expected_rounds(chance, VOTING, TIMELOCK), rel=0.05)


def test_beyond_its_share_nothing_is_ever_decided():
    assert passing_probability([0.9 * 0.95] * (N - 35) + [0] * 35) == 0
    assert expected_rounds(0.0) == np.inf and np.isnan(drawn(35 / N, 200)).all()
