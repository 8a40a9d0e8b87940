"""The laws that every attack is held to, for attacks of this library and of its users."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax._kernels import present
from ghostjax._types import as_real, ConfigurationError
from ghostjax.aggregators import TrimmedMean
from ghostjax.attacks import AbstractAttack, View
from ghostjax.tasks import Batch


N, D, ROUNDS = 7, 5, 3


class _Scene(NamedTuple):
    """What all rounds of one check have in common; every field is traced."""

    x: Array
    w: Array
    byzantine: Array
    models: Array
    mixing: Array
    key: Array


def check_attack(
    attack: AbstractAttack,
    *,
    batch: Any = None,
    skip: Collection[str] = (),
) -> None:
    """Plays `attack` for three rounds of seven identities and raises `AssertionError` at the first law it breaks.

        shape         rows keep shape and dtype, in float32 and float64; the memory can be scanned
        finite        rows are finite with no, some or only Byzantine identities, one honest one, nobody present
        absence       what an absent honest identity would have said has no influence
        permutation   renaming identities renames the rows
        knowledge     what it does not claim to know (`attack.knows`) has no influence; only "defence" may respond
        jit           compiled equals eager
        vmap          a batch of knobs and of Byzantine sets equals one after the other
        trace         three values of all numeric knobs are traced once
        data          poisoned data keeps its form, changes for Byzantine nodes only, and reads only theirs

    A law in `attack.lacks` or in `skip` is left out. `batch` is one batch for seven nodes, `[7, b, ...]`, for an
    attack on other data than examples x and integer labels y.

    ```python
    >>> import ghostjax as gj
    >>> from ghostjax.testing import check_attack
    >>> check_attack(gj.attacks.ALIE())

    ```

    Errors: a name in `skip` that is no law.
    """
    unknown = sorted(set(skip) - LAWS.keys())
    if unknown:
        raise ConfigurationError(f"check_attack: skip={unknown}: the laws are {', '.join(LAWS)}")
    left_out = set(skip) | attack.lacks
    player = _Player(attack, batch)
    for name, law in LAWS.items():
        if name not in left_out:
            law(player)


class _Player:
    """One attack in one compiled program of all shapes, with the number of its traces."""

    def __init__(self, attack: AbstractAttack, batch: Any):
        self.attack, self.traces = attack, 0
        self.batch = _batch() if batch is None else batch
        self.run = eqx.filter_jit(self.play)
        self.poison = eqx.filter_jit(lambda attack, *args: attack.poison(*args))

    def play(self, attack: AbstractAttack, scene: _Scene) -> Array:
        """What leaves in every round, `[rounds, n, d]`; zero in rows that do not count."""
        self.traces += 1

        def one(state: Any, row: Any) -> Any:
            x, t = row
            state, sent = attack.step(state, self._view(scene, x, t))
            if sent.by_receiver is None:
                return state, jnp.where(scene.byzantine[:, None], sent.by_sender, 0)
            return state, jnp.where((scene.w > 0)[:, None], sent.by_receiver, 0)

        like = jax.ShapeDtypeStruct(scene.x.shape[1:], scene.x.dtype)
        return jax.lax.scan(one, attack.init(like), (scene.x, jnp.arange(len(scene.x))))[1]

    def _view(self, scene: _Scene, x: Array, t: Array) -> View:
        seen, w, _ = present(x, scene.w)
        rule = TrimmedMean(f=as_real(2))

        def respond(rows: Array) -> Array:
            if self.attack.knows != "defence":
                self.fail("knowledge", f"knows={self.attack.knows!r} and still called respond")
            return rule(jnp.where(scene.byzantine[:, None], rows, seen), w)

        mixing = scene.mixing * w[None, :]
        total = mixing.sum(1, keepdims=True)
        mixing = jnp.where(total > 0, mixing / jnp.where(total > 0, total, 1), jnp.eye(N, dtype=x.dtype))
        key = jax.random.fold_in(scene.key, t)
        return View(seen, w, scene.byzantine, scene.models, respond, key, t.astype(jnp.int32), mixing)

    def fail(self, law: str, why: str) -> None:
        raise AssertionError(f"{type(self.attack).__name__}: {law}: {why}")

    def same(self, law: str, why: str, a: Any, b: Any) -> None:
        """Fails unless two outputs agree to rounding, 2e-4 of the largest finite entry (nan agrees with nan)."""
        a, b = np.asarray(a), np.asarray(b)
        finite = np.abs(a[np.isfinite(a)])
        tolerance = 2e-4 * finite.max() if finite.size else 0.0
        if a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=tolerance, equal_nan=True):
            self.fail(law, why)


def _scene(seed: int = 0, dtype: Any = np.float32) -> _Scene:
    rng = np.random.default_rng(seed)
    x = rng.normal(1.0, 2.0, (ROUNDS, N, D))
    w = np.array([1, 1, 0.5, 1, 1, 1, 1])
    byzantine = np.array([0, 0, 0, 1, 0, 1, 0], bool)
    mixing = rng.uniform(0.1, 1, (N, N))
    reals = (x, w, rng.normal(size=D), mixing)
    x, w, models, mixing = (jnp.asarray(leaf, dtype) for leaf in reals)
    return _Scene(x, w, jnp.asarray(byzantine), models, mixing, jax.random.key(seed))


def _batch() -> Batch:
    rng = np.random.default_rng(1)
    return Batch(
        jnp.asarray(rng.normal(size=(N, 6, 2)), jnp.float32), jnp.asarray(rng.integers(0, 10, (N, 6)), jnp.int32)
    )


def _knobs(attack: AbstractAttack, change: Callable[[Array], Array]) -> AbstractAttack:
    return jax.tree.map(lambda leaf: change(leaf) if eqx.is_array(leaf) else leaf, attack)


def _shift(step: int) -> Callable[[Array], Array]:
    def change(leaf: Array) -> Array:
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return leaf * jnp.asarray(1 + 0.25 * step, leaf.dtype)
        return leaf + jnp.asarray(step, leaf.dtype) if jnp.issubdtype(leaf.dtype, jnp.integer) else leaf

    return change


def _shape(player: _Player) -> None:
    for dtype in (np.float32, np.float64):
        with jax.enable_x64(dtype == np.float64):
            out = player.run(player.attack, _scene(dtype=dtype))
            if out.shape != (ROUNDS, N, D) or out.dtype != dtype:
                player.fail("shape", f"messages {(N, D)} of {np.dtype(dtype)} became {out.shape[1:]} of {out.dtype}")


def _finite(player: _Player) -> None:
    scene = _scene()
    someone = jnp.arange(N) == 0
    cases = {
        "nobody is Byzantine": scene._replace(byzantine=jnp.zeros(N, bool)),
        "some are Byzantine": scene,
        "everybody is Byzantine": scene._replace(byzantine=jnp.ones(N, bool)),
        "one identity is honest": scene._replace(byzantine=~someone),
        "one identity is honest, with little weight": scene._replace(
            byzantine=~someone, w=jnp.where(someone, 0.25, scene.w)
        ),
        "nobody is present": scene._replace(w=jnp.zeros_like(scene.w)),
        "all messages are equal": scene._replace(x=jnp.ones_like(scene.x)),
        "all messages are zero": scene._replace(x=jnp.zeros_like(scene.x)),
        "an honest message is not finite": scene._replace(x=scene.x.at[:, 1].set(jnp.nan)),
    }
    for name, case in cases.items():
        if not bool(jnp.isfinite(player.run(player.attack, case)).all()):
            player.fail("finite", f"sends numbers that are not finite when {name}")


def _absence(player: _Player) -> None:
    scene = _scene()
    scene = scene._replace(w=scene.w.at[1].set(0))
    base = player.run(player.attack, scene)
    for value in (0.0, 1e4, -1e4, jnp.nan):
        other = player.run(player.attack, scene._replace(x=scene.x.at[:, 1].set(value)))
        player.same("absence", f"an absent honest identity changes it by sending {value:g}", base, other)


def _permutation(player: _Player) -> None:
    scene = _scene()
    p = jnp.asarray(np.random.default_rng(2).permutation(N))
    renamed = scene._replace(x=scene.x[:, p], w=scene.w[p], byzantine=scene.byzantine[p], mixing=scene.mixing[p][:, p])
    rows, base = player.run(player.attack, renamed), player.run(player.attack, scene)
    player.same("permutation", "renaming identities changes more than the order of rows", base[:, p], rows)


def _knowledge(player: _Player) -> None:
    scene, other = _scene(), _scene(3)
    base, knows = player.run(player.attack, scene), player.attack.knows
    hidden = jnp.ones(N, bool) if knows == "nothing" else ~scene.byzantine
    if knows in ("nothing", "own"):
        changed = scene._replace(
            x=jnp.where(hidden[None, :, None], other.x, scene.x),
            w=jnp.where(hidden, 0.75 * scene.w, scene.w),
            mixing=other.mixing,
            models=other.models if knows == "nothing" else scene.models,
        )
        player.same("knowledge", f"knows={knows!r} and reads more", base, player.run(player.attack, changed))


def _jit(player: _Player) -> None:
    scene = _scene()
    compiled = player.run(player.attack, scene)[:1]
    with jax.disable_jit():
        eager = player.play(player.attack, scene._replace(x=scene.x[:1]))
    player.same("jit", "compiled differs from eager", compiled, eager)


def _vmap(player: _Player) -> None:
    scene = _scene()
    attacks = [_knobs(player.attack, _shift(step)) for step in range(2)]
    masks = [scene.byzantine, jnp.roll(scene.byzantine, 2)]
    dynamic, static = zip(*(eqx.partition(attack, eqx.is_array) for attack in attacks), strict=True)
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *dynamic)

    def play(knobs: Any, byzantine: Array) -> Array:
        return player.play(eqx.combine(knobs, static[0]), scene._replace(byzantine=byzantine))

    one_by_one = [player.run(a, scene._replace(byzantine=mask)) for a, mask in zip(attacks, masks, strict=True)]
    at_once = jax.jit(jax.vmap(play))(batch, jnp.stack(masks))
    why = "a batch of knobs and adversaries differs from one after the other"
    player.same("vmap", why, np.stack(one_by_one), at_once)


def _trace(player: _Player) -> None:
    scene = _scene()
    player.run(player.attack, scene)
    before = player.traces
    for step in (1, 2):
        player.run(_knobs(player.attack, _shift(step)), scene)
    if player.traces != before:
        player.fail("trace", "other values of its numeric knobs are traced again; declare them with real_field")


def _data(player: _Player) -> None:
    byzantine, batch, key = _scene().byzantine, player.batch, jax.random.key(0)
    sent = player.poison(player.attack, batch, byzantine, key)
    if jax.tree.map(jnp.shape, sent) != jax.tree.map(jnp.shape, batch) or _dtypes(sent) != _dtypes(batch):
        player.fail("data", "the batch changed its form")
    for new, old in zip(jax.tree.leaves(sent), jax.tree.leaves(batch), strict=True):
        if not bool((new == old)[~byzantine].all()):
            player.fail("data", "it rewrites data of honest nodes")
    swapped = jax.tree.map(lambda leaf: leaf.at[jnp.flatnonzero(~byzantine)].set(leaf[::-1][~byzantine]), batch)
    other = player.poison(player.attack, swapped, byzantine, key)
    if player.attack.knows in ("nothing", "own"):
        for a, b in zip(jax.tree.leaves(sent), jax.tree.leaves(other), strict=True):
            player.same("data", f"knows={player.attack.knows!r} and reads data of others", a[byzantine], b[byzantine])


def _dtypes(tree: Any) -> list[Any]:
    return [leaf.dtype for leaf in jax.tree.leaves(tree)]


LAWS: dict[str, Callable[[_Player], None]] = {
    "shape": _shape,
    "finite": _finite,
    "absence": _absence,
    "permutation": _permutation,
    "knowledge": _knowledge,
    "jit": _jit,
    "vmap": _vmap,
    "trace": _trace,
    "data": _data,
}
