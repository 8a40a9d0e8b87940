"""The laws of attacks, for attacks of this library and of its users."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax._kernels import present
from ghostjax._random import Moment
from ghostjax._round import Audit
from ghostjax._types import as_real, ConfigurationError
from ghostjax.aggregators import TrimmedMean
from ghostjax.attacks import AbstractAttack, Before, View
from ghostjax.tasks import Batch
from ghostjax.testing._harness import Harness, jit, trace, vmap


N, D, ROUNDS = 7, 5, 3


class _Case(NamedTuple):
    """The common arrays of all rounds of one check; every field is traced."""

    x: Any
    w: Any
    byzantine: Any
    models: Any
    mixing: Any
    seed: Any


def check_attack(
    attack: AbstractAttack,
    *,
    batch: Any = None,
    skip: Collection[str] = (),
) -> None:
    """Plays `attack` for three rounds of seven identities and raises `AssertionError` at the first law it breaks.

        shape         rows keep shape and dtype, in float32 and float64; the memory can be scanned
        finite        rows are finite with no, some or only Byzantine identities, one honest one, nobody present
        absence       the message of an absent honest identity has no influence
        permutation   renaming identities renames the rows
        knowledge     only the knowledge that it claims (`attack.knows`) has influence; only "defence" may respond
        jit           compiled equals eager
        vmap          a batch of knobs and of Byzantine sets equals one after the other
        trace         three values of all numeric knobs are traced once, and a static number sets a shape or a loop
        data          poisoned data keeps its form, changes for Byzantine nodes only, and reads only theirs

    A law in `attack.exempt_laws` or in `skip` is left out. `batch` is one batch for seven nodes, `[7, b, ...]`, for an
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
    left_out = set(skip) | attack.exempt_laws
    harness = AttackHarness(attack, _batch() if batch is None else batch)
    for name, law in LAWS.items():
        if name not in left_out:
            law(harness)


class AttackHarness(Harness[_Case]):
    """Runs an attack for three rounds before a trimmed mean; `poison` is its other program."""

    nan_allowed = True

    def __init__(self, attack: AbstractAttack, batch: Any):
        super().__init__(attack)
        self.attack, self.batch = attack, jax.tree.map(np.asarray, batch)
        self._poison = eqx.filter_jit(self._poisoned)

    def play(self, member: AbstractAttack, case: _Case) -> Array:
        """The messages of every round, `[rounds, n, d]`; zero in rows that do not count."""

        def one(state: Any, row: Any) -> Any:
            x, t = row
            return self._step(member, state, x, t, case)

        like = jax.ShapeDtypeStruct(case.x.shape[1:], case.x.dtype)
        return jax.lax.scan(one, member.init(like), (case.x, jnp.arange(len(case.x))))[1]

    def eager(self, case: _Case) -> Array:
        """The messages of the first round, `[n, d]`."""
        state = self.attack.init(jax.ShapeDtypeStruct(case.x.shape[1:], case.x.dtype))
        return self._step(self.attack, state, case.x[0], jnp.asarray(0), case)[1]

    def programs(self, member: AbstractAttack, case: _Case) -> list[Any]:
        """The programs of `corrupt` and of `poison`."""
        poisoned = jax.make_jaxpr(lambda batch, byzantine: self._poisoned(member, batch, byzantine))
        return [*super().programs(member, case), poisoned(self.batch, case.byzantine)]

    def poison(self, batch: Any) -> Any:
        """The batches of all nodes after the poisoning."""
        return jax.tree.map(np.asarray, self._poison(self.attack, batch, _case().byzantine))

    def tolerance(self, output: np.ndarray, *cases: _Case) -> float:
        """2e-4 of the largest finite entry of the output."""
        return 2e-4 * float(np.abs(output[np.isfinite(output)]).max(initial=0))

    def _poisoned(self, attack: AbstractAttack, batch: Any, byzantine: Array) -> Any:
        x = _case().x[0]
        state = attack.init(jax.ShapeDtypeStruct(x.shape, x.dtype))
        before = Before(jnp.zeros((), jnp.int32), jnp.zeros(D), byzantine, {}, jax.random.key(0))
        attack, held = attack.roles(byzantine, _moment(0))
        return attack.poison(state, batch, before._replace(byzantine=held))

    def _step(self, attack: AbstractAttack, state: Any, x: Array, t: Array, case: _Case) -> Any:
        attack, held = attack.roles(case.byzantine, _moment(t))
        case = case._replace(byzantine=held)
        state, sent = attack.corrupt(state, self._view(case, x, t))
        if sent.by_receiver is None:
            return state, jnp.where(case.byzantine[:, None], sent.by_sender, 0)
        return state, jnp.where((case.w > 0)[:, None], sent.by_receiver, 0)

    def _view(self, case: _Case, x: Array, t: Array) -> View:
        seen, w, _ = present(x, case.w)
        rule = TrimmedMean(f=as_real(2))

        def respond(rows: Array) -> Array:
            if self.attack.knows != "defence":
                self.fail("knowledge", f"knows={self.attack.knows!r} and still called respond")
            return rule(jnp.where(case.byzantine[:, None], rows, seen), w)

        mixing = case.mixing * w[None, :]
        total = mixing.sum(1, keepdims=True)
        mixing = jnp.where(total > 0, mixing / jnp.where(total > 0, total, 1), jnp.eye(N, dtype=x.dtype))
        key = jax.random.fold_in(jax.random.key(case.seed), t)
        return View(seen, w, case.byzantine, case.models, respond, key, t.astype(jnp.int32), mixing, audit=_audit)


def _case(seed: int = 0, dtype: Any = np.float32) -> _Case:
    rng = np.random.default_rng(seed)
    x = rng.normal(1.0, 2.0, (ROUNDS, N, D))
    w = np.array([1, 1, 0.5, 1, 1, 1, 1])
    byzantine = np.array([0, 0, 0, 1, 0, 1, 0], bool)
    mixing = rng.uniform(0.1, 1, (N, N))
    models = rng.normal(size=D)
    return _Case(
        x.astype(dtype), w.astype(dtype), byzantine, models.astype(dtype), mixing.astype(dtype), np.uint32(seed)
    )


def _audit(theta: Array) -> Audit:
    """A linear model on a few examples."""
    rng = np.random.default_rng(2)
    x, y = jnp.asarray(rng.normal(size=(4, D)), theta.dtype), jnp.arange(4)
    return Audit(x, y, lambda x, y: (x @ theta - y.astype(theta.dtype)) ** 2)


def _moment(t: Any) -> Moment:
    return Moment(jax.random.key(0), jnp.asarray(t, jnp.int32))


def _batch() -> Batch:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(N, 6, 2)).astype(np.float32), rng.integers(0, 10, (N, 6)).astype(np.int32)
    return Batch(jnp.asarray(x), jnp.asarray(y))


def _shape(harness: AttackHarness) -> None:
    for dtype in (np.float32, np.float64):
        out = harness.run([_case(dtype=dtype)])[0]
        if out.shape != (ROUNDS, N, D) or out.dtype != dtype:
            harness.fail("shape", f"messages {(N, D)} of {np.dtype(dtype)} became {out.shape[1:]} of {out.dtype}")


def _finite(harness: AttackHarness) -> None:
    base = _case()
    someone, nan = np.arange(N) == 0, base.x.copy()
    nan[:, 1] = np.nan
    cases = {
        "nobody is Byzantine": base._replace(byzantine=np.zeros(N, bool)),
        "some are Byzantine": base,
        "everybody is Byzantine": base._replace(byzantine=np.ones(N, bool)),
        "one identity is honest": base._replace(byzantine=~someone),
        "one identity is honest, with little weight": base._replace(
            byzantine=~someone, w=np.where(someone, np.float32(0.25), base.w)
        ),
        "nobody is present": base._replace(w=np.zeros_like(base.w)),
        "all messages are equal": base._replace(x=np.ones_like(base.x)),
        "all messages are zero": base._replace(x=np.zeros_like(base.x)),
        "an honest message is not finite": base._replace(x=nan),
    }
    names = list(cases)
    for some in (names[:5], names[5:]):
        for name, sent in zip(some, harness.run([cases[name] for name in some]), strict=True):
            if not np.isfinite(sent).all():
                harness.fail("finite", f"sends numbers that are not finite when {name}")


def _absence(harness: AttackHarness) -> None:
    base = _case()
    base.w[1] = 0
    values, cases = (0.0, 1e4, -1e4, np.nan), [base]
    for value in values:
        x = base.x.copy()
        x[:, 1] = value
        cases.append(base._replace(x=x))
    expected, *others = harness.run(cases)
    for value, other in zip(values, others, strict=True):
        harness.same("absence", f"an absent honest identity changes it by sending {value:g}", other, expected)


def _permutation(harness: AttackHarness) -> None:
    base = _case()
    p = np.random.default_rng(2).permutation(N)
    renamed = base._replace(x=base.x[:, p], w=base.w[p], byzantine=base.byzantine[p], mixing=base.mixing[p][:, p])
    rows, expected = harness.run([renamed, base])
    harness.same("permutation", "renaming identities changes more than the order of rows", rows, expected[:, p])


def _knowledge(harness: AttackHarness) -> None:
    base, other, knows = _case(), _case(3), harness.attack.knows
    harness.run([base])
    if knows not in ("nothing", "own"):
        return
    hidden = np.ones(N, bool) if knows == "nothing" else ~base.byzantine
    changed = base._replace(
        x=np.where(hidden[None, :, None], other.x, base.x),
        w=np.where(hidden, np.float32(0.75) * base.w, base.w),
        mixing=other.mixing,
        models=other.models if knows == "nothing" else base.models,
    )
    seen, expected = harness.run([changed, base])
    harness.same("knowledge", f"knows={knows!r} and reads more", seen, expected)


def _jit(harness: AttackHarness) -> None:
    jit(harness, _case())


def _vmap(harness: AttackHarness) -> None:
    base = _case()
    vmap(harness, [base, base._replace(byzantine=np.roll(base.byzantine, 2))])


def _trace(harness: AttackHarness) -> None:
    trace(harness, _case())


def _data(harness: AttackHarness) -> None:
    byzantine, batch = _case().byzantine, harness.batch
    sent = harness.poison(batch)
    if jax.tree.map(np.shape, sent) != jax.tree.map(np.shape, batch) or _dtypes(sent) != _dtypes(batch):
        harness.fail("data", "the batch changed its form")
    for new, old in zip(jax.tree.leaves(sent), jax.tree.leaves(batch), strict=True):
        if not (new == old)[~byzantine].all():
            harness.fail("data", "it rewrites data of honest nodes")

    def swap(leaf: np.ndarray) -> np.ndarray:
        swapped = leaf.copy()
        swapped[~byzantine] = leaf[::-1][~byzantine]
        return swapped

    if harness.attack.knows in ("nothing", "own"):
        other = harness.poison(jax.tree.map(swap, batch))
        for a, b in zip(jax.tree.leaves(sent), jax.tree.leaves(other), strict=True):
            harness.same("data", f"knows={harness.attack.knows!r} and reads data of others", b[byzantine], a[byzantine])


def _dtypes(tree: Any) -> list[Any]:
    return [leaf.dtype for leaf in jax.tree.leaves(tree)]


LAWS: dict[str, Callable[[AttackHarness], None]] = {
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
