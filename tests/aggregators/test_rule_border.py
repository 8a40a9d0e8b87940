"""`rule(x, w)` at its border: what it takes and refuses, how often it compiles, and the ends of the float range."""

import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax import aggregators as agg, ConfigurationError

from ..programs import compilations


FAR = np.concatenate([np.full((8, 4), 0.1), np.full((1, 4), 1.0)]).astype(np.float32)


@pytest.mark.parametrize("far", [6e37, 1e38, 3.4e38])
@pytest.mark.parametrize("name", ["centered clipping", "clipping", "arc"])
def test_one_finite_message_breaks_no_certificate(name, far):
    # A tenth of the longest norm is at most 0.2: eight honest rows have norm 0.2.
    rule, allowed = {
        "centered clipping": (agg.CenteredClipping(), 0.1 + 1 / 9),
        "clipping": (agg.Clipping(agg.Mean(), c=1.0), 0.1 + 1 / 9),
        "arc": (agg.ARC(agg.Mean(), f=1), 0.1 + 1e-6),
    }[name]
    x = FAR * np.where(np.arange(9) == 8, far, 1).astype(np.float32)[:, None]
    assert np.abs(rule(x)).max() <= allowed
    assert np.abs(rule(x, np.full(9, 3e38))).max() <= (far if name == "arc" else allowed)


@pytest.mark.parametrize("size", [3.4e38, 1e30, 1e-30])
def test_certificates_and_hulls_where_everything_is_huge_or_tiny(size):
    x = jnp.full((6, 3), size, jnp.float32)
    np.testing.assert_allclose(agg.Clipping(agg.Mean(), c=1e-10)(x), min(size, 1e-10 / np.sqrt(3)), rtol=1e-5)
    for rule in (agg.Mean(), agg.TrimmedMean(f=1), agg.Median(), agg.NNM(agg.Mean(), f=1), agg.Weiszfeld()):
        np.testing.assert_allclose(rule(x), size, rtol=1e-5)
    for rule in (agg.Mean(), agg.TrimmedMean(f=1), agg.Median()):
        np.testing.assert_allclose(rule(x, [1, 2, 1, 0.5, 1, 1]), size, rtol=1e-5)


@pytest.mark.parametrize("rule", [agg.Mean(), agg.Median(), agg.TrimmedMean(share=0.2), agg.ARC(agg.Mean(), share=0.2)])
def test_weights_beyond_the_float_range_are_proportions(rule):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(rule(x, np.full(5, 3e38)), rule(x), rtol=1e-5)


def test_slack_of_huge_participation_is_a_number():
    server = gj.protocols.Server(agg.TrimmedMean(f=1))
    for w in (3e38, 1e-38):
        margin, kappa, _ = server.guarantee(jnp.full(5, w, jnp.float32), None, jnp.zeros(5, bool))
        assert np.isfinite(margin) and not np.isnan(kappa) and bool(margin > 0) == (w > 1)


def test_arc_counts_masses_equal_but_for_rounding_as_equal():
    # Ten identities of weight .1, a mass of 1.0000001, are clipped to the norm of the nine others.
    x = np.concatenate([np.full((10, 2), 1e6), np.full((9, 2), 0.1)]).astype(np.float32)
    y = agg.ARC(agg.Mean(), f=1)(x, np.repeat(np.float32([0.1, 1]), [10, 9]))
    np.testing.assert_allclose(y, 0.1, rtol=1e-5)


ROWS = [[1, 1], [1, 1], [1, 1], [5, 5], [9, 0]]


def test_integers_lists_and_masks_are_understood(as_users_run):
    for x in (ROWS, np.array(ROWS, np.int32), jnp.array(ROWS), np.array(ROWS, np.float64)):
        for rule, right in ((agg.Mean(), [3.4, 1.6]), (agg.Median(), [1, 1]), (agg.Krum(f=1), [1, 1])):
            np.testing.assert_allclose(rule(x), right, atol=1e-5)
    for w in ([1, 1, 1, 1, 0], np.array([True, True, True, True, False]), jnp.array([2, 2, 2, 2, 0])):
        np.testing.assert_allclose(agg.Mean()(ROWS, w), 2, atol=1e-5)


def test_messages_without_coordinates_and_nobody_give_zero():
    for rule in (agg.Mean(), agg.Median(), agg.TrimmedMean(f=1), agg.Krum(f=1), agg.GeometricMedian(), agg.Weiszfeld()):
        assert rule(jnp.zeros((5, 0))).shape == (0,)
        np.testing.assert_array_equal(rule(jnp.zeros((0, 3))), np.zeros(3))


REFUSED = {
    "text": ([["a"]], None, "x=array of <U1: give real numbers [n, d]"),
    "bool": (np.ones((3, 2), bool), None, "x=array of bool: give real numbers"),
    "complex": (np.ones((3, 2), complex), None, "x=array of complex128"),
    "ragged": ([[1, 2], [3]], None, "x=[[1, 2], [3]]: give real"),
    "one vector": (np.ones(3), None, "x=array of shape (3,): give [n, d], one row per identity; x[:, None]"),
    "three axes": (np.ones((3, 2, 1)), None, "x=array of shape (3, 2, 1): give [n, d]"),
    "other length": (ROWS, [1, 1], "w=array of shape (2,): give one number of at least 0 for each of the 5 rows"),
    "negative": (ROWS, [1, 1, -1, 1, 1], "w=[-1]: give one number"),
    "nan": (ROWS, [1, 1, np.nan, 1, 1], "w=[nan]: give one number"),
    "inf": (ROWS, [1, 1, np.inf, 1, 1], "w=[inf]: give one number"),
    "text weights": (ROWS, "equal", "w=array of <U5: give one number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name, as_users_run):
    x, w, words = REFUSED[name]
    calls = {"Mean(x, w): ": lambda: agg.Mean()(x, w), "IPM(x, byzantine): ": lambda: gj.attacks.IPM()(x, 1, w)}
    for call, make in calls.items():
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert str(caught.value).startswith(call + words) and "\n" not in str(caught.value)


def test_attacks_take_what_rules_take(as_users_run):
    for byzantine in (1, [False, False, False, False, True], np.arange(5) == 4):
        np.testing.assert_allclose(gj.attacks.IPM(1.0)(ROWS, byzantine)[4], [-2, -2], atol=1e-5)


def test_shares_disarm_attacks_as_their_docstrings_say():
    x = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    for attack in (gj.attacks.ALIE(z=1.0), gj.attacks.MinMax(), gj.attacks.MinSum()):
        np.testing.assert_allclose(attack(x, 2, np.full(10, 0.1))[9], x[:8].mean(0), atol=1e-5)
        assert np.abs(attack(x, 2)[9] - x[:8].mean(0)).max() > 0.1


@pytest.mark.parametrize("size", [1e37, 1e25, 1e-25])
def test_attacks_scale_with_messages_of_any_size(size):
    x = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    for attack in (gj.attacks.ALIE(z=1.0), gj.attacks.MinMax(), gj.attacks.MinSum()):
        np.testing.assert_allclose(attack(x * np.float32(size), 2) / size, attack(x, 2), rtol=1e-4, atol=1e-5)


def test_the_same_call_compiles_once():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(8, 20)), jnp.float32)
    attack, mask = gj.attacks.MinMax(), np.arange(8) > 6
    calls = [lambda: agg.Krum(f=1)(x), lambda: agg.NNM(agg.Mean(), f=1)(x), lambda: attack(x, mask)]
    for call in calls:
        call()
    with compilations() as seen:
        for call in calls:
            call()
            call()
    assert not seen


def test_more_than_the_nodes_give_is_refused_by_a_protocol():
    def server(n, rule):
        gj.protocols.Server(rule).validate(n)

    for n, rule, words in [
        (8, agg.MultiKrum(m=100), r"Server\(MultiKrum\): m=100.0: averages the mass m of the 8 present"),
        (8, agg.NNM(agg.MultiKrum(m=9)), r"Server\(NNM\(MultiKrum\)\): m=9.0"),
        (1, agg.Krum(), r"Server\(Krum\): f=0.0: a message is compared with its neighbours"),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            server(n, rule)
    server(8, agg.MultiKrum(m=8))
    graph = gj.topologies.ring(6)
    with pytest.raises(ConfigurationError, match=r"Gossip\(MultiKrum\): m=4.0"):
        gj.protocols.Gossip(agg.MultiKrum(m=4), graph).validate(6)


def test_an_attack_that_is_none_says_so():
    alie = gj.attacks.ALIE()
    assert alie.doubt(10, 2) == "z_max is 0 of 10 identities, 2 of them Byzantine; give z= a number above 0"
    assert alie.doubt(10, 0) is None and alie.doubt(10, 3) is None and gj.attacks.ALIE(z=0.5).doubt(10, 2) is None
    with pytest.warns(UserWarning, match=r"Simulation: attack=ALIE.*this is no attack: z_max is 0 of 10"):
        gj.Simulation(gj.tasks.quadratic(10, 3), gj.protocols.Server(agg.Mean()), attack=alie, byzantine=2)
