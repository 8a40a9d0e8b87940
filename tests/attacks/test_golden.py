"""Attacks against values computed with 50 digits and confirmed independently (`tests/golden/attacks.json`)."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj


FILE = Path(__file__).parents[1] / "golden" / "attacks.json"
CASES = {case["id"]: case for case in json.loads(FILE.read_text())["cases"]}
SIGN = {"+": 1, "-": -1}


def krum(f, neighbours):
    """Krum by its definition, as the defence of `FangKrum`."""

    def rule(x, w):
        d = jnp.square(x[:, None, :] - x[None, :, :]).sum(-1)
        count = len(x) - f - (1 if neighbours == "n-f-1" else 2)
        return x[jnp.argmin(jnp.sort(d, axis=1)[:, 1 : count + 1].sum(1))]

    return rule


MAKE = {
    "sign_flip": lambda p: gj.attacks.SignFlip.of_mean(),
    "ipm": lambda p: gj.attacks.IPM(p["tau"]),
    "foe": lambda p: gj.attacks.IPM.foe(1 + p["eps"]),
    "alie": lambda p: gj.attacks.ALIE(p["z"], sign=SIGN[p["sign"]], ddof=p["ddof"]),
    "mimic": lambda p: gj.attacks.Mimic(p["index"]),
    "min_max": lambda p: gj.attacks.MinMax(p["direction"], p.get("ddof", 1)),
    "min_sum": lambda p: gj.attacks.MinSum(p["direction"], p.get("ddof", 1)),
    "fang_krum": lambda p: gj.attacks.FangKrum(p["lambda0"]),
}


def crowd(case, dtype, f=2):
    """The honest rows of a case, f Byzantine rows in front that hold something else, and an absent honest row."""
    honest = np.array([[float(v) for v in row] for row in case["x"]])
    w = np.concatenate([np.ones(f), np.array(case["w"], float)])
    x = np.concatenate([np.full((f, honest.shape[1]), 7.0), honest])
    return jnp.asarray(x, dtype), jnp.arange(len(x)) < f, jnp.asarray(w, dtype)


@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["kind"] == "attack"])
def test_message(name, precision):
    case = CASES[name]
    with jax.enable_x64(precision == "float64"):
        attack, params = MAKE[case["name"]](case["params"]), dict(case["params"])
        f = params.get("f", 2)
        x, byzantine, w = crowd(case, precision, f)
        rule = krum(f, params["neighbours"]) if case["name"] == "fang_krum" else None
        if case["name"] == "mimic":
            attack = gj.attacks.Mimic(params["index"] + f)
        sent = attack(x, byzantine, w, rule=rule)
        expected = np.array(case["expected"])
        honest = np.asarray(x)[f:][np.isfinite(x[f:]).all(1) & np.asarray(w[f:] > 0)]
        spread = np.ptp(honest, axis=0).max()
        tolerance = 1e-9 * min(np.abs(expected).max(), spread)
        if precision == "float32":
            tolerance = 2e-5 * max(np.abs(honest).max(), np.abs(expected).max())
        np.testing.assert_allclose(np.asarray(sent)[:f], np.tile(expected, (f, 1)), rtol=0, atol=tolerance)
        np.testing.assert_array_equal(sent[f:], x[f:])


def test_z_max_table(x64):
    case = CASES["alie_z_max-table"]
    for n, f, z in case["table"]:
        assert abs(float(gj.attacks.z_max(n, f)) - z) < 1e-9
    # The default of ALIE is this table's value, from the masses that are present.
    x = jnp.asarray(np.random.default_rng(0).normal(size=(25, 3)))
    default = gj.attacks.ALIE()(x, jnp.arange(25) >= 20)
    fixed = gj.attacks.ALIE(case["table"][0][2])(x, jnp.arange(25) >= 20)
    np.testing.assert_allclose(default, fixed, rtol=0, atol=1e-12)


def test_z_max_is_finite_for_every_mass():
    n, share = jnp.meshgrid(jnp.linspace(0.25, 9.0, 36), jnp.linspace(0.0, 1.0, 17))
    assert np.isfinite(jax.vmap(jax.vmap(gj.attacks.z_max))(n, n * share)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["kind"] == "attack_optimum"])
def test_line_search_finds_the_optimum(name, x64):
    case, p = CASES[name], CASES[name]["params"]
    f = p["f"]
    x, byzantine, w = crowd(case, "float64", f)
    rule = gj.aggregators.TrimmedMean(f=f)
    if case["name"] == "optimal_alie":
        inner, low, high = gj.attacks.ALIE(1.0, sign=SIGN[p["sign"]], ddof=p["ddof"]), 1e-2, p["tau_hi"]
    else:
        inner, low, high = gj.attacks.IPM(0.0), 1 + p["tau_lo"], 1 + p["tau_hi"]
    search = gj.attacks.LineSearch(inner, low, high, signed=False)
    sent = search(x, byzantine, w, rule=rule)
    reached = float(jnp.linalg.norm(rule(sent, w) - x[f:].mean(0)))
    assert 0.999 * case["expected"]["sup"] <= reached <= case["expected"]["sup"] * (1 + 1e-9)
    if case["name"] == "optimal_alie":
        return
    # Looking at the other side as well can only be worse for the defence.
    both = gj.attacks.LineSearch(inner, low, high)(x, byzantine, w, rule=rule)
    assert float(jnp.linalg.norm(rule(both, w) - x[f:].mean(0))) >= reached * (1 - 1e-3)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["kind"] == "labels"])
def test_labels(name):
    case, p = CASES[name], CASES[name]["params"]
    attack = gj.attacks.LabelMap(p["mapping"]) if "mapping" in p else gj.attacks.LabelFlip(p["num_classes"])
    y = jnp.asarray([case["x"]] * 2)
    batch = gj.tasks.Batch(jnp.zeros(y.shape), y)
    sent = attack.poison(batch, jnp.array([False, True]), jax.random.key(0))
    np.testing.assert_array_equal(sent.y, [case["x"], case["expected"]])


def test_every_case_is_used():
    kinds = {case["kind"] for case in CASES.values()}
    assert kinds == {"attack", "attack_optimum", "labels", "scalar_table"}
    assert {case["name"] for case in CASES.values() if case["kind"] == "attack"} == MAKE.keys()


def test_alie_of_the_literature():
    # Eight published rows, the first six honest: the vector that byzfl computes, and its 1 / n variant.
    rows = [(1.1, -4.8), (0.9, 0.3), (-1.8, 5.0), (5.1, -1.3), (4.7, -5.2), (1.9, 3.3), (-2.4, 1.9), (-3.1, 6.3)]
    x, byzantine = jnp.array(rows), jnp.arange(8) >= 6
    np.testing.assert_allclose(gj.attacks.ALIE.byzfl()(x, byzantine)[7], [5.858349, 5.790252], rtol=2e-6)
    other = gj.attacks.ALIE(1.5, sign=1, ddof=0)(x, byzantine)[7]
    np.testing.assert_allclose(other, [5.520723, 5.246545], rtol=2e-6)
