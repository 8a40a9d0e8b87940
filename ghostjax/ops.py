"""Building blocks for authors of rules, attacks, metrics and detectors: knobs, moments, distances, windows.

Everything here takes weights `w [n]` as the package does: `w[i] = 0` means that row i is absent. Rows must be finite.
A round and `rule(x, w)` make a non-finite row absent before a member sees it.
"""

from typing import Any

from jaxtyping import Array, Float

from ghostjax import _kernels, _types


def real_field(**options: Any) -> Any:
    """A traced real knob of a module: `low=`, `high=`, `nan=`, `inf=`, `unit="mass" | "length"`, `default=`.

    One compiled program serves all its values, a sweep maps over them, and a derivative in them exists. A value outside
    of the range is refused in one line when the module is made. A knob in the unit of weights or messages sets `unit`.

    ```python
    >>> import ghostjax as gj
    >>> class Scaled(gj.attacks.AbstractStatelessAttack):
    ...     factor: gj.ops.Real = gj.ops.real_field(default=2.0, low=0)
    ...     def corrupt(self, state, view):
    ...         return state, gj.attacks.Sent(self.factor.astype(view.messages.dtype) * view.messages)
    >>> Scaled(3.0)
    Scaled(factor=3)

    ```
    """
    return _types.real_field(**options)


def count_field(**options: Any) -> Any:
    """A traced integer knob of a module: `low=`, `high=`, `default=`; a number that has to be rounded is refused.

    ```python
    >>> import ghostjax as gj
    >>> gj.attacks.Mimic(target=3).target.dtype
    dtype('int32')

    ```
    """
    return _types.count_field(**options)


def static_field(**options: Any) -> Any:
    """A knob that sets a shape or a loop bound: another value compiles again. `whole=`, `low=`, `high=`, `choices=`.

    ```python
    >>> import ghostjax as gj
    >>> gj.governance.Snapshots(capacity=4).capacity
    4

    ```
    """
    return _types.static_field(**options)


def weighted_mean(x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, " d"]:
    """`sum_i w_i x_i / sum_i w_i`, and zero where all weights are.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.ops.weighted_mean(jnp.array([[1.0], [2.0], [9.0]]), jnp.array([1.0, 1.0, 0.0]))
    Array([1.5], dtype=float32)

    ```
    """
    return _kernels.weighted_mean(x, w)


def weighted_variance(x: Float[Array, "n d"], w: Float[Array, " n"], ddof: float = 0.0) -> Float[Array, " d"]:
    """`sum_i w_i (x_i - mean)^2 / (sum_i w_i - ddof)` per coordinate, and zero where that sum is not positive.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.ops.weighted_variance(jnp.array([[1.0], [3.0], [9.0]]), jnp.array([1.0, 1.0, 0.0]))
    Array([1.], dtype=float32)

    ```
    """
    return _kernels.weighted_variance(x, w, _kernels.weighted_mean(x, w), ddof)


def squared_distances(x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, "n n"]:
    """`||x_i - x_j||^2` of all pairs from one centred Gram product, with an exactly zero diagonal.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.ops.squared_distances(jnp.array([[0.0], [3.0]]), jnp.ones(2)).tolist()
    [[0.0, 9.0], [9.0, 0.0]]

    ```
    """
    return _kernels.squared_distances(x, w)


def window_mean(x: Float[Array, "n d"], w: Float[Array, " n"], trim: Float[Array, ""]) -> Float[Array, " d"]:
    """Per coordinate, sorts the values, drops mass `trim` at both ends and averages the rest.

    Where nothing is left it is the median. Reverse-mode derivatives are those of removal.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.ops.window_mean(jnp.array([[0.0], [1.0], [2.0], [90.0]]), jnp.ones(4), jnp.asarray(1.0))
    Array([1.5], dtype=float32)

    ```
    """
    return _kernels.window_mean(x, w, trim)


def row_norms(x: Float[Array, "n d"], centre: Float[Array, " d"] | None = None) -> Float[Array, " n"]:
    """`||x_i - centre||` per row, over the whole float range.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.ops.row_norms(jnp.array([[3.0, 4.0], [0.0, 1e30]])).tolist() == [5.0, float(jnp.float32(1e30))]
    True

    ```
    """
    return _kernels.row_norms(x, centre)


def safe_divide(numerator: Any, denominator: Any) -> Array:
    """`numerator / denominator`, and 0 with a derivative of 0 where the denominator is not positive.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.ops.safe_divide(1.0, jnp.array([2.0, 0.0])).tolist()
    [0.5, 0.0]

    ```
    """
    return _kernels.safe_divide(numerator, denominator)


Real = Float[Array, ""]
"""The annotation of a traced real knob."""
