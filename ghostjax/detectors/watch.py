"""A metric, shown what participants see, as the signal of a sequential test."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._round import Reading, Seen
from ghostjax._types import require, static_field
from ghostjax.detectors._base import AbstractDetector, AbstractReference, AbstractTest
from ghostjax.detectors.own_past import OwnPast
from ghostjax.metrics import AbstractMetric, Every, Output


class Watch(AbstractDetector):
    """Tests the entry `entry` of `signal`, in units of `reference`, by `test`.

        z_t = reference(signal(blinded round t)[entry]),    reading_t = test(z_t)

    The signal is any metric that reads a round as participants see it: messages, weights, models, the result, and the
    stated goal, but not who is Byzantine. One element of the signal is one test: an entry per node gives a reading per
    identity. A signal with a period (`metrics.Every`) is observed in the rounds in which it is due.

    **Static:** `entry`, `worse`: "higher" where a large signal is bad, "lower" where a small one is. **State:** those
    of reference and test. **Errors:** an entry that the signal does not record; a signal that reads who is Byzantine,
    who owns whom, or private losses, data and updates.

    ```python
    >>> import ghostjax as gj
    >>> gj.detectors.Watch(gj.metrics.Goal(), "loss", gj.detectors.CUSUM(h=10.0)).entry
    'loss'

    ```
    """

    signal: AbstractMetric
    entry: str = static_field()
    test: AbstractTest  # pyright: ignore[reportGeneralTypeIssues]
    reference: AbstractReference = eqx.field(default_factory=OwnPast)
    worse: Literal["higher", "lower"] = static_field(default="higher", choices=("higher", "lower"))

    @property
    def dims(self) -> tuple[str, ...] | None:
        """The dimensions that the signal declares for the entry."""
        metric = self.signal.metric if isinstance(self.signal, Every) else self.signal
        output = metric.outputs.get(self.entry)
        return metric.dims.get(self.entry) if output is None else output.dims

    def init(self, seen: Seen) -> PyTree:
        like = jax.eval_shape(lambda: self._signal(seen))
        return self.reference.init(like), self.test.init(like)

    def watch(self, state: PyTree, seen: Seen) -> tuple[PyTree, Reading]:
        past, memory = state
        past, z = self.reference.step(past, self._signal(seen), seen.age)
        memory, reading = self.test.step(memory, z, seen.index)
        return (past, memory), reading

    def _signal(self, seen: Seen) -> Float[Array, "*s"]:
        values: Any = self.signal(seen)  # pyright: ignore[reportArgumentType]
        require(self.entry in values, "Watch", "entry", repr(self.entry), f"the signal records {sorted(values)}")
        value = values[self.entry]
        if not jnp.issubdtype(value.dtype, jnp.inexact):
            value = value.astype(jnp.result_type(float))
        if isinstance(self.signal, Every):
            # Between two rounds that are due there is no observation.
            value = jnp.where(Output(every=self.signal.every).due(seen.index), value, jnp.nan)
        return value if self.worse == "higher" else -value
