"""A pixel that is blank in all data must not matter."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._border import whole
from ghostjax._types import require, static_field
from ghostjax.charters._base import AbstractInvariance, listed


class BlankPixels(AbstractInvariance):
    """The label must not change when a pixel that is blank in all data is lit, each of `pixels` on its own.

        probes_f = mean loss(x with entry pixels[f] set to 1, y)

    Honest data neither teach nor forbid it: a small push in every round accumulates, and nothing heals it. In the
    8 x 8 digits the entries 0, 32 and 39 are blank. `pixels` count entries of one flattened input; 1 is the
    largest value of an image, before the task's own shift and scale.

    **Static:** `pixels`, so that all who read one charter in a round share its evaluation. **Errors:** no pixel, one
    that is no whole number or beyond the inputs.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.charters.BlankPixels([0, 2]).changed(jnp.zeros((1, 3))).tolist()
    [[[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]]

    ```

    Source: the trigger of a backdoor, Gu et al., BadNets, arXiv:1708.06733, here as a probe of its absence.
    """

    pixels: tuple[int, ...] = static_field(default=(0, 32, 39), converter=listed)

    def __check_init__(self):
        require(len(self.pixels) > 0, "BlankPixels", "pixels", "none", "name at least one entry of an input")
        for pixel in self.pixels:
            whole(pixel, "BlankPixels", "pixels", low=0)

    @property
    def num_families(self) -> int:
        return len(self.pixels)

    def changed(self, x: Array) -> Float[Array, "f N ..."]:
        entries = x.reshape(x.shape[0], -1)
        outside = [one for one in self.pixels if one >= entries.shape[1]]
        require(not outside, "BlankPixels", "pixels", outside, f"inputs have entries 0 to {entries.shape[1] - 1}")
        lit = jnp.arange(entries.shape[1])[None, :] == jnp.asarray(self.pixels)[:, None]
        return jnp.where(lit[:, None], jnp.ones((), x.dtype), entries[None]).reshape(-1, *x.shape)
