"""A multilayer perceptron."""

from collections.abc import Callable
from itertools import pairwise

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._border import shown, whole
from ghostjax._kernels import dense_product
from ghostjax._types import Key, require, static_field
from ghostjax.tasks.models._base import AbstractModel


class MLP(AbstractModel):
    """Dense layers of the given `sizes` (inputs first, outputs last) with `activation` between them.

    Weights are drawn normal with variance 2 / inputs, biases zero. **Static:** both fields. Errors: fewer than two
    sizes, or one that is no whole number of at least 1.
    """

    sizes: tuple[int, ...] = static_field(converter=lambda sizes: tuple(sizes) if isinstance(sizes, list) else sizes)
    activation: Callable[[Array], Array] = static_field(default=jax.nn.relu)

    def __check_init__(self):
        call, remedy = "MLP", "give inputs and outputs at least, (64, 10)"
        require(isinstance(self.sizes, tuple) and len(self.sizes) > 1, call, "sizes", shown(self.sizes), remedy)
        for size in self.sizes:
            whole(size, call, "sizes", low=1)
        require(callable(self.activation), call, "activation", shown(self.activation), "give a function")

    def init(self, key: Key) -> PyTree:
        keys = jax.random.split(key, len(self.sizes) - 1)
        return [
            {"w": jax.random.normal(k, (i, o)) * jnp.sqrt(2 / i), "b": jnp.zeros(o)}
            for k, (i, o) in zip(keys, pairwise(self.sizes), strict=True)
        ]

    def apply(self, params: PyTree, x: Float[Array, "b ..."], key: Key | None) -> Float[Array, "b c"]:
        del key
        x = x.reshape(x.shape[0], -1)
        for layer in params[:-1]:
            x = self.activation(dense_product(x, layer["w"]) + layer["b"][None, :])
        return dense_product(x, params[-1]["w"]) + params[-1]["b"][None, :]
