"""The laws of sequential tests and of detectors."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax._round import Reading
from ghostjax.detectors import AbstractDetector, AbstractTest
from ghostjax.testing._harness import chosen, Harness, jit, trace, vmap
from ghostjax.testing._rounds import equal_bits, made_up, messages, N


SIGNALS, STEPS, ROUNDS = 4, 16, 8


class _Signal(NamedTuple):
    """Signals in standard units `[rounds, 4]`."""

    x: Any

    @property
    def w(self) -> np.ndarray:
        """A signal has no weights."""
        return np.zeros(0)


class _Case(NamedTuple):
    """Messages `[rounds, n, d]` and weights `[n]` of rounds, and the fields that participants do not see."""

    x: Any
    w: Any
    byzantine: Any
    owner: Any
    seed: Any


def check_test(test: AbstractTest, *, skip: Collection[str] = ()) -> None:
    """Plays a test on four signals for sixteen rounds and raises `AssertionError` at the first law that it breaks.

        shape         readings have the shape of the signal, evidence its dtype, alarms are booleans, rounds integers
        elementwise   every element of a signal is a separate test
        nan           nan is no observation: it changes nothing
        quiet         nothing alarms before there is an observation
        since         the change is estimated in a round played, -1 while there is no evidence
        power         a signal of a hundred standard deviations alarms, in sixteen rounds; one that stays at 0 does not
        jit           compiled equals eager
        vmap          a batch of knobs and signals equals one after the other
        trace         three values of all numeric knobs are traced once, and a static number sets a shape or a loop

    A law in `skip` is left out.

    ```python
    >>> import ghostjax as gj
    >>> from ghostjax.testing import check_test
    >>> check_test(gj.detectors.CUSUM(h=6.0))

    ```

    Errors: a name in `skip` that is no law.
    """
    harness = TestHarness(test)
    for law in chosen(TEST_LAWS, skip, "check_test"):
        law(harness)


def check_detector(
    detector: AbstractDetector, *, quiet: int = 0, gossip: bool = False, skip: Collection[str] = ()
) -> None:
    """Shows a detector eight rounds of seven identities and raises `AssertionError` at the first law it breaks.

        shape       evidence is floating and never nan, alarms are booleans, rounds integers; the memory can be scanned
        blind       who is Byzantine, who owns whom, private losses and updates have no influence, bit for bit
        reference   nothing alarms in the first `quiet` rounds, for all messages
        jit         compiled equals eager
        vmap        a batch of knobs and rounds equals one after the other
        trace       three values of all numeric knobs are traced once, and a static number sets a shape or a loop

    `quiet` is the length of its reference stretch, `gossip` whether every node has a model of its own. A law in `skip`
    is left out.

    ```python
    >>> import ghostjax as gj
    >>> from ghostjax.testing import check_detector
    >>> past = gj.detectors.OwnPast(rounds=4)
    >>> check_detector(gj.detectors.Watch(gj.metrics.Goal(), "loss", gj.detectors.CUSUM(), past), quiet=4)

    ```

    Errors: a name in `skip` that is no law.
    """
    harness = DetectorHarness(detector, quiet, gossip)
    for law in chosen(LAWS, skip, "check_detector"):
        law(harness)


def _columns(reading: Reading, dtype: Any) -> Array:
    """Evidence, alarm and round as three rows of numbers."""
    return jnp.stack([jnp.asarray(value).astype(dtype).reshape(-1) for value in reading])


class TestHarness(Harness[_Signal]):
    """Plays a test on all rounds of a signal."""

    __test__ = False

    def __init__(self, test: AbstractTest):
        super().__init__(test)
        self.test = test

    def play(self, member: AbstractTest, case: _Signal) -> Array:
        """Evidence, alarm and round, `[rounds, 3, signals]`."""

        def one(state: Any, row: Any) -> Any:
            x, t = row
            state, reading = member.step(state, x, t)
            return state, _columns(reading, x.dtype)

        x = jnp.asarray(case.x)
        state = member.init(jax.ShapeDtypeStruct(x.shape[1:], x.dtype))
        return jax.lax.scan(one, state, (x, jnp.arange(x.shape[0], dtype=jnp.int32)))[1]

    def eager(self, case: _Signal) -> Array:
        """The reading of the first round."""
        x = case.x[0]
        state = self.test.init(jax.ShapeDtypeStruct(x.shape, x.dtype))
        return _columns(self.test.step(state, x, jnp.asarray(0, jnp.int32))[1], x.dtype)

    def tolerance(self, output: np.ndarray, *cases: _Signal) -> float:
        """2e-5 of the largest finite entry."""
        return 2e-5 * float(np.abs(output[np.isfinite(output)]).max(initial=1e-30))


def _signal(seed: int = 0, dtype: Any = np.float32) -> _Signal:
    x = np.random.default_rng(seed).normal(size=(STEPS, SIGNALS))
    x[STEPS // 2 :, 0] += 3
    return _Signal(x.astype(dtype))


def _test_shape(harness: TestHarness) -> None:
    for dtype in (np.float32, np.float64):
        harness.run([_signal(dtype=dtype)])
    test = harness.test
    for shape in ((), (SIGNALS,), (2, 3)):
        like = jax.ShapeDtypeStruct(shape, np.float32)
        at = jax.ShapeDtypeStruct((), np.int32)
        _, reading = jax.eval_shape(lambda x, t, like=like: test.step(test.init(like), x, t), like, at)
        kinds = [(leaf.shape, np.dtype(leaf.dtype).kind) for leaf in reading]
        if kinds != [(shape, "f"), (shape, "b"), (shape, "i")]:
            harness.fail("shape", f"a signal of shape {shape} gives readings {kinds}")


def _elementwise(harness: TestHarness) -> None:
    case = _signal()
    single = jax.jit(jax.vmap(lambda x: harness.play(harness.test, _Signal(x)), in_axes=1, out_axes=2))
    each = np.asarray(single(case.x[:, :, None]))[..., 0]
    harness.same("elementwise", "four signals at once differ from four tests", harness.run([case])[0], each)


def _nan(harness: TestHarness) -> None:
    base, gap = _signal(), 5
    x = np.concatenate([base.x[:gap], np.full((1, SIGNALS), np.nan, np.float32), base.x[gap:-1]])
    without, seen = harness.run([base, _Signal(x)])
    if not np.array_equal(seen[gap], seen[gap - 1]):
        harness.fail("nan", "a signal that is nan changes the reading")
    harness.same("nan", "a signal that is nan changes later evidence", seen[gap + 1 :, :2], without[gap:-1, :2])


def _quiet(harness: TestHarness) -> None:
    readings = harness.run([_Signal(np.full((STEPS, SIGNALS), np.nan, np.float32))])[0]
    if not np.isfinite(readings).all() or readings[:, 1].any() or (readings[:, 2] != -1).any():
        harness.fail("quiet", "without an observation it reads something")


def _since(harness: TestHarness) -> None:
    readings = harness.run([_signal()])[0]
    since, played = readings[:, 2], np.arange(STEPS)[:, None]
    if not ((since >= -1) & (since <= played)).all():
        harness.fail("since", "a change is estimated in a round that was not played")


def _power(harness: TestHarness) -> None:
    steady = np.zeros((STEPS, SIGNALS), np.float32)
    loud, still = harness.run([_Signal(steady + 100), _Signal(steady)])
    if not loud[-1, 1].all():
        harness.fail("power", "a hundred standard deviations for sixteen rounds raise no alarm")
    if still[:, 1].any():
        harness.fail("power", "a signal that stays at 0 alarms")


class DetectorHarness(Harness[_Case]):
    """Shows a detector all rounds; `quiet` are those in which nothing may alarm."""

    nan_allowed = True

    def __init__(self, detector: AbstractDetector, quiet: int, gossip: bool):
        super().__init__(detector)
        self.detector, self.quiet, self.gossip = detector, quiet, gossip

    def play(self, member: AbstractDetector, case: _Case) -> Array:
        """Evidence, alarm and round of every element of the signal, `[rounds, 3, s]`."""

        def one(state: Any, row: Any) -> Any:
            x, t = row
            return self._watch(member, state, x, t, case)

        x = jnp.asarray(case.x)
        state = member.init(self._seen(x[0], jnp.asarray(0), case))
        return jax.lax.scan(one, state, (x, jnp.arange(x.shape[0], dtype=jnp.int32)))[1]

    def eager(self, case: _Case) -> Array:
        """The first reading."""
        state = self.detector.init(self._seen(case.x[0], jnp.asarray(0), case))
        return self._watch(self.detector, state, case.x[0], jnp.asarray(0), case)[1]

    def tolerance(self, output: np.ndarray, *cases: _Case) -> float:
        """2e-4 of the largest finite entry: deviations are divided by small ones."""
        return 2e-4 * float(np.abs(output[np.isfinite(output)]).max(initial=1e-30))

    def _seen(self, x: Array, t: Array, case: _Case) -> Any:
        key = jax.random.fold_in(jax.random.key(case.seed), t)
        return made_up(x, case.w, case.byzantine, case.owner, key, t, self.gossip).blind()

    def _watch(self, member: AbstractDetector, state: Any, x: Array, t: Array, case: _Case) -> Any:
        state, reading = member.watch(state, self._seen(x, t, case))
        kinds = [np.dtype(jnp.asarray(value).dtype).kind for value in reading]
        if kinds != ["f", "b", "i"]:
            self.fail("shape", f"evidence, alarm and since are of kinds {kinds} and not f, b, i")
        return state, _columns(reading, x.dtype)


def _case(seed: int = 0, dtype: Any = np.float32, rounds: int = ROUNDS) -> _Case:
    w = np.array([1, 1, 0.5, 1, 0, 1, 1], dtype)
    byzantine, owner = np.arange(N) >= 5, np.arange(N, dtype=np.int32)
    return _Case(messages(seed, rounds, dtype), w, byzantine, owner, np.uint32(seed))


def _shape(harness: DetectorHarness) -> None:
    for dtype in (np.float32, np.float64):
        evidence = harness.run([_case(dtype=dtype)])[0][:, 0]
        if np.isnan(evidence).any():
            harness.fail("shape", "evidence is nan")
    nobody = _case()._replace(w=np.zeros(N, np.float32))
    if np.isnan(harness.run([nobody])[0][:, 0]).any():
        harness.fail("shape", "evidence is nan when nobody is present")


def _blind(harness: DetectorHarness) -> None:
    base = _case()
    other = base._replace(byzantine=~base.byzantine, owner=np.zeros(N, np.int32))
    expected, seen = harness.run([base, other])
    equal_bits(harness, "blind", "readings depend on fields that participants do not see", seen, expected)


def _reference(harness: DetectorHarness) -> None:
    base = _case(rounds=max(ROUNDS, harness.quiet))
    loud = base.x.copy()
    loud[::2] *= 1e6
    for alarm in harness.run([base, base._replace(x=loud)])[:, : harness.quiet, 1]:
        if alarm.any():
            harness.fail("reference", f"it alarms in the first {harness.quiet} rounds")


TEST_LAWS: dict[str, Callable[[TestHarness], None]] = {
    "shape": _test_shape,
    "elementwise": _elementwise,
    "nan": _nan,
    "quiet": _quiet,
    "since": _since,
    "power": _power,
    "jit": lambda harness: jit(harness, _signal()),
    "vmap": lambda harness: vmap(harness, [_signal(), _signal(1)]),
    "trace": lambda harness: trace(harness, _signal()),
}
LAWS: dict[str, Callable[[DetectorHarness], None]] = {
    "shape": _shape,
    "blind": _blind,
    "reference": _reference,
    "jit": lambda harness: jit(harness, _case()),
    "vmap": lambda harness: vmap(harness, [_case(), _case(1)]),
    "trace": lambda harness: trace(harness, _case()),
}
