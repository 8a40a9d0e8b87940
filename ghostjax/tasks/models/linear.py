"""Multinomial logistic regression, or a linear map."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import dense_product
from ghostjax._types import Key, static_field
from ghostjax.tasks.models._base import AbstractModel


class Linear(AbstractModel):
    """`x W + b` on flattened inputs: logistic regression under cross entropy, least squares under a square loss.

    It starts at zero: the loss is convex, so the start does not matter. **Static:** `inputs`, `outputs`, `bias`.
    """

    inputs: int = static_field(whole=True, low=1)
    outputs: int = static_field(whole=True, low=1)
    bias: bool = static_field(default=True)

    def init(self, key: Key) -> PyTree:
        del key
        params = {"w": jnp.zeros((self.inputs, self.outputs))}
        return params | {"b": jnp.zeros(self.outputs)} if self.bias else params

    def apply(self, params: PyTree, x: Float[Array, "b ..."], key: Key | None) -> Float[Array, "b c"]:
        del key
        outputs = dense_product(x.reshape(x.shape[0], math.prod(x.shape[1:])), params["w"])
        return outputs + params["b"][None, :] if self.bias else outputs
