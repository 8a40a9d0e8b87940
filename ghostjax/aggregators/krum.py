"""Krum: the message whose neighbours are nearest."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import nearest_score, power_near, unit_distances
from ghostjax._types import real_field, require, static_field
from ghostjax.aggregators._base import AbstractGeometricRule, Law, own_mass


Neighbours = Literal["n-f-1", "n-f-2"]


NEIGHBOURS = ("n-f-1", "n-f-2")


def check_neighbours(rule: AbstractGeometricRule, neighbours: Neighbours, call: str, w: Float[Array, " n"]) -> None:
    """Errors: no other identity to compare a message with."""
    left = neighbourhood(w, own_mass(rule, w), neighbours)
    remedy = "a message is compared with its neighbours, and none is left; add nodes or lower f"
    require(((w > 0).sum() > 1) & (left > 0), call, "f", getattr(rule, "f", None), remedy)


def lacks_of(neighbours: Neighbours) -> frozenset[Law]:
    """Permutation, since ties go to the lowest index; weight scale, where one neighbour is left out."""
    return frozenset({"permutation"}) if neighbours == "n-f-1" else frozenset({"permutation", "weight_scale"})


def neighbourhood(w: Float[Array, " n"], mass: Float[Array, ""], neighbours: Neighbours) -> Float[Array, ""]:
    """The mass nearest to a row that its score counts; `mass` is F.

    The row itself is part of it at distance 0: for unit weights `W - F` leaves n - f - 1 other rows, and the paper's
    n - f - 2 is `W - F - 1`.
    """
    return w.sum() - mass - (0 if neighbours == "n-f-1" else 1)


SLACK = 64
"""Scores closer than this many units of rounding count as equal."""


def krum_scores(
    dist2: Float[Array, "n n"], w: Float[Array, " n"], mass: Float[Array, ""], neighbours: Neighbours
) -> Float[Array, " n"]:
    """Sum of squared distances to the nearest neighbours; inf where the weight is 0. `mass` is F.

    In units of a mass near the largest weight, a power of two, so that no sum overflows.
    """
    unit = power_near(w.max())
    keep = neighbourhood(w, mass, neighbours)
    return jnp.where(w > 0, nearest_score(dist2, w * unit, keep * unit), jnp.inf)


def krum_reach(
    x: Float[Array, "n d"],
    w: Float[Array, " n"],
    principal: Bool[Array, " n"],
    mass: Float[Array, ""],
    neighbours: Neighbours,
    *,
    all_scores: bool,
) -> Float[Array, ""]:
    """How far a rule that averages rows of small score can be moved by `principal`, the other rows as in `x`.

    While the principal's mass m is at most F, the others alone fill any row's neighbourhood of mass K = W - F, so some
    of their scores are at most S whatever it sends. A row of its own that is selected has a score of at most S,
    and mass K - m of its neighbourhood are others: one of those is no farther than sqrt(S / (K - m)). Both
    results lie that near to the hull of the others, hence `diameter + 2 sqrt(S / (K - m))`.
    """
    others = jnp.where(principal, 0, w)
    own = w.sum() - others.sum()
    dist2, scale = unit_distances(x, others)
    keep = neighbourhood(w, mass, neighbours)
    scores = nearest_score(dist2, others, keep)
    counted = others > 0
    worst = jnp.where(counted, scores, -jnp.inf).max() if all_scores else jnp.where(counted, scores, jnp.inf).min()
    # A selected score may exceed the smallest ones by what counts as equal.
    worst = worst * (1 + SLACK * jnp.finfo(worst.dtype).eps)
    both = counted[:, None] & counted[None, :]
    diameter = jnp.sqrt(jnp.where(both, dist2, 0).max())
    left = keep - own
    held = (own <= mass) & (left > 0) & (keep <= others.sum())
    reach = diameter + 2 * jnp.sqrt(worst / jnp.where(left > 0, left, 1))
    return jnp.where(held, reach / scale, jnp.inf)


class Krum(AbstractGeometricRule):
    """The message with the smallest sum of squared distances to its nearest neighbours.

        score_i = sum of the k smallest ||x_i - x_j||^2, j != i,    k = n - f - 1 or n - f - 2

    in mass form: the distances to the mass `W - F` nearest to i, itself included, `F = f + share * W`. Ties go to the
    lowest index, and scores that differ by no more than their rounding tie: after NNM whole groups of messages do.

    **Guarantee:** the result is one of the messages, and with k = n - f - 1 and `W > 2 F`,
    `||y - mean_S||^2 <= 6 (1 + r) sigma_S^2` with `r = F / (W - 2 F)`. One identity can move it by the largest
    distance between messages: it jumps. **Traced:** `f`, `share`, the weights. **Static:** `neighbours`: libraries
    differ (the paper, Flower and Blades use n - f - 2, byzfl and byzpy n - f - 1). The derivative in the weights is 0
    almost everywhere, so an adjoint says nothing about it. **Lacks:** permutation (mutual
    nearest neighbours tie where W - F is 2), and with n - f - 2 weight scale (it leaves out one identity). Errors, in a
    protocol: no neighbour is left to compare with.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.Krum(f=1)(jnp.array([[0.0], [1.0], [1.5], [9.0]]))
    Array([1.], dtype=float32)

    ```

    Source: Blanchard et al., Machine Learning with Adversaries, arXiv:1703.02757; the constant: Allouah et al.,
    arXiv:2302.01772.
    """

    f: Float[Array, ""] = real_field(default=0.0, low=0, unit="mass")
    share: Float[Array, ""] = real_field(default=0.0, low=0, high=1)
    neighbours: Neighbours = static_field(default="n-f-1", choices=NEIGHBOURS)
    certificate_kind: ClassVar[Literal["unconditional", "conditional", "none"]] = "conditional"
    hull: ClassVar[bool] = True

    def demands(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, call: str, w: Float[Array, " n"]
    ) -> None:
        check_neighbours(self, self.neighbours, call, w)

    @property
    def lacks(self) -> frozenset[Law]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Permutation, and with n - f - 2 weight scale."""
        return lacks_of(self.neighbours)

    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        assert dist2 is not None
        scores = krum_scores(dist2, w, own_mass(self, w), self.neighbours)
        least = scores.min() * (1 + SLACK * jnp.finfo(scores.dtype).eps)
        chosen = jnp.arange(w.shape[0]) == jnp.argmax(scores <= least)
        return jnp.where(chosen & (w > 0), jnp.ones_like(w), 0)

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return w.sum() - 2 * own_mass(self, w) - (0 if self.neighbours == "n-f-1" else 2)

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        free = w.sum() - 2 * own_mass(self, w)
        r = own_mass(self, w) / jnp.where(free > 0, free, 1)
        proved = (free > 0) & (self.neighbours == "n-f-1")
        return jnp.where(proved, 6 * (1 + r), jnp.inf)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        return krum_reach(x, w, principal, own_mass(self, w), self.neighbours, all_scores=False)
