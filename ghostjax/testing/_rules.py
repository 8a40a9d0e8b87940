"""The harness of aggregation rules, and the cases that it runs."""

from collections.abc import Collection
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax._kernels import present
from ghostjax.aggregators import AbstractAggregator, Context
from ghostjax.testing._harness import Harness


ROUNDS = 2
TOLERANCE = {np.dtype(np.float32): 2e-4, np.dtype(np.float64): 1e-7}
"""The tolerance for rounding, in units of the largest entry present."""


class Case(NamedTuple):
    """Messages of two rounds `[2, n, d]`, weights `[n]`, the anchor `[d]` and the seed of the key; all traced."""

    x: Any
    w: Any
    anchor: Any
    seed: Any


class RuleHarness(Harness[Case]):
    """Runs a rule for two rounds; `masses` are the knobs that count identities, `low` says whether in bfloat16 too."""

    def __init__(
        self,
        rule: AbstractAggregator,
        n: int,
        d: int,
        masses: Collection[str],
        examples: int,
        shrink: bool = True,
        low: bool = True,
    ):
        super().__init__(rule)
        self.rule, self.n, self.d, self.examples, self.shrink, self.low = rule, n, d, examples, shrink, low
        self.masses = frozenset(masses)

    def play(self, member: AbstractAggregator, case: Case) -> Array:
        """The aggregates of both rounds, `[2, d]`."""

        def one(state: Any, row: Any) -> Any:
            x, t = row
            return self._step(member, state, x, t, case)

        like = jax.ShapeDtypeStruct(case.x.shape[1:], case.x.dtype)
        return jax.lax.scan(one, member.init(like), (jnp.asarray(case.x), jnp.arange(ROUNDS)))[1]

    def eager(self, case: Case) -> Array:
        """The first aggregate, `[d]`."""
        like = jax.ShapeDtypeStruct(case.x.shape[1:], case.x.dtype)
        return self._step(self.rule, self.rule.init(like), case.x[0], 0, case)[1]

    def _step(self, rule: AbstractAggregator, state: Any, x: Array, t: Any, case: Case) -> Any:
        x, w, _ = present(x, jnp.asarray(case.w))
        key = jax.random.fold_in(jax.random.key(case.seed), t)
        anchor = jnp.asarray(case.anchor)
        return rule.step(state, x, w, Context(key, anchor, lambda v: jnp.square(v - anchor).sum()))

    def tolerance(self, output: np.ndarray, *cases: Case) -> float:
        """Rounding of the largest finite entry in `cases` that is present."""
        del output
        sizes = [np.abs(s.x[:, s.w > 0][np.isfinite(s.x[:, s.w > 0])]).max(initial=1e-30) for s in cases]
        sizes += [np.abs(s.anchor).max() for s in cases if "anchor" in self.rule.needs]
        return TOLERANCE[cases[0].x.dtype] * float(max(sizes))

    def scaled_masses(self, factor: float) -> AbstractAggregator:
        """The rule with its knobs that are masses in identities multiplied by `factor`."""

        def change(path: Any, leaf: Any) -> Any:
            named = isinstance(path[-1], jax.tree_util.GetAttrKey) and path[-1].name in self.masses
            if not (named and eqx.is_inexact_array(leaf)):
                return leaf
            value = np.asarray(leaf)
            return jnp.asarray(value * value.dtype.type(factor))

        return jax.tree_util.tree_map_with_path(change, self.rule)


def case(n: int, d: int, seed: int, dtype: Any, w: Any = None) -> Case:
    """Two rounds of rows around (1, .., 1) with standard deviation 2. For odd seeds one row is ten times as far."""
    rng = np.random.default_rng(seed)
    x = rng.normal(1.0, 2.0, (ROUNDS, n, d))
    if seed % 2:
        x[:, rng.integers(n)] *= 10
    w = np.ones(n) if w is None else np.asarray(w)
    return Case(x.astype(dtype), w.astype(dtype), rng.normal(size=d).astype(dtype), np.uint32(seed))
