"""A governance: an alarm sends the model back, once in a while."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int

import ghostjax as gj
from ghostjax.governance import AbstractGovernance, Snapshots
from ghostjax.metrics import Output


class BackOnAlarm(AbstractGovernance):
    """Where the detector `network` alarms, the model goes back by `rounds` ages, at most once in `pause` rounds.

    **Traced:** `rounds`, `pause`. **State:** the last round in which it did.
    """

    rounds: Int[Array, ""] = gj.ops.count_field(default=4, low=1)
    pause: Int[Array, ""] = gj.ops.count_field(default=6, low=1)
    snapshots: Snapshots = eqx.field(default_factory=lambda: Snapshots(capacity=4, every=2))
    outputs = {"acted": Output(long_name="whether the model was sent back")}

    def init(self, num_nodes: int) -> Int[Array, ""]:
        return jnp.asarray(-(2**30), jnp.int32)

    def decide(self, state: Any, session: gj.Session, num_nodes: int) -> tuple[Any, gj.Verdict, dict[str, Array]]:
        alarm = session.readings["network"].alarm.any()
        acts = alarm & (session.round - state >= self.pause)
        back = jnp.where(acts, jnp.maximum(session.age - self.rounds, 0), -1)
        verdict = gj.Verdict(jnp.ones(num_nodes), back)
        return jnp.where(acts, session.round, state), verdict, {"acted": acts}
