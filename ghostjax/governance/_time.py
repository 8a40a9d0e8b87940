"""How long a quorum takes, drawn from the vote machine itself."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from ghostjax._border import member, whole
from ghostjax._byzantine import byzantine_mask
from ghostjax._compiled import compiled
from ghostjax._random import root_key
from ghostjax._round import Reading
from ghostjax._types import Key
from ghostjax.governance._base import AbstractElectorate
from ghostjax.governance._deliberation import deliberate
from ghostjax.governance.council import Council


def rounds_to_execution(
    council: Council,
    electorate: AbstractElectorate,
    num_nodes: int,
    byzantine: Any = 1,
    *,
    draws: int = 500,
    horizon: int = 240,
    key: Key | int = 0,
) -> np.ndarray:
    """Rounds from an alarm that stays to the execution, `[draws]`; nan where none came within `horizon` rounds.

    The votes of `num_nodes` members are played, all draws in one program that serves every number of captured members.
    `byzantine` is a mask, a count or a share: whom the adversary owns. The closed form of the mean is
    `governance.expected_rounds`.

    ```python
    >>> from ghostjax.governance import Council, Electorate, rounds_to_execution
    >>> taken = rounds_to_execution(Council(timelock=10), Electorate(captured=0.25), 64, 16, draws=20, horizon=40)
    >>> float(taken.mean())
    16.0

    ```
    """
    call = "rounds_to_execution"
    member(council, Council, call, "council")
    member(electorate, AbstractElectorate, call, "electorate")
    held = byzantine_mask(byzantine, whole(num_nodes, call, "num_nodes", low=1), call)
    keys = jax.random.split(root_key(key, call), whole(draws, call, "draws", low=1))
    limit = whole(horizon, call, "horizon", low=1)
    stays = Reading(jnp.ones(limit), jnp.ones(limit, bool), jnp.zeros(limit, jnp.int32))
    executed = np.asarray(_first_executed(council, electorate, keys, held, stays), float)
    return np.where(executed < limit, executed, np.nan)


@compiled
def _first_executed(
    council: Council, electorate: Any, keys: Any, held: Array, reading: Reading
) -> Int[Array, " draws"]:
    def one(key: Any) -> Array:
        executed = deliberate(council, electorate, {council.alarm: reading}, held.shape[0], held, key=key)["executed"]
        return jnp.where(executed >= 0, executed, len(executed)).min()

    return jax.vmap(one)(keys)
