"""One rule in one compiled program per precision, which every law then calls."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax._kernels import present
from ghostjax.aggregators import AbstractAggregator, Context


ROUNDS = 2
LANES = 8
"""Scenes of one call: a law pads up to it, so that it never compiles again."""
TOLERANCE = {np.dtype(np.float32): 2e-4, np.dtype(np.float64): 1e-7}
"""What counts as rounding, in units of the largest entry that took part."""


class Scene(NamedTuple):
    """Messages of two rounds `[2, n, d]`, weights `[n]`, the anchor `[d]` and the seed of the key; all traced."""

    x: Any
    w: Any
    anchor: Any
    seed: Any


class Player:
    """Plays a rule for two rounds; counts its traces; knows how to say what went wrong."""

    def __init__(
        self, rule: AbstractAggregator, n: int, d: int, masses: Collection[str], examples: int, shrink: bool = True
    ):
        self.rule, self.n, self.d, self.examples, self.shrink = rule, n, d, examples, shrink
        self.masses, self.traces = frozenset(masses), 0
        self._run = eqx.filter_jit(lambda rule, scenes: jax.lax.map(lambda scene: self.play(rule, scene), scenes))

    def play(self, rule: AbstractAggregator, scene: Scene) -> Array:
        """The aggregates of both rounds, `[2, d]`."""
        self.traces += 1

        def one(state: Any, row: Any) -> Any:
            x, t = row
            x, w, _ = present(x, jnp.asarray(scene.w))
            key = jax.random.fold_in(jax.random.key(scene.seed), t)
            anchor = jnp.asarray(scene.anchor)
            return rule.step(state, x, w, Context(key, anchor, lambda v: jnp.square(v - anchor).sum()))

        like = jax.ShapeDtypeStruct(scene.x.shape[1:], scene.x.dtype)
        return jax.lax.scan(one, rule.init(like), (jnp.asarray(scene.x), jnp.arange(ROUNDS)))[1]

    def run(self, scenes: list[Scene], rule: AbstractAggregator | None = None) -> np.ndarray:
        """The aggregates of up to eight scenes, `[len(scenes), 2, d]`, in the precision of the messages."""
        assert 0 < len(scenes) <= LANES
        padded = scenes + scenes[-1:] * (LANES - len(scenes))
        with jax.enable_x64(scenes[0].x.dtype == np.float64):
            stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *padded)
            return np.asarray(self._run(self.rule if rule is None else rule, stacked))[: len(scenes)]

    def scaled_masses(self, factor: float) -> AbstractAggregator:
        """The rule with its knobs that are masses in identities multiplied by `factor`."""

        def change(path: Any, leaf: Any) -> Any:
            named = isinstance(path[-1], jax.tree_util.GetAttrKey) and path[-1].name in self.masses
            return leaf * jnp.asarray(factor, leaf.dtype) if named and eqx.is_inexact_array(leaf) else leaf

        return jax.tree_util.tree_map_with_path(change, self.rule)

    def fail(self, law: str, why: str) -> None:
        raise AssertionError(f"{type(self.rule).__name__}: {law}: {why}")

    def same(self, law: str, why: str, seen: Any, expected: Any, *scenes: Scene, slack: float = 1) -> None:
        """Fails unless two outputs agree to rounding of the largest finite entry in `scenes` that is present."""
        sizes = [np.abs(s.x[:, s.w > 0][np.isfinite(s.x[:, s.w > 0])]).max(initial=1e-30) for s in scenes]
        sizes += [np.abs(s.anchor).max() for s in scenes if "anchor" in self.rule.needs]
        tolerance = slack * TOLERANCE[scenes[0].x.dtype] * max(sizes)
        error = np.abs(np.asarray(seen, np.float64) - np.asarray(expected, np.float64)).max()
        if not error <= tolerance:
            self.fail(
                law,
                f"{why}: {np.array2string(np.asarray(seen), precision=6, separator=', ')} instead of "
                f"{np.array2string(np.asarray(expected), precision=6, separator=', ')}, {error:.2g} apart where "
                f"rounding explains {tolerance:.2g}; weights {scenes[0].w.tolist()}, {scenes[0].x.dtype}",
            )


def scene(n: int, d: int, seed: int, dtype: Any, w: Any = None) -> Scene:
    """Two rounds of rows about (1, .., 1) of standard deviation 2; for every other seed one is ten times as far."""
    rng = np.random.default_rng(seed)
    x = rng.normal(1.0, 2.0, (ROUNDS, n, d))
    if seed % 2:
        x[:, rng.integers(n)] *= 10
    w = np.ones(n) if w is None else np.asarray(w)
    return Scene(x.astype(dtype), w.astype(dtype), rng.normal(size=d).astype(dtype), np.uint32(seed))


def shifted(rule: AbstractAggregator, step: int) -> AbstractAggregator:
    """The rule with every numeric knob changed by a quarter (a real) or by one (an integer) per step."""

    def change(leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf + step if type(leaf) in (int, float) else leaf
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return leaf * jnp.asarray(1 + 0.25 * step, leaf.dtype)
        return leaf + jnp.asarray(step, leaf.dtype) if jnp.issubdtype(leaf.dtype, jnp.integer) else leaf

    return jax.tree.map(change, rule)


Check = Callable[[Player], None]
