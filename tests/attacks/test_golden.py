"""Attacks against values computed with 50 digits and confirmed independently (`tests/golden/attacks.json`)."""

import json
from pathlib import Path

import equinox as eqx
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
    """The honest rows of a case, and f Byzantine rows in front that hold something else."""
    honest = np.array([[float(v) for v in row] for row in case["x"]])
    w = np.concatenate([np.ones(f), np.array(case["w"], float)])
    x = np.concatenate([np.full((f, honest.shape[1]), 7.0), honest])
    return x.astype(dtype), np.arange(len(x)) < f, w.astype(dtype)


SIZE = (14, 7)


def pad(x, byzantine, w):
    """The same rows before absent ones that hold nonsense, and columns of zeros: one compilation serves all shapes."""
    rows = np.full(SIZE, np.nan, x.dtype)
    rows[: len(x)] = 0
    rows[: len(x), : x.shape[1]] = x
    absent = SIZE[0] - len(x)
    return rows, np.pad(byzantine, (0, absent)), np.pad(w, (0, absent))


@eqx.filter_jit
def send(attack, x, byzantine, w, rule):
    return attack(x, byzantine, w, rule=rule)


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
        # The defence of `FangKrum` is defined by the number of rows.
        arguments = (x, byzantine, w) if rule else pad(x, byzantine, w)
        sent = np.asarray(send(attack, *arguments, rule))
        assert not sent[: len(x), x.shape[1] :].any()
        sent = sent[: len(x), : x.shape[1]]
        expected = np.array(case["expected"])
        honest = x[f:][np.isfinite(x[f:]).all(1) & (w[f:] > 0)]
        spread = np.ptp(honest, axis=0).max()
        tolerance = 1e-9 * min(np.abs(expected).max(), spread)
        if precision == "float32":
            tolerance = 2e-5 * max(np.abs(honest).max(), np.abs(expected).max())
        np.testing.assert_allclose(sent[:f], np.tile(expected, (f, 1)), rtol=0, atol=tolerance)
        np.testing.assert_array_equal(sent[f:], x[f:])


def test_z_max_table(x64):
    case = CASES["alie_z_max-table"]
    n, f, z = np.array(case["table"], float).T
    np.testing.assert_allclose(jax.vmap(gj.attacks.z_max)(n, f), z, rtol=0, atol=1e-9)
    # The default of ALIE is this table's value, from the masses that are present.
    x, byzantine, w = np.random.default_rng(0).normal(size=(25, 3)), np.arange(25) >= 20, np.ones(25)
    default, fixed = (send(gj.attacks.ALIE(*z), x, byzantine, w, None) for z in ((), (case["table"][0][2],)))
    np.testing.assert_allclose(default, fixed, rtol=0, atol=1e-12)


def test_z_max_is_finite_for_every_mass():
    n, share = (
        grid.ravel().astype(np.float32) for grid in np.meshgrid(np.linspace(0.25, 9, 36), np.linspace(0, 1, 17))
    )
    assert np.isfinite(jax.vmap(gj.attacks.z_max)(n, n * share)).all()


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
    before = gj.attacks.Before(jnp.asarray(0), jnp.zeros(1), jnp.array([False, True]), {}, jax.random.key(0))
    batch = gj.tasks.Batch(jnp.zeros(y.shape), y)
    sent = attack.poison((), batch, before)
    np.testing.assert_array_equal(sent.y, [case["x"], case["expected"]])


def test_every_case_is_used():
    kinds = {case["kind"] for case in CASES.values()}
    assert kinds == {"attack", "attack_optimum", "labels", "scalar_table"}
    assert {case["name"] for case in CASES.values() if case["kind"] == "attack"} == MAKE.keys()


def test_alie_of_the_literature(x64):
    # Eight published rows, the first six honest: the vector that byzfl computes, and its 1 / n variant.
    rows = [(1.1, -4.8), (0.9, 0.3), (-1.8, 5.0), (5.1, -1.3), (4.7, -5.2), (1.9, 3.3), (-2.4, 1.9), (-3.1, 6.3)]
    arguments = pad(np.array(rows), np.arange(8) >= 6, np.ones(8))
    for attack, expected in (
        (gj.attacks.ALIE.byzfl(), [5.858349, 5.790252]),
        (gj.attacks.ALIE(1.5, sign=1, ddof=0), [5.520723, 5.246545]),
    ):
        np.testing.assert_allclose(send(attack, *arguments, None)[7, :2], expected, rtol=2e-6)
