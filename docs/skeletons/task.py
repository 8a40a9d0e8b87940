"""A task with a different objective per node: every node pulls towards its own aim."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import ghostjax as gj
from ghostjax.tasks import AbstractTask


class Tug(AbstractTask):
    """Node i minimises `|theta - share a_i|^2 / 2`; the stated goal is `|theta|^2 / 2`. **Traced:** `share`, `aims`.

    The batch carries what is a node's own; with `share=0` everybody follows the stated goal.
    """

    aims: Float[Array, "n d"]
    share: Float[Array, ""] = gj.ops.real_field(default=0.5, low=0, high=1)

    @property
    def num_nodes(self) -> int:
        return self.aims.shape[0]

    def init(self, key) -> Float[Array, " d"]:
        return jax.random.normal(key, self.aims.shape[1:], self.aims.dtype)

    def sample(self, key) -> Float[Array, "n d"]:
        noise = 0.01 * jax.random.normal(key, self.aims.shape, self.aims.dtype)
        return self.share.astype(self.aims.dtype) * self.aims + noise

    def loss(self, params: Float[Array, " d"], batch: Float[Array, " d"], key) -> Float[Array, ""]:
        return jnp.square(params - batch).sum() / 2

    def evaluate(self, params: Float[Array, " d"], split: str = "validation") -> dict[str, Array]:
        return {"loss": jnp.square(params).sum() / 2}
