"""The mixing weight between a principal and everybody else."""

from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._round import Round
from ghostjax._types import ConfigurationError
from ghostjax.metrics._base import AbstractMetric, Output
from ghostjax.metrics._principals import by_principal


class CutWeight(AbstractMetric):
    """In gossip, the mixing weight on edges from the identities of each principal to those of others.

        cut_weight_p = sum over i, j with owner_j = p, owner_i != p of W_ij

    W is the mixing matrix among those present. Principals are numbered 0, 1, .. in the order of `Simulation(owner=)`.
    There are n places; those beyond the last principal are 0. `largest_cut` is the largest of them.

    **Guarantee:** with clipped gossip, `Gossip(CenteredClipping(tau, centre="anchor"), graph)`, and a symmetric W,
    principal p moves the mean of the m models of all others by at most `tau cut_weight_p / m` a round, however many
    identities it has behind these edges: terms between the others cancel, and each edge of the cut adds at most
    `tau W_ij`. The local steps of the others come on top. It does not hold where W is not symmetric (absence, messages
    lost one way), or where receivers clip at different lengths.

    **Errors:** a protocol without a graph.

    ```python
    >>> import ghostjax as gj
    >>> task, graph = gj.tasks.quadratic(6, 3), gj.topologies.ring(6)
    >>> sim = gj.Simulation(task, gj.protocols.Gossip(None, graph), owner=[0, 0, 0, 0, 1, 1],
    ...                     metrics=[gj.metrics.CutWeight()])
    >>> [round(weight, 3) for weight in gj.simulate(sim, 1, progress=None).record["cut_weight"][0].tolist()]
    [0.667, 0.667, 0.0, 0.0, 0.0, 0.0]

    ```

    Source: clipped gossip is that of He, Karimireddy and Jaggi, Byzantine-Robust Decentralized Learning via
    ClippedGossip, arXiv:2202.01545.
    """

    outputs: ClassVar[Mapping[str, Output]] = {
        "cut_weight": Output(dims=("principal",), long_name="mixing weight on edges from the principal to others"),
        "largest_cut": Output(long_name="largest mixing weight from one principal to others", better="lower"),
    }

    def __call__(self, round: Round) -> dict[str, Array]:
        if round.mixing is None:
            raise ConfigurationError("CutWeight: mixing=None: a cut is made of edges; record it in Gossip")
        others = round.owner[:, None] != round.owner[None, :]
        cut = by_principal(jnp.where(others, round.mixing, 0).sum(0), round.owner)
        return {"cut_weight": cut, "largest_cut": cut.max()}
