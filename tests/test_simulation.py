"""A simulation takes what can only be meant in one way, and refuses the rest before anything compiles."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax._sweep._axis import as_axes
from ghostjax._sweep._plan import build_cells


N = 8
TASK = gj.tasks.digits(N, batch_size=4, model=gj.tasks.models.MLP((64, 10)))
SERVER = gj.protocols.Server(gj.aggregators.Mean())


def build(**parts):
    parts = {"task": TASK, "protocol": SERVER, "metrics": ()} | parts
    return gj.Simulation(parts.pop("task"), parts.pop("protocol"), **parts)


@pytest.mark.parametrize(
    ("byzantine", "count"),
    [
        (3, 3), (np.int64(3), 3), (jnp.asarray(3), 3), (0, 0), (N, N),
        (0.25, 2), (0.0, 0), (np.float32(0.5), 4), (jnp.asarray(0.25), 2), (0.3, 2), (0.32, 3), (0.0625, 1),
        (gj.Share(0.25), 2), (gj.Share(1), N), (gj.Share(0), 0),
    ],
)  # fmt: skip
def test_counts_and_shares_mark_the_last_nodes(byzantine, count, as_users_run):
    sim = build(byzantine=byzantine)
    np.testing.assert_array_equal(sim.byzantine, np.arange(N) >= N - count)
    assert sim.byzantine.dtype == bool and f"{count} of them Byzantine" in repr(sim)


def test_masks_are_booleans_or_zeros_and_ones(as_users_run):
    mask = np.arange(N) % 3 == 0
    for given in (mask, mask.tolist(), mask.astype(int).tolist(), jnp.asarray(mask), mask.astype(float), tuple(mask)):
        np.testing.assert_array_equal(build(byzantine=given).byzantine, mask)


@pytest.mark.parametrize(
    ("byzantine", "words"),
    [
        ([3, 7], "np.isin(np.arange(8), [3, 7])"), ([0, 1, 2, 3, 4, 5, 6, 7], "np.isin"), (np.array([3]), "np.isin"),
        (1.0, "gj.Share(1)"), (4.0, "whole number"), (-1, "between 0 and the 8 nodes"), (-0.5, "whole number"),
        (9, "between 0 and the 8 nodes"), (np.nan, "give a number"), ("2", "whole number"),
        (True, "whole number"), (0.01, "that is nobody"), (gj.Share(0.01), "that is nobody"),
        ([True, False], "give one entry per node"), (np.zeros((N, 1)), "give one entry per node"),
        (["a"] * N, "a count, a share or a mask"), ([[1], [1, 2]], "a count, a share or a mask"),
        (np.full(N, np.nan), "a count, a share or a mask"), (1j, "whole number"),
    ],
)  # fmt: skip
def test_what_could_mean_two_things_is_refused(byzantine, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        build(byzantine=byzantine)
    line = str(caught.value)
    assert line.startswith("Simulation: byzantine=") and words in line and "\n" not in line


def test_shares_are_shares():
    for wrong in (-0.1, 1.5, np.nan):
        with pytest.raises(gj.ConfigurationError, match="Share: share="):
            gj.Share(wrong)


def test_an_axis_of_shares_moves_the_number_of_attackers():
    with pytest.warns(UserWarning, match=r"Simulation: attack=SignFlip.*no identity is Byzantine"):
        base = build(attack=gj.attacks.SignFlip(), metrics=None)
        sweep = gj.sweep(base, {"byzantine": [0.0, 0.25, 0.5]}, rounds=2, progress=None)
    assert len(set(sweep.dataset["loss"].values[:, 0, -1].tolist())) == 3
    assert sweep.dataset["byzantine"].values.tolist() == [0, 0.25, 0.5]


@pytest.mark.parametrize("byzantine", [[0, 1], [0.0, 0.25]])
def test_no_attackers_beside_some_are_the_baseline_of_a_sweep(byzantine, as_users_run):
    base = build(attack=gj.attacks.SignFlip(), metrics=None, byzantine=1)
    builders = base, lambda byzantine: build(attack=gj.attacks.SignFlip(), metrics=None, byzantine=byzantine)
    with warnings.catch_warnings(action="error"):
        for source in builders:
            cells = build_cells(source, as_axes({"byzantine": byzantine}), [0, 1], 2, None)
            assert [cell.byzantine > 0 for cell in cells] == [False, False, True, True]
    for source in builders:
        with pytest.warns(UserWarning, match=r"sweep: attack=SignFlip.*no identity is Byzantine in any cell") as caught:
            build_cells(source, as_axes({"byzantine": [0]}), [0, 1], 2, None)
        assert len(caught) == 1


def test_an_attack_that_nobody_carries_out_is_told_once():
    with pytest.warns(UserWarning, match="so it never acts") as caught:
        build(attack=gj.attacks.LabelFlip(10))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build()
        build(attack=gj.attacks.NoAttack())
        build(attack=gj.attacks.SignFlip(), byzantine=1)
        jax.eval_shape(lambda mask: build(attack=gj.attacks.SignFlip(), byzantine=mask), jnp.zeros(N, bool))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"task": "digits"}, "task='digits': "),
        ({"task": gj.tasks.digits}, "task=digits: "),
        ({"protocol": gj.protocols.Server}, "that is the class; make an object of it, gj.protocols.Server(...)"),
        ({"protocol": gj.aggregators.Mean()}, "give a protocol, such as gj.protocols."),
        ({"protocol": "server"}, "give an object, gj.protocols.Server(...)"),
        ({"learner": "momentum"}, "gj.learners.Momentum(...)"),
        ({"learner": optax.sgd(0.1)}, "learner="),
        ({"attack": gj.attacks.ALIE}, "make an object of it, gj.attacks.ALIE(...)"),
        ({"attack": lambda x: x}, "not a function"),
        ({"attack": "sign_flip"}, "gj.attacks.SignFlip(...)"),
        ({"metrics": gj.metrics.Goal()}, "give a list, [Goal(...)]"),
        ({"metrics": [gj.metrics.Goal]}, "metrics[0]=Goal: that is the class"),
        ({"metrics": "loss"}, "metrics='loss': give a list"),
        ({"metrics": ["goal"]}, "metrics[0]='goal'"),
    ],
)
def test_the_commonest_mistakes_are_told_the_way_in(parts, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        build(**parts)
    line = str(caught.value)
    assert line.startswith("Simulation: ") and words in line and "\n" not in line and len(line) < 220
