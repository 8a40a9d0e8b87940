"""Recording of robust rounds for trace validation: levels of messages, and one event per phase."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ghostjax._kernels import row_norms
from ghostjax._round import Round
from ghostjax._types import real_field, require, static_field
from ghostjax.formal._validate import Event
from ghostjax.metrics import AbstractMetric


class Phases(AbstractMetric):
    """Records each round in the variables of the specification `robust_round`, from the messages that arrived.

        level_i = min(values, ceil(cap ||x_i|| / c)),    counted_i = ceil(cap min(||x_i||, c) / c)

    A level is the norm in units of c / `cap`, rounded up: 0 is silence, `cap` a message of norm c, and a larger level
    has to be clipped. `level_survivor` is the level of the rule's result on messages with these norms along one axis:
    with `Clipping(TrimmedMean(f), c)` and `cap = 1` that of the upper survivor of the trim. Absent identities have
    level -1. It works at a server, where one result is shared.

    **Traced:** `c`. **Static:** `cap`, `values` (the largest level; larger ones are cut off).
    """

    c: Float[Array, ""] = real_field(default=1.0)
    cap: int = static_field(default=1)
    values: int = static_field(default=3)
    dims: ClassVar[dict[str, tuple[str, ...]]] = {"level": ("node",)}

    def __check_init__(self) -> None:
        require(self.cap == 1, "Phases", "cap", self.cap, "the survivor's level is known for cap=1 only")
        require(self.values > self.cap, "Phases", "values", self.values, "must exceed cap, or clipping goes unseen")

    def __call__(self, round: Round) -> dict[str, Array]:
        require(round.shared, "Phases", "protocol", "gossip", "one result per round is needed; use a server")
        present = round.weights > 0
        c = self.c.astype(round.messages.dtype)
        norms = row_norms(round.messages)
        norms = jnp.where(norms > jnp.finfo(norms.dtype).tiny, norms, 0)
        clipped = jnp.minimum(norms, c)
        along = jnp.zeros_like(round.messages).at[:, 0].set(norms)
        kept = jnp.linalg.norm(round.respond(along))
        return {
            "level": jnp.where(present, jnp.minimum(self._level(norms), self.values), -1),
            "level_sum": jnp.where(present, self._level(clipped), 0).sum(),
            "level_survivor": self._level(kept),
        }

    def _level(self, norm: Array) -> Array:
        scaled = norm * self.cap / self.c.astype(norm.dtype)
        # A norm that exceeds the radius by rounding only, as of a clipped message, is not above it.
        return jnp.ceil(scaled * (1 - 8 * jnp.finfo(norm.dtype).eps)).astype(jnp.int32)


def events(record: Mapping[str, Any]) -> list[Event]:
    """The events of a run that was recorded with `Phases`: submissions, aggregation, trim and next round, per round.

    `record` is `run.record` (or one seed's part of a sweep). Validate them with
    `validate_trace(robust_round, events(run.record), rounds=run.rounds)`.

    Errors: `ValueError` if the metric was not recorded.
    """
    missing = [name for name in ("level", "level_sum", "level_survivor") if name not in record]
    if missing:
        raise ValueError(f"events: record: has no {', '.join(missing)}; run it with metrics=[..., formal.Phases(...)]")
    found = []
    columns = (np.asarray(record[name]) for name in ("level", "level_sum", "level_survivor"))
    for t, (levels, total, survivor) in enumerate(zip(*columns, strict=True)):
        present = np.flatnonzero(levels >= 0)
        for count, i in enumerate(present):
            found.append(Event("Submit", {"i": int(i), "v": int(levels[i])}, {"n": count + 1}, t))
        found.append(Event("Aggregate", {}, {"lo": int(total)}, t))
        found.append(Event("Trim", {}, {"hi": int(survivor)}, t))
        found.append(Event("NextRound", {}, {"ph": 0}, t))
    return found
