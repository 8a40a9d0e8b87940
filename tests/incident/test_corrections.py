"""Corrections on a world of sums, where every answer is known."""

from typing import NamedTuple

import jax
import numpy as np

from ghostjax.correction import Case, Quarantine, Replay, Rollback, Subtraction


T, N = 12, 4
PUSHES = np.arange(1.0, N + 1)


class Parts(NamedTuple):
    protocol: dict
    learner: np.ndarray
    age: np.ndarray


def world(pull):
    """Each round adds the pushes of all who are present, and takes off `pull` times the sum so far."""

    def plays(weights, start, stop, states):
        if states is None:
            states = Parts(
                {"x": np.zeros(len(weights)), "count": np.zeros(len(weights), int)}, np.zeros(len(weights)), start
            )
        x, count = np.array(states.protocol["x"]), np.array(states.protocol["count"])
        record = {"charter_loss": np.zeros(weights.shape[:2])}
        for i in range(len(weights)):
            for t in range(int(start[i]), int(stop[i])):
                x[i] += (weights[i, t] * PUSHES).sum() - pull * x[i]
                count[i] += 1
                record["charter_loss"][i, t] = x[i]
        return Parts({"x": x, "count": count}, np.zeros(len(weights)), stop), record

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


def test_counters_are_no_contributions():
    plays, seen = world(0.0), []

    def watched(weights, start, stop, states):
        found = plays(weights, start, stop, states)
        seen.append(found[0].protocol["count"])
        return found

    Subtraction().correct(case(), watched)
    assert seen[-1].tolist() == [T, T]
    assert jax.tree.structure(seen[-1]) == jax.tree.structure(seen[0])


def test_a_rollback_restores_the_newest_snapshot_before_the_start():
    found = ends(Rollback(every=np.int32(2)))
    # Back to the sum of two (four) rounds of all, then the rest without those who are named.
    assert found[0, -1] == 2 * 10 + (T - 7) * 6 and found[1, -1] == 4 * 10 + (T - 8) * 5
