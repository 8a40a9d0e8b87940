"""Rules on any floats: raw bit patterns, from denormal numbers to 3.4e38, inf and nan, in messages and in weights.

Every rule is one compiled program, which plays a draw of several calls at once.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ghostjax import aggregators as agg
from ghostjax._round import Received
from ghostjax.protocols._receivers import aggregate_each, in_slots
from ghostjax.topologies import ring

from .fuzzing import examples


N, D, CALLS = 8, 3, 10
TINY, LARGEST = (float(getattr(np.finfo(np.float32), name)) for name in ("tiny", "max"))
RULES = {
    "mean": agg.Mean(),
    "median": agg.Median(),
    "trimmed_mean": agg.TrimmedMean(f=1),
    "trimmed_mean_share": agg.TrimmedMean(share=0.2),
    "krum": agg.Krum(f=1),
    "multi_krum": agg.MultiKrum(f=1),
    "geometric_median": agg.GeometricMedian(),
    "weiszfeld": agg.Weiszfeld(),
    "centered_clipping": agg.CenteredClipping(tau=2.0, steps=2),
    "clipping_mean": agg.Clipping(agg.Mean(), c=1.5),
    "clipping_trimmed_mean": agg.Clipping(agg.TrimmedMean(f=1), c=1.5),
    "arc_mean": agg.ARC(agg.Mean(), f=1),
    "nnm_trimmed_mean": agg.NNM(agg.TrimmedMean(f=1), f=1),
    "nnm_krum": agg.NNM(agg.Krum(f=1), f=1),
}


@eqx.filter_jit
def play(rule, x, w, principal):
    return jax.vmap(lambda x, w, p: (rule(x, w), rule.certificate(jnp.where(jnp.isfinite(x), x, 0), w, p)))(
        x, w, principal
    )


def floats(positive):
    """Any bits; numbers near one another; and the ends of the range."""
    bits = st.integers(0, (2**31 if positive else 2**32) - 1).map(lambda b: np.uint32(b).view(np.float32))
    usual = st.floats(0 if positive else -2, 2, width=32)
    ends = [0.0, TINY, LARGEST, 3e38, 1e38, 1e-30, 1e30, 1.0]
    return st.one_of(usual, bits, st.sampled_from(ends if positive else [*ends, *(-v for v in ends), np.inf, np.nan]))


def weights():
    """Weights that `rule(x, w)` takes: finite ones."""
    alike = st.sampled_from([1.0, 0.1, 3e38, 1e-35]).map(lambda v: np.full(N, v, np.float32))
    drawn = arrays(np.float32, N, elements=floats(True).filter(np.isfinite))
    some = arrays(np.float32, N, elements=st.sampled_from([0.0, 1.0, 1.0, 2.0]).map(np.float32))
    return st.one_of(st.just(np.ones(N, np.float32)), some, alike, drawn)


CALL = st.tuples(arrays(np.float32, (N, D), elements=floats(False)), weights(), st.permutations(range(N)))


def counted(x, w):
    """Rows that are finite and have a weight; numbers too small to be normal are zero to a processor's vectors."""
    return np.isfinite(x).all(-1) & (w >= TINY)


def in_hull(y, x, present):
    """Whether each coordinate lies within that of the rows present: what the hull demands of any one coordinate."""
    low = np.where(present[..., None], x, np.inf).min(1)
    high = np.where(present[..., None], x, -np.inf).max(1)
    with np.errstate(over="ignore", invalid="ignore"):
        margin = 1e-5 * np.maximum(np.abs(low), np.abs(high)) + 4 * TINY
        return ((y >= low - margin) & (y <= high + margin)).all(-1) | ~present.any(-1)


def same(a, b, size):
    with np.errstate(over="ignore", invalid="ignore"):
        return np.abs(a.astype(float) - b) <= 1e-4 * size[:, None] + 4 * TINY


@pytest.mark.parametrize("name", RULES)
@examples(4, calls=st.lists(CALL, min_size=CALLS, max_size=CALLS))
def test_rules_on_any_floats(name, calls):
    rule = RULES[name]
    x, w, order = (np.stack(column) for column in zip(*calls, strict=True))
    principal = np.arange(N)[None, :] == order[:, :1]
    y, reach = (np.asarray(v) for v in play(rule, x, w, principal))
    present = counted(x, w)
    size = np.where(present[..., None], np.abs(x), 0).max((1, 2))
    assert np.isfinite(y).all()
    if rule.guarantee.in_convex_hull or isinstance(rule, agg.AbstractCoordinateRule):
        assert in_hull(y, x, present).all()
    # What an absent row holds is of no account.
    absent = np.where(principal, 0, w)
    elsewhere = np.where(principal[..., None], np.float32(1e30), x)
    alone, other = (np.asarray(play(rule, rows, absent, principal)[0]) for rows in (x, elsewhere))
    assert same(alone, other, size).all()
    if rule.certificate_kind == "unconditional":
        moved = np.where(principal[..., None], np.roll(x, 1, axis=0), x)
        # A row that is not finite takes its weight along.
        both = np.isfinite(x).all((1, 2)) & np.isfinite(moved).all((1, 2))
        far = np.linalg.norm(y.astype(float) - np.asarray(play(rule, moved, w, principal)[0]), axis=1)
        assert (far <= reach * (1 + 1e-4) + 1e-6)[both].all()
    if "permutation" not in rule.exempt_laws and isinstance(
        rule, agg.AbstractCoordinateRule | agg.Mean | agg.CenteredClipping
    ):
        turned = np.take_along_axis(x, order[..., None], 1), np.take_along_axis(w, order, 1)
        assert same(np.asarray(play(rule, *turned, principal)[0]), y, size).all()


GRAPH = ring(N, 4)
SLOTS = jnp.where(GRAPH.mask, GRAPH.weights * 5, 0)


@eqx.filter_jit
def gossip(rule, x, w):
    def one(x, w):
        finite = jnp.isfinite(x).all(1)
        x, w = jnp.where(finite[:, None], x, 0), jnp.where(finite, w, 0)
        scaled, w, _ = agg.in_range(rule, w)
        arrived = Received(x, w, jnp.zeros_like(w), jnp.zeros(N, bool))
        slots = in_slots(arrived, w, GRAPH.nbr, SLOTS, x)
        state = jax.vmap(lambda _: rule.init(jax.ShapeDtypeStruct((5, D), x.dtype)))(jnp.arange(N))
        return aggregate_each(scaled, state, slots, x, jax.random.key(0))[1]

    return jax.vmap(one)(x, w)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mean", "trimmed_mean", "krum", "geometric_median", "clipping_mean", "nnm_krum"])
@examples(4, calls=st.lists(CALL, min_size=CALLS, max_size=CALLS))
def test_gossip_on_any_floats(name, calls):
    rule = RULES[name]
    x, w, _ = (np.stack(column) for column in zip(*calls, strict=True))
    y = np.asarray(gossip(rule, x, w))
    assert np.isfinite(y).all()
    if rule.guarantee.in_convex_hull or isinstance(rule, agg.AbstractCoordinateRule):
        present = counted(x, w)
        for i in range(N):
            at = np.asarray(GRAPH.nbr[i])
            assert in_hull(y[:, i], x[:, at], present[:, at]).all()
