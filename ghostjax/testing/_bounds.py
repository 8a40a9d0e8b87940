"""The promises of a rule, against a search for messages that break them."""

from itertools import combinations
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume, strategies as st
from scipy.optimize import nnls

from ghostjax.testing._harness import Check
from ghostjax.testing._laws import each, SEEDS, weights
from ghostjax.testing._rules import case, RuleHarness


def _others(n: int, d: int, seed: int, family: str) -> np.ndarray:
    """Messages of identities: near each other, in two far clusters, or all but one equal."""
    rng = np.random.default_rng(seed)
    if family == "clusters":
        return 1e3 * np.where(np.arange(n) % 2, 1.0, -1.0)[:, None] + rng.normal(size=(n, d))
    if family == "clones":
        return np.where(np.arange(n)[:, None] == seed % n, rng.normal(size=(n, d)), 1.0)
    return rng.normal(1.0, 2.0, (n, d))


def _messages(rows: np.ndarray, principal: np.ndarray, seed: int) -> list[np.ndarray]:
    """Other messages of a principal: shifted a little, in the middle, far away on either side, equal to another's."""
    rng = np.random.default_rng(seed + 1)
    others = rows[~principal] if (~principal).any() else rows
    direction = rng.normal(size=rows.shape[1])
    direction /= np.linalg.norm(direction)
    spread = np.ptp(others, axis=0).max() + 1e-3
    middle = others.mean(0)
    far = 10.0 ** rng.integers(0, 5)
    choices = [
        rows,
        rows + 0.1 * spread * rng.normal(size=rows.shape),
        np.broadcast_to(middle, rows.shape),
        np.broadcast_to(middle + far * spread * direction, rows.shape),
        np.broadcast_to(middle - far * spread * direction, rows.shape),
        np.broadcast_to(others.max(0) + spread, rows.shape),
        np.broadcast_to(others[rng.integers(len(others))], rows.shape),
        middle + spread * rng.normal(size=rows.shape),
    ]
    return [np.where(principal[:, None], choice, rows) for choice in choices]


def _nearby(a: np.ndarray, b: np.ndarray, rows: np.ndarray, principal: np.ndarray, seed: int) -> list[np.ndarray]:
    """Variants of the two messages with the largest effect: longer, shorter, opposite, mixed, shifted a little."""
    rng = np.random.default_rng(seed + 2)
    others = rows[~principal] if (~principal).any() else rows
    middle, spread = others.mean(0), np.ptp(others, axis=0).max() + 1e-3
    choices = [
        *(middle + scale * (one - middle) for one in (a, b) for scale in (-1.0, 0.3)),
        middle + 10 * (a - middle),
        np.where(rng.random(rows.shape) < 0.5, a, b),
        *(one + 0.1 * spread * rng.normal(size=rows.shape) for one in (a, b)),
    ]
    return [np.where(principal[:, None], choice, rows) for choice in choices]


def _certificate(harness: RuleHarness) -> None:
    n, rule = harness.d, harness.rule
    bound = eqx.filter_jit(lambda rule, x, w, p: jax.lax.map(lambda xi: rule.certificate(xi, w, p), x))

    def body(seed: int, w: list[float], size: int, family: str) -> None:
        assume(any(w))
        principal = np.zeros(n, bool)
        principal[np.random.default_rng(seed).permutation(n)[:size]] = True
        base = case(n, harness.d, seed, np.float64, w)
        rows = _others(n, harness.d, seed, family)
        choices = _messages(rows, principal, seed)

        def play(choices: list[np.ndarray]) -> np.ndarray:
            return harness.run([base._replace(x=np.stack([x, x])) for x in choices])[:, 0]

        with jax.enable_x64(True):
            said = bound(rule, jnp.asarray(np.stack(choices)), jnp.asarray(base.w), jnp.asarray(principal))
            said = np.asarray(said)
        kind = rule.certificate_kind
        if kind == "none" and base.w[principal].any() and np.isfinite(said).any():
            harness.fail("certificate", f"certificate_kind='none' and still promises {said}")
        if kind == "unconditional" and not (np.isfinite(said).all() and np.ptp(said) <= 1e-9 * said.max()):
            harness.fail("certificate", f"certificate_kind='unconditional' and still depends on the messages: {said}")
        if np.isinf(said).all():
            return
        out = play(choices)
        a, b = np.unravel_index(np.linalg.norm(out[:, None] - out[None], axis=-1).argmax(), (len(out), len(out)))
        # A second search around the two messages with the largest effect.
        more = _nearby(choices[a], choices[b], rows, principal, seed)
        choices, out = choices + more, np.concatenate([out, play(more)])
        moved = np.linalg.norm(out[:, None] - out[None], axis=-1)
        largest = np.abs(np.stack(choices)[:, base.w > 0]).max(initial=0)
        excess = moved[: len(said)] - said[:, None] * (1 + 1e-6) - 1e-9 * largest
        if not (excess <= 0).all():
            a, b = np.unravel_index(np.nanargmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
            harness.fail(
                "certificate",
                f"identities {np.flatnonzero(principal).tolist()} with weights {base.w.tolist()} move the result by "
                f"{moved[a, b]:.6g}, from {choices[a].tolist()} to {choices[b].tolist()}; promised {said[a]:.6g}",
            )

    families = st.sampled_from(["near", "clusters", "clones"])
    each(harness, body, seed=SEEDS, w=weights(n), size=st.integers(1, 3), family=families)


def _response(harness: RuleHarness) -> None:
    """Checks the bounds for all messages: the distance and the length of results, and the Lipschitz numbers."""
    n, rule = harness.d, harness.rule

    @eqx.filter_jit
    def promise(rule: Any, w: Any, principal: Any) -> Any:
        one = rule.guarantee
        whole = one.unconditional_bound(w, jnp.ones_like(principal))
        return one.unconditional_bound(w, principal), whole, one.norm_gain(w), one.lipschitz(w)

    def body(seed: int, w: list[float], size: int, family: str) -> None:
        assume(any(w))
        principal = np.zeros(n, bool)
        principal[np.random.default_rng(seed).permutation(n)[:size]] = True
        base = case(n, harness.d, seed, np.float64, w)
        with jax.enable_x64(True):
            said = promise(rule, jnp.asarray(base.w), jnp.asarray(principal))
            part, whole, gain, lipschitz = (np.asarray(number) for number in said)
        if not any(np.isfinite(number).any() for number in (part, whole, gain, lipschitz)):
            return
        rows = _others(n, harness.d, seed, family)
        choices = [*_messages(rows, principal, seed), *_messages(rows, np.ones(n, bool), seed)]
        out = np.concatenate(
            [
                harness.run([base._replace(x=np.stack([x, x])) for x in some])[:, 0]
                for some in (choices[:8], choices[8:])
            ]
        )
        present = np.stack(choices)[:, base.w > 0]
        largest = np.abs(present).max(initial=0)
        moved = np.linalg.norm(out[:, None] - out[None], axis=-1)
        shifts = np.linalg.norm(present[:, None] - present[None], axis=-1)
        most = np.where(shifts > 0, lipschitz[base.w > 0], 0) * np.where(shifts > 0, shifts, 1)
        claims = {
            f"identities {np.flatnonzero(principal).tolist()} move the result": (moved[:8, :8], part),
            "two results are apart": (moved, whole),
            "the result is longer than the longest message": (
                np.linalg.norm(out, axis=1), gain * np.linalg.norm(present, axis=-1).max(1)
            ),
            "the result moves with the messages": (moved, most.sum(-1)),
        }  # fmt: skip
        for what, (seen, bound) in claims.items():
            if not (seen <= bound * (1 + 1e-6) + 1e-9 * largest).all():
                excess = np.unravel_index((seen - bound).argmax(), seen.shape)
                harness.fail(
                    "response",
                    f"with weights {base.w.tolist()} {what} by {seen[excess]:.6g}; promised "
                    f"{np.broadcast_to(bound, seen.shape)[excess]:.6g}",
                )

    families = st.sampled_from(["near", "clusters", "clones"])
    each(harness, body, seed=SEEDS, w=weights(n), size=st.integers(1, 3), family=families)


def _hull(harness: RuleHarness) -> None:
    """If the guarantee says so: in no direction is the result beyond all messages."""
    n, rule = harness.d, harness.rule
    if not rule.guarantee.in_convex_hull:
        return

    def body(seed: int, w: list[float], family: str) -> None:
        assume(any(w))
        base = case(n, harness.d, seed, np.float64, w)
        rows = _others(n, harness.d, seed, family)
        choices = _messages(rows, np.arange(n) == seed % n, seed)
        out = harness.run([base._replace(x=np.stack([x, x])) for x in choices])[:, 0]
        for x, y in zip(choices, out, strict=True):
            present = x[base.w > 0]
            # The convex combination nearest to the result; a heavy last row makes the shares sum to one.
            unit = np.abs(present).max() + 1e-30
            system = np.vstack([present.T / unit, np.full(len(present), 1e3)])
            _, distance = nnls(system, np.append(y / unit, 1e3))
            if not distance <= 1e-6:
                harness.fail(
                    "hull", f"the result {y.tolist()} lies {distance * unit:.3g} outside of {present.tolist()}"
                )

    each(harness, body, seed=SEEDS, w=weights(n), family=st.sampled_from(["near", "clusters", "clones"]))


def _kappa(harness: RuleHarness) -> None:
    n, rule = harness.d, harness.rule
    claim = eqx.filter_jit(lambda rule, w: (rule.kappa(w), rule.guarantee.byzantine_mass(w)))

    def body(seed: int, w: list[bool], family: str) -> None:
        total = sum(w)
        base = case(n, harness.d, seed, np.float64, w)
        with jax.enable_x64(True):
            said, mass = (float(value) for value in claim(rule, jnp.asarray(base.w)))
        byzantine = round(mass)
        # The definition is about sets of n - f ordinary identities.
        if np.isinf(said) or abs(mass - byzantine) > 1e-6 or not 0 <= byzantine < total:
            return
        rows = _others(n, harness.d, seed, family)
        sets = [list(s) for s in combinations(np.flatnonzero(w), total - byzantine)]
        bad = ~np.isin(np.arange(n), sets[seed % len(sets)])
        choices = _messages(rows, bad, seed)
        out = harness.run([base._replace(x=np.stack([x, x])) for x in choices])[:, 0]
        for x, y in zip(choices, out, strict=True):
            for honest in sets:
                mean = x[honest].mean(0)
                error, spread = np.square(y - mean).sum(), np.square(x[honest] - mean).sum(1).mean()
                if not error <= said * spread * (1 + 1e-6) + 1e-12 * np.square(x).max():
                    harness.fail(
                        "kappa",
                        f"of {total} identities {honest} are honest, and the result is {error:.6g} (squared) from "
                        f"their mean where kappa {said:.6g} times their variance is {said * spread:.6g}: {x.tolist()}",
                    )

    present = st.lists(st.sampled_from([True, True, True, False]), min_size=n, max_size=n)
    each(harness, body, seed=SEEDS, w=present, family=st.sampled_from(["near", "clones", "clusters"]))


BOUNDS: dict[str, Check] = {
    "certificate": _certificate,
    "kappa": _kappa,
    "response": _response,
    "hull": _hull,
}
