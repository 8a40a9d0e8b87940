"""The laws that every aggregation rule is held to, for rules of this library and of its users."""

from collections.abc import Collection

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._types import ConfigurationError, require
from ghostjax.aggregators import AbstractAggregator
from ghostjax.testing._bounds import BOUNDS
from ghostjax.testing._laws import LAWS as SYMMETRIES
from ghostjax.testing._player import Check, Player, scene, shifted


def check_aggregator(
    rule: AbstractAggregator,
    *,
    n: int = 8,
    d: int = 6,
    examples: int = 20,
    masses: Collection[str] = ("f", "m"),
    skip: Collection[str] = (),
) -> None:
    """Holds `rule` to every law that it does not lack and raises `AssertionError` at the first one it breaks.

        shape         a vector of the messages' dtype, in float32 and float64; finite for bfloat16 messages
        nobody        nobody present: a finite vector, zero from a rule without memory
        absence       a row of weight 0 counts for nothing, whatever it holds: the result is that of the other rows
        repetition    weight k is the row k times
        permutation   the order of identities is irrelevant
        unanimity     equal rows give that row
        weight_scale  all weights and masses times c change nothing
        translation, scale, rotation    the result moves, grows and turns with the messages and the anchor
        certificate   no message that a search finds moves the result farther than `certificate` says
        kappa         no messages that a search finds exceed the robustness coefficient
        hull          the result of a rule that says so lies in the convex hull of the messages
        jit           compiled equals eager, and `rule(x, w)` counts a row with nan or inf as absent
        vmap          a batch of knobs and of weights equals one after the other
        trace         three values of every numeric knob and of the weights are traced once

    Laws run on weights 0 and 1, constant and real, over two rounds with the state carried on, in float32 with `n` rows
    and in float64 with as many rows as coordinates; `examples` draws each. A law in `rule.lacks` or `skip` is left
    out. `masses` names the knobs that count identities. A failure names the rule, the law and the numbers.

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
    player = Player(rule, n, d, masses, examples)
    left_out = set(skip) | rule.lacks
    for name, law in LAWS.items():
        if name not in left_out:
            law(player)


def _shape(player: Player) -> None:
    for n, dtype in ((player.n, np.float32), (player.d, np.float64)):
        out = player.run([scene(n, player.d, 0, dtype)])[0]
        if out.shape[1:] != (player.d,) or out.dtype != dtype or not np.isfinite(out).all():
            player.fail("shape", f"messages {(n, player.d)} of {np.dtype(dtype)} became {out.shape[1:]} of {out.dtype}")
    low = scene(player.d, player.d, 0, jnp.bfloat16)
    out = np.asarray(eqx.filter_jit(player.play)(player.rule, low), np.float32)
    if not np.isfinite(out).all():
        player.fail("shape", f"finite messages of bfloat16 became {out}")


def _nobody(player: Player) -> None:
    empty = scene(player.n, player.d, 0, np.float32, np.zeros(player.n))
    out = player.run([empty])[0]
    memory = jax.tree.leaves(player.rule.init(jax.ShapeDtypeStruct(empty.x.shape[1:], empty.x.dtype)))
    if not np.isfinite(out).all() or (not memory and out.any()):
        player.fail("nobody", f"an aggregate of nobody is {out}")


def _jit(player: Player) -> None:
    base = scene(player.n, player.d, 4, np.float32, np.ones(player.n))
    absent = base._replace(w=np.where(np.arange(player.n) == 1, 0, base.w).astype(np.float32))
    compiled = player.run([absent])[0, 0]
    if player.rule.needs:
        eager = player.play(player.rule, jax.tree.map(jnp.asarray, absent))[0]
    else:
        rows = base.x[0].copy()
        rows[1, 2] = np.nan
        eager = player.rule(jnp.asarray(rows), jnp.asarray(base.w))
    player.same("jit", "eager, with a row that is not finite, differs from compiled without it", eager, compiled, base)


def _vmap(player: Player) -> None:
    weights = [np.ones(player.n), np.arange(player.n) % 3, 0.5 + np.arange(player.n) % 2]
    scenes = [scene(player.n, player.d, 6, np.float32, w) for w in weights]
    rules = [shifted(player.rule, step) for step in range(3)]
    expected = np.stack([player.run([s], rule)[0] for s, rule in zip(scenes, rules, strict=True)])
    dynamic, static = zip(*(eqx.partition(rule, eqx.is_array) for rule in rules), strict=True)
    knobs = jax.tree.map(lambda *leaves: jnp.stack(leaves), *dynamic)
    first = jax.tree.map(jnp.asarray, scenes[0])

    def one(knobs, w):
        return player.play(eqx.combine(knobs, static[0]), first._replace(w=w))

    at_once = jax.jit(jax.vmap(one))(knobs, jnp.asarray(np.stack([s.w for s in scenes])))
    player.same("vmap", "a batch of knobs and weights differs from one after the other", at_once, expected, *scenes)


def _trace(player: Player) -> None:
    base = scene(player.n, player.d, 0, np.float32)
    player.run([base])
    before = player.traces
    for step in (1, 2):
        player.run([base._replace(w=base.w * np.float32(1 + step))], shifted(player.rule, step))
    if player.traces != before:
        player.fail("trace", "other values of its numeric knobs are traced again; declare them with real_field")


LAWS: dict[str, Check] = {
    "shape": _shape,
    "nobody": _nobody,
    **SYMMETRIES,
    **BOUNDS,
    "jit": _jit,
    "vmap": _vmap,
    "trace": _trace,
}
