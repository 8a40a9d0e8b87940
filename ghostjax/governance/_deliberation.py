"""A council and its electorate alone, without a training."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._byzantine import byzantine_mask
from ghostjax._random import Moment, root_key
from ghostjax._round import People, Reading, Session
from ghostjax._types import as_real, Key
from ghostjax.governance._base import AbstractElectorate, AbstractGovernance


def deliberate(
    governance: AbstractGovernance,
    electorate: AbstractElectorate,
    readings: Mapping[str, Reading],
    num_nodes: int,
    byzantine: Any = 0,
    *,
    owner: Any = None,
    power: Any = None,
    key: Key | int = 0,
) -> dict[str, Array]:
    """What `governance` records under given readings, round by round `[T, ...]`, as it would in a training.

    `readings` are those of T rounds, every leaf with the rounds first. `byzantine` is a mask, a count or a share,
    `owner [n]` the principals, `power [n]` what members count for before quarantine (1 unless given). It is a pure
    function: `jax.vmap` over keys, readings or knobs plays many in one program.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> from ghostjax.governance import Council, deliberate, Electorate
    >>> alarm = gj.Reading(jnp.ones(40), jnp.arange(40) >= 3, jnp.full(40, 3))
    >>> record = deliberate(Council(timelock=10), Electorate(), {"network": alarm}, 64, 16)
    >>> [int(record[name][-1]) for name in ("alarmed", "passed", "executed")]
    [3, 9, 19]

    ```
    """
    root = root_key(key, "deliberate")
    held = byzantine_mask(byzantine, num_nodes, "deliberate")
    principals = jnp.arange(num_nodes, dtype=jnp.int32) if owner is None else jnp.asarray(owner, jnp.int32)
    strength = jnp.ones(num_nodes, jnp.result_type(float)) if power is None else as_real(power)
    first = jax.tree.map(lambda column: column[0], dict(readings))
    blank = governance.blank_verdict(first, True, num_nodes)
    ring = governance.snapshots

    def one(state: Any, now: Any) -> Any:
        council, voters, verdict, kept, age, t = state
        at = Moment(root, t)
        counts = strength * verdict.factor
        voters, ballots = electorate.vote(voters, verdict.motion, People(held, principals, counts), at("electorate"))
        after = age + (1 if verdict.pause is None else jnp.where(verdict.pause, 0, 1))
        session = Session(now, t, after, at("governance"), counts, kept.ages, ballots)
        council, verdict, record = governance.decide(council, session, num_nodes)
        kept = ring.keep(kept, age, (), verdict.freeze)
        kept, age, _, restored = ring.restore(kept, verdict.back, after, ())
        verdict = verdict._replace(back=blank.back)
        record = {**record, "age": age, "restored": jnp.where(restored, age, -1)}
        return (council, voters, verdict, kept, age, t + 1), record

    zero = jnp.zeros((), jnp.int32)
    start = governance.init(num_nodes), electorate.init(num_nodes), blank, ring.init(()), zero, zero
    return jax.lax.scan(one, start, dict(readings))[1]
