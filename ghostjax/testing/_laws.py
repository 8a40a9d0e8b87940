"""Invariance and equivariance laws under changes of messages, weights and identities."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import assume, given, HealthCheck, Phase, settings, strategies as st

from ghostjax.testing._harness import Check
from ghostjax.testing._rules import Case, case, RuleHarness


SEEDS = st.integers(0, 2**16)


def weights(n: int) -> st.SearchStrategy[list[float]]:
    """Weights 0 and 1, 0 and a constant, and real."""

    def some(values: list[float]) -> st.SearchStrategy[list[float]]:
        return st.lists(st.sampled_from(values), min_size=n, max_size=n)

    return st.one_of(some([0.0, 1.0, 1.0]), some([0.0, 0.3, 0.3]), some([0.0, 0.25, 0.5, 1.0, 1.1, 2.0, 3.0]))


def each(harness: RuleHarness, body: Callable[..., None], **strategies: Any) -> None:
    """Runs `body` on random arguments, the same ones in every run."""
    test = given(**strategies)(body)
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    phases = [Phase.generate, Phase.shrink] if harness.shrink else [Phase.generate]
    settings(
        max_examples=harness.examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=quiet,
        phases=phases,
    )(test)()


def both(harness: RuleHarness, law: Callable[[int, Any], None]) -> None:
    """`law` in float32 with n rows, and in float64 with as many rows as coordinates."""
    law(harness.n, np.float32)
    law(harness.d, np.float64)


def _law(name: str, change: Callable[..., tuple[Any, Case, Any]], **strategies: Any) -> Check:
    """A law `rule(changed scene) = expected(rule(scene))`, in both precisions."""

    def check(harness: RuleHarness) -> None:
        def law(n: int, dtype: Any) -> None:
            def body(seed: int, w: list[float], **drawn: Any) -> None:
                assume(any(w))
                base = case(n, harness.d, seed, dtype, w)
                rule, changed, expected = change(harness, base, **drawn)
                before, after = harness.run([base])[0], harness.run([changed], rule)[0]
                harness.same(name, f"with {drawn}", after, expected(before), base, changed)

            each(harness, body, seed=SEEDS, w=weights(n), **strategies)

        both(harness, law)

    return check


def _absence(harness: RuleHarness) -> None:
    n, d = harness.n, harness.d

    def content(seed: int, w: list[float], who: int) -> None:
        w = [0.0 if i == who else v for i, v in enumerate(w)]
        base = case(n, d, seed, np.float32, w)
        cases = [base]
        for value in (0.0, 1e6, -1e25, np.inf, np.nan):
            x = base.x.copy()
            x[:, base.w == 0] = value
            cases.append(base._replace(x=x))
        out = harness.run(cases)
        for value, y in zip((0.0, 1e6, -1e25, np.inf, np.nan), out[1:], strict=True):
            harness.same("absence", f"absent rows that hold {value:g} change the result", y, out[0], base)

    def alone(seed: int, w: list[float]) -> None:
        # Rows after the first d are absent. Without them: as many rows as coordinates. Random bits differ between
        # precisions, so a rule with a key is compared in float32.
        dtype = np.float32 if "key" in harness.rule.needs else np.float64
        full = case(n, d, seed, np.float32, np.concatenate([w, np.zeros(n - d)]))
        rest = Case(full.x[:, :d].astype(dtype), full.w[:d].astype(dtype), full.anchor.astype(dtype), full.seed)
        with_absent, without = harness.run([full])[0], harness.run([rest])[0]
        harness.same("absence", "absent rows change the result of the others", with_absent, without, full)

    each(harness, content, seed=SEEDS, w=weights(n), who=st.integers(0, n - 1))
    each(harness, alone, seed=SEEDS, w=weights(d))


def _repetition(harness: RuleHarness) -> None:
    def law(n: int, dtype: Any) -> None:
        def body(seed: int, times: list[int]) -> None:
            assume(0 < sum(times) <= n)
            base = case(n, harness.d, seed, dtype, times + [0] * (n - len(times)))
            rows = [i for i, k in enumerate(times) for _ in range(k)]
            w = np.array([1] * len(rows) + [0] * (n - len(rows)), dtype)
            repeated = base._replace(x=base.x[:, rows + [n - 1] * (n - len(rows))], w=w)
            weighted, expected = harness.run([base, repeated])
            harness.same("repetition", f"weights {times} differ from rows repeated", weighted, expected, base)

        each(harness, body, seed=SEEDS, times=st.lists(st.integers(0, 3), min_size=4, max_size=4))

    both(harness, law)


def _permute(harness: RuleHarness, base: Case, turn: int) -> tuple[Any, Case, Any]:
    p = np.random.default_rng(turn).permutation(len(base.w))
    return None, base._replace(x=base.x[:, p], w=base.w[p]), lambda y: y


def _unanimity(harness: RuleHarness) -> None:
    def law(n: int, dtype: Any) -> None:
        def body(seed: int, w: list[float]) -> None:
            assume(any(w))
            base = case(n, harness.d, seed, dtype, w)
            row = base.x[:, 0]
            equal = base._replace(x=np.where((base.w > 0)[None, :, None], row[:, None], base.x))
            harness.same("unanimity", "equal rows give another row", harness.run([equal])[0], row, equal)

        each(harness, body, seed=SEEDS, w=weights(n))

    both(harness, law)


def _rescale_weights(harness: RuleHarness, base: Case, factor: float) -> tuple[Any, Case, Any]:
    return harness.scaled_masses(factor), base._replace(w=(base.w * factor).astype(base.w.dtype)), lambda y: y


def _translate(harness: RuleHarness, base: Case, by: float) -> tuple[Any, Case, Any]:
    offset = (by * np.random.default_rng(1).normal(size=harness.d)).astype(base.x.dtype)
    return None, base._replace(x=base.x + offset, anchor=base.anchor + offset), lambda y: y + offset


def _rescale(harness: RuleHarness, base: Case, factor: float) -> tuple[Any, Case, Any]:
    c = base.x.dtype.type(factor)
    return None, base._replace(x=base.x * c, anchor=base.anchor * c), lambda y: y * c


def _rotate(harness: RuleHarness, base: Case, turn: int) -> tuple[Any, Case, Any]:
    q = np.linalg.qr(np.random.default_rng(turn).normal(size=(harness.d, harness.d)))[0].astype(base.x.dtype)
    return None, base._replace(x=base.x @ q, anchor=base.anchor @ q), lambda y: y @ q


LAWS: dict[str, Check] = {
    "absence": _absence,
    "repetition": _repetition,
    "permutation": _law("permutation", _permute, turn=SEEDS),
    "unanimity": _unanimity,
    "weight_scale": _law("weight_scale", _rescale_weights, factor=st.sampled_from([0.25, 0.7, 2.0, 10.0])),
    "translation": _law("translation", _translate, by=st.sampled_from([0.5, 10.0])),
    "scale": _law("scale", _rescale, factor=st.sampled_from([0.125, 0.7, 30.0])),
    "rotation": _law("rotation", _rotate, turn=SEEDS),
}
