"""Uniform random numbers instead of a message."""

from typing import ClassVar

import jax
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import within
from ghostjax._random import stream
from ghostjax._types import concrete, real_field, require
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Law, Sent, View
from ghostjax.attacks._noise import random_rows


class Random(AbstractStatelessAttack):
    """Each Byzantine identity sends uniform numbers, independent between identities, coordinates and rounds.

        m_ij ~ U[low, high)

    **Knows:** nothing. **Traced:** `low`, `high`. **State:** none. **Cost:** d random numbers per Byzantine
    identity. Not permutation equivariant draw by draw: an identity's numbers come from its index.

    Source: Han et al., FedMLSecurity: A Benchmark for Attacks and Defenses in Federated Learning and Federated
    LLMs, arXiv:2306.04959.
    """

    low: Float[Array, ""] = real_field(default=-1.0)
    high: Float[Array, ""] = real_field(default=1.0)
    knows: ClassVar[Knowledge] = "nothing"
    exempt_laws: ClassVar[frozenset[Law]] = frozenset({"permutation"})

    def __check_init__(self):
        if concrete((self.low, self.high)):
            ordered = (self.low <= self.high).all()
            require(ordered, "Random", "low", self.low, f"must be at most high, and high is {self.high!s}")

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        d, dtype = view.messages.shape[1], view.messages.dtype
        low, high = self.low.astype(dtype), self.high.astype(dtype)
        return state, random_rows(
            view,
            stream(view.key, "random"),
            lambda key: within(low + (high - low) * jax.random.uniform(key, (d,), dtype)),
        )
