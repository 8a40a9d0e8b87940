"""The laws of aggregation rules, for rules of this library and of its users."""

from collections.abc import Collection

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._types import ConfigurationError, require
from ghostjax.aggregators import AbstractAggregator
from ghostjax.testing._bounds import BOUNDS
from ghostjax.testing._harness import Check, jit, trace, vmap
from ghostjax.testing._laws import LAWS as SYMMETRIES
from ghostjax.testing._rules import case, RuleHarness


def check_aggregator(
    rule: AbstractAggregator,
    *,
    n: int = 8,
    d: int = 6,
    examples: int = 20,
    masses: Collection[str] = ("f", "m"),
    skip: Collection[str] = (),
) -> None:
    """Checks every law from which `rule` is not exempt, and raises `AssertionError` at the first violation.

        shape         a vector of the messages' dtype, in float32 and float64; finite for bfloat16 messages
        nobody        nobody present: a finite vector, zero from a rule without memory
        absence       a row of weight 0 counts for nothing, for any content: the result is that of the other rows
        repetition    weight k is the row k times
        permutation   the order of identities is irrelevant
        unanimity     equal rows give that row
        weight_scale  all weights and masses times c change nothing
        translation, scale, rotation    the result moves, grows and turns with the messages and the anchor
        certificate   no message that a search finds moves the result farther than `certificate` says
        kappa         no messages that a search finds exceed the robustness coefficient
        response      bounds of the guarantee for all messages: distance and length of results, Lipschitz numbers
        hull          if the guarantee says so, the result is in the convex hull of the messages
        jit           compiled equals eager, and `rule(x, w)` counts a row with nan or inf as absent
        vmap          a batch of knobs and of weights equals one after the other
        trace         three values of every numeric knob and of the weights are traced once, and a static number
                      sets a shape or a loop bound

    Laws run on weights 0 and 1, constant and real, over two rounds with the state carried on, in float32 with `n` rows
    and in float64 with as many rows as coordinates; `examples` draws each. A law in `rule.exempt_laws` or `skip` is
    left out. `masses` names the knobs that count identities. A failure names the rule, the law and the numbers.

    ```python
    >>> import ghostjax as gj
    >>> from ghostjax.testing import check_aggregator
    >>> check_aggregator(gj.aggregators.Mean(), examples=3)

    ```

    Errors: a name in `skip` that is no law; `n` not above `d`; fewer than 4 coordinates.
    """
    unknown = sorted(set(skip) - LAWS.keys())
    if unknown:
        raise ConfigurationError(f"check_aggregator: skip={unknown}: the laws are {', '.join(LAWS)}")
    require(d >= 4, "check_aggregator", "d", d, "use 4 coordinates or more")
    require(n > d, "check_aggregator", "n", n, f"use more rows than coordinates, {d + 1} or more")
    harness = RuleHarness(rule, n, d, masses, examples)
    left_out = set(skip) | rule.exempt_laws
    for name, law in LAWS.items():
        if name not in left_out:
            law(harness)


def _shape(harness: RuleHarness) -> None:
    for n, dtype in ((harness.n, np.float32), (harness.d, np.float64)):
        out = harness.run([case(n, harness.d, 0, dtype)])[0]
        if out.shape[1:] != (harness.d,) or out.dtype != dtype or not np.isfinite(out).all():
            harness.fail(
                "shape", f"messages {(n, harness.d)} of {np.dtype(dtype)} became {out.shape[1:]} of {out.dtype}"
            )
    if harness.low:
        low = case(harness.d, harness.d, 0, jnp.bfloat16)
        out = np.asarray(eqx.filter_jit(harness.play)(harness.rule, low), np.float32)
        if not np.isfinite(out).all():
            harness.fail("shape", f"finite messages of bfloat16 became {out}")


def _nobody(harness: RuleHarness) -> None:
    empty = case(harness.n, harness.d, 0, np.float32, np.zeros(harness.n))
    out = harness.run([empty])[0]
    memory = jax.tree.leaves(harness.rule.init(jax.ShapeDtypeStruct(empty.x.shape[1:], empty.x.dtype)))
    if not np.isfinite(out).all() or (not memory and out.any()):
        harness.fail("nobody", f"an aggregate of nobody is {out}")


def _jit(harness: RuleHarness) -> None:
    base = case(harness.n, harness.d, 4, np.float32, np.ones(harness.n))
    jit(harness, base)
    if harness.rule.needs:
        return
    absent = base._replace(w=np.where(np.arange(harness.n) == 1, 0, base.w).astype(np.float32))
    rows = base.x[0].copy()
    rows[1, 2] = np.nan
    called = eqx.filter_jit(lambda rule, x, w: rule(x, w))(harness.rule, rows, base.w)
    why = "rule(x, w) of a row that is not finite differs from that row absent"
    harness.same("jit", why, called, harness.run([absent])[0, 0], base)


def _vmap(harness: RuleHarness) -> None:
    weights = [np.ones(harness.n), np.arange(harness.n) % 3, 0.5 + np.arange(harness.n) % 2]
    vmap(harness, [case(harness.n, harness.d, 6, np.float32, w) for w in weights])


def _trace(harness: RuleHarness) -> None:
    trace(harness, case(harness.n, harness.d, 0, np.float32))


LAWS: dict[str, Check] = {
    "shape": _shape,
    "nobody": _nobody,
    **SYMMETRIES,
    **BOUNDS,
    "jit": _jit,
    "vmap": _vmap,
    "trace": _trace,
}
