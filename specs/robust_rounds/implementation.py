"""Rounds about a running centre by the project's own rules: clipped differences, weights by staleness, trimming."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import ghostjax as gj
from ghostjax.formal import Implementation


class Forbidden(Exception):
    """The implementation says no."""


def allow(condition: Any) -> None:
    """Says no unless `condition`."""
    if not condition:
        raise Forbidden


@eqx.filter_jit
def apply(rule: gj.aggregators.AbstractAggregator, x: Any, w: Any) -> Any:
    """One call of a rule."""
    return rule(x, w)


@eqx.filter_jit
def alone(rule: gj.aggregators.AbstractAggregator, x: Any, w: Any) -> Any:
    """What the rule makes of each present row alone."""
    return jax.vmap(lambda one: rule(x, one))(jnp.diag(w))


def made(kind: Any, *parts: Any, **knobs: Any) -> Any:
    """A rule with knobs given as numbers."""
    return kind(*parts, **knobs)


class RunningRounds:
    """Messages are multiples of one direction, and a value of 1 is a message as long as the clipping radius.

    What a node adds is its clipped difference from the centre times its weight; the next centre is the trimmed mean
    of all present, rounded down. With one Byzantine node of four the trim leaves one value or two, so that their mean
    is that of the lower and the upper survivor.
    """

    refuses = Forbidden
    radius = 0.75
    direction = np.array([0.6, 0.0, 0.8], np.float32)

    def __init__(self, state: Any, byzantine: int = 1, honest: int = 1, values: int = 3):
        self.n, self.f, self.most, self.top = len(state.kind), byzantine, honest, values
        self.clipped_mean = made(gj.aggregators.Clipping, gj.aggregators.Mean(), c=self.radius)
        self.clipped_trim = made(gj.aggregators.Clipping, self.trimming(), c=self.radius)
        self.centre, self.after = np.zeros(3, np.float32), np.zeros(3, np.float32)
        self.late: list[int | None] = [None] * self.n
        self.clear()

    def trimming(self) -> gj.aggregators.AbstractAggregator:
        """What the next centre is made by."""
        return made(gj.aggregators.TrimmedMean, f=self.f)

    def clear(self) -> None:
        """A new round with nobody in it."""
        self.phase, self.total, self.mass = 0, 0.0, 0.0
        self.x = np.zeros((self.n, 3), np.float32)
        self.w = np.zeros(self.n, np.float32)

    def message(self, i: int, v: int) -> np.ndarray:
        """What node i sends; an honest one stays within its range."""
        allow(i >= self.n - self.f or abs(v - self.top) <= self.most)
        return (v - self.top) * self.radius * self.direction

    def Submit(self, i: int, v: int) -> None:
        allow(self.phase == 0 and self.w[i] == 0)
        self.x[i], self.w[i] = self.message(i, v), 1

    def Late(self, i: int, v: int) -> None:
        allow(self.phase == 1 and self.w[i] == 0 and self.late[i] is None)
        self.message(i, v)
        self.late[i] = v

    def Aggregate(self) -> None:
        allow(self.phase == 0 and (self.w > 0).sum() >= 2 * self.f + 1)
        self.mass = self.w.sum()
        x, w = self.counted()
        self.total = self.level(apply(self.clipped_mean, x, w)) * w.sum()
        # Every one present counts as one in the trim, however late.
        middle = self.level(apply(self.clipped_trim, self.x - self.centre, (self.w > 0).astype(np.float32)))
        steps = np.floor(self.level(self.centre) + middle + 1e-4)
        self.after = (steps * self.radius * self.direction).astype(np.float32)
        self.phase = 1

    def NextRound(self) -> None:
        allow(self.phase == 1)
        self.clear()
        self.centre = self.after
        for i, v in enumerate(self.late):
            if v is not None:
                self.x[i], self.w[i] = self.message(i, v), 0.5
        self.late = [None] * self.n

    def counted(self) -> tuple[np.ndarray, np.ndarray]:
        """Differences from the centre, and weights, as the clipped mean gets them."""
        return self.x - self.centre, self.w

    def level(self, vector: Any) -> float:
        """How many radii long, along the direction."""
        return float(np.asarray(vector) @ self.direction) / self.radius

    def abstraction(self) -> dict[str, Any]:
        x, w = self.counted()
        adds = np.asarray(alone(self.clipped_mean, x, w)) @ self.direction / self.radius * w
        return {
            "ph": self.phase,
            "mem": np.round(self.level(self.centre), 4),
            "kind": np.select([self.w == 1, self.w > 0], [1, 2], 0),
            "con": np.round(2 * adds, 4),
            "late": [0 if v is None else v + 1 for v in self.late],
            "num": np.round(2 * self.total, 4),
            "den": 2 * self.mass,
        }


class WeightBeforeClip(RunningRounds):
    """Mutant: what is stale is scaled down and clipped then, which leaves it its full reach."""

    def counted(self) -> tuple[np.ndarray, np.ndarray]:
        x, w = super().counted()
        return x * w[:, None], (w > 0).astype(np.float32)


class UntrimmedCentre(RunningRounds):
    """Mutant: the centre is the clipped mean."""

    def trimming(self) -> gj.aggregators.AbstractAggregator:
        return gj.aggregators.Mean()


def implementations() -> dict[str, Implementation]:
    """The rounds, with a weight in the wrong place and without the trim."""
    mutants = {"weight before clip": WeightBeforeClip, "untrimmed centre": UntrimmedCentre}
    return {"arithmetic": Implementation(RunningRounds, mutants)}
