"""Corrections on a world of sums, where every answer is known."""

from typing import NamedTuple

import numpy as np
import pytest

import ghostjax as gj
from ghostjax.correction import Case, Quarantine, Replay, Rollback, Subtraction


T, N = 12, 4
PUSHES = np.arange(1.0, N + 1)


class Network(NamedTuple):
    """The model, and a memory of the last push: what a round replaces is no sum."""

    theta: np.ndarray
    last: np.ndarray


class Parts(NamedTuple):
    protocol: Network
    learner: np.ndarray
    age: np.ndarray


def world(pull):
    """Each round adds the pushes of all who are present, and takes off `pull` times the sum so far."""

    def plays(weights, start, stop, states):
        if states is None:
            nothing = np.zeros(len(weights))
            states = Parts(Network(nothing, nothing), nothing, start)
        x, last = (np.array(part) for part in states.protocol)
        record = {"charter_loss": np.zeros(weights.shape[:2])}
        for i in range(len(weights)):
            for t in range(int(start[i]), int(stop[i])):
                last[i] = (weights[i, t] * PUSHES).sum()
                x[i] += last[i] - pull * x[i]
                record["charter_loss"][i, t] = x[i]
        return Parts(Network(x, last), np.zeros(len(weights)), stop), record

    return plays


def case():
    named = np.zeros((2, N), bool)
    named[0, 3] = named[1, [0, 3]] = True
    return Case(np.ones((2, T, N)), named, np.array([2, 4]), np.array([6, 7]))


def ends(how, pull=0.0):
    return how.correct(case(), world(pull)).record["charter_loss"]


def test_where_a_training_is_a_sum_subtraction_is_replay():
    plays = world(0.0)
    subtracted, replayed = ends(Subtraction()), ends(Replay())
    np.testing.assert_allclose(subtracted, replayed)
    never = plays(case().without(case().start), np.zeros(2, int), np.full(2, T), None)[1]["charter_loss"]
    np.testing.assert_allclose(replayed[0, 7:], never[0, 7:])
    np.testing.assert_allclose(
        ends(Quarantine())[0, -1] - replayed[0, -1], 4 * 5, err_msg="five rounds of its push stay"
    )
    np.testing.assert_allclose(
        replayed[:, :7], plays(np.ones((2, T, N)), np.zeros(2, int), np.full(2, 7), None)[1]["charter_loss"][:, :7]
    )


def test_where_others_push_back_subtraction_takes_off_too_much():
    subtracted, replayed, kept = (ends(how, 0.3)[:, -1] for how in (Subtraction(), Replay(), Quarantine()))
    assert (subtracted < replayed).all() and (replayed < kept).all()


def test_the_model_alone_is_a_sum():
    plays, given = world(0.0), []

    def watched(weights, start, stop, states):
        given.append(states)
        return plays(weights, start, stop, states)

    Subtraction().correct(case(), watched)
    lived, _ = plays(case().weights, np.zeros(2, int), case().executed + 1, None)
    np.testing.assert_array_equal(given[-1].protocol.last, lived.protocol.last)
    assert (given[-1].protocol.theta < lived.protocol.theta).all()


def test_a_state_without_a_model_is_refused_in_one_line():
    def plays(weights, start, stop, states):
        return Parts({"x": np.zeros(2)}, np.zeros(2), stop), {}

    with pytest.raises(gj.ConfigurationError, match=r"Subtraction: protocol=a state dict: .*theta"):
        Subtraction().correct(case(), plays)


def test_a_rollback_restores_the_newest_snapshot_before_the_start():
    found = ends(Rollback(every=np.int32(2)))
    # Back to the sum of two (four) rounds of all, then the rest without those who are named.
    assert found[0, -1] == 2 * 10 + (T - 7) * 6 and found[1, -1] == 4 * 10 + (T - 8) * 5
