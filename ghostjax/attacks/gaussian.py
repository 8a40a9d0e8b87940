"""Gaussian noise instead of a message."""

from typing import ClassVar

import jax
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import within
from ghostjax._random import stream
from ghostjax._types import real_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Law, Sent, View
from ghostjax.attacks._noise import random_rows


class Gaussian(AbstractStatelessAttack):
    """Each Byzantine identity sends normal numbers, independent between identities, coordinates and rounds.

        m_ij = mean + std * N(0, 1)

    **Knows:** nothing. **Traced:** `mean`, `std` (byzfl 0 and 1, the default; blades 0.1 and 0.1). **State:**
    none. **Cost:** d random numbers per Byzantine identity. `NoisyMean` is the form around the honest mean.
    Not permutation equivariant draw by draw: an identity's numbers come from its index.

    Source: Blanchard et al., Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent,
    arXiv:1703.02757.
    """

    mean: Float[Array, ""] = real_field(default=0.0)
    std: Float[Array, ""] = real_field(default=1.0, low=0)
    knows: ClassVar[Knowledge] = "nothing"
    exempt_laws: ClassVar[frozenset[Law]] = frozenset({"permutation"})

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        d, dtype = view.messages.shape[1], view.messages.dtype
        mean, std = self.mean.astype(dtype), self.std.astype(dtype)
        return state, random_rows(
            view, stream(view.key, "gaussian"), lambda key: within(mean + std * jax.random.normal(key, (d,), dtype))
        )
