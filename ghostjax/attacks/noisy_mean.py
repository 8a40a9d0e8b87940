"""The honest mean under Gaussian noise."""

from typing import ClassVar

import jax
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import within
from ghostjax._random import stream
from ghostjax._types import real_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Law, Sent, View
from ghostjax.attacks._noise import random_rows
from ghostjax.attacks._statistics import honest_mean


class NoisyMean(AbstractStatelessAttack):
    """Each Byzantine identity sends the honest mean plus its own normal noise, fresh every round.

        m_ij = mean_H,j + std * N(0, 1)

    **Knows:** every honest message of the round. **Traced:** `std` (30 in the code of the reference).
    **State:** none. **Cost:** d random numbers per Byzantine identity. Not permutation equivariant draw by
    draw: an identity's numbers come from its index.

    Source: Wu et al., Byzantine-Resilient Decentralized Stochastic Optimization with Robust Aggregation Rules,
    arXiv:2206.04568.
    """

    std: Float[Array, ""] = real_field(default=30.0, low=0)
    knows: ClassVar[Knowledge] = "honest"
    exempt_laws: ClassVar[frozenset[Law]] = frozenset({"permutation"})

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        mean = honest_mean(view)
        std = self.std.astype(mean.dtype)
        return state, random_rows(
            view,
            stream(view.key, "noisy_mean"),
            lambda key: within(mean + std * jax.random.normal(key, mean.shape, mean.dtype)),
        )
