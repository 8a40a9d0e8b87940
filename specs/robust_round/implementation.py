"""Clipped and robust aggregation by the project's own rules, and recorded rounds of its simulator."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import equinox as eqx
import numpy as np
import optax
from spec import Bounds, spec

import ghostjax as gj
from ghostjax.formal import Event, events, Implementation, Phases, Recording


class Forbidden(Exception):
    """The implementation says no."""


def allow(condition):
    """Says no unless `condition`."""
    if not condition:
        raise Forbidden


class ArithmeticRound:
    """A robust round in floating point: messages along one direction, clipped and trimmed by the project's own rules.

    A message of level v has norm v c. What the specification calls `val` is the level of the clipped norm plus
    one, `lo` the clipped norms summed (the clipped mean times the weight present), `hi` the level of the trimmed
    mean: with levels 0 and 1 it is positive exactly if the upper survivor is.
    """

    refuses = Forbidden
    radius = 0.75
    direction = np.array([0.6, 0.0, 0.8], np.float32)

    def __init__(self, state, byzantine=1, cap=1):
        self.n, self.honest, self.cap = len(state.val), len(state.val) - byzantine, cap
        self.sum_rule = gj.aggregators.Clipping(gj.aggregators.Mean(), c=self.radius * cap)
        self.trim_rule = gj.aggregators.Clipping(self.trimming(byzantine), c=self.radius * cap)
        self.quorum = 2 * byzantine + 1
        self.clear()

    def trimming(self, byzantine):
        return gj.aggregators.TrimmedMean(f=byzantine)

    def clear(self):
        self.phase, self.total, self.survivor = 0, 0, 0
        self.x = np.zeros((self.n, 3), np.float32)
        self.w = np.zeros(self.n, np.float32)

    def Submit(self, i, v):
        allow(self.phase == 0 and self.w[i] == 0 and (i >= self.honest or v <= self.cap))
        self.x[i], self.w[i] = v * self.radius * self.direction, 1

    def Aggregate(self):
        allow(self.phase == 0 and self.w.sum() >= self.quorum)
        self.total = self.level(np.asarray(apply(self.sum_rule, self.x, self.w)) * self.w.sum())
        self.phase = 1

    def Trim(self):
        allow(self.phase == 1)
        self.survivor = self.level(apply(self.trim_rule, self.x, self.w))
        self.phase = 2

    def NextRound(self):
        allow(self.phase == 2)
        self.clear()

    def level(self, vector):
        """The smallest whole number of radii that holds the vector, but for rounding."""
        return int(np.ceil(np.linalg.norm(vector) / self.radius - 1e-5))

    def abstraction(self):
        each = np.minimum(np.linalg.norm(self.x, axis=1), self.radius * self.cap)
        val = [self.level(each[i : i + 1]) + 1 if self.w[i] else 0 for i in range(self.n)]
        return {"ph": self.phase, "val": val, "cnt": self.w, "lo": self.total, "hi": self.survivor, "n": self.w.sum()}


class UntrimmedRound(ArithmeticRound):
    """Mutant: the mean where the trimmed mean belongs."""

    def trimming(self, byzantine):
        return gj.aggregators.Mean()


@eqx.filter_jit
def apply(rule, x, w):
    return rule(x, w)


def implementations() -> dict[str, Implementation]:
    """The round as it is, with a mutant that does not trim, and at a size that cannot be explored: 10^8 states."""
    large = spec(Bounds(nodes=12, byzantine=3))
    return {
        "arithmetic": Implementation(ArithmeticRound, {"untrimmed": UntrimmedRound}),
        "twelve nodes": Implementation(partial(ArithmeticRound, byzantine=3), spec=large),
    }


ROUNDS, SEEDS, RADIUS = 6, 5, 4.0


def simulation(rule: gj.aggregators.AbstractAggregator) -> gj.Simulation:
    """Three honest nodes and one that shouts."""
    return gj.Simulation(
        gj.tasks.quadratic(4, 3, seed=1, noise=0.1),
        gj.protocols.Server(rule, gj.Optimizer(optax.sgd, learning_rate=0.2)),
        attack=gj.attacks.Constant(value=30.0),
        byzantine=[False, False, False, True],
        metrics=[gj.metrics.Goal(), Phases(c=RADIUS)],
    )


def recorded(rule: gj.aggregators.AbstractAggregator, seeds: int, present: np.ndarray) -> list[list[Event]]:
    """The events of a sweep over seeds."""
    data = gj.sweep(simulation(rule), {}, len(present), seeds=seeds, participation=present, progress=None).dataset
    parts: list[Mapping[str, Any]] = [data.isel(seed=i) for i in range(seeds)]
    return [events(part) for part in parts]


def traces() -> dict[str, Recording]:
    """Runs in which now and then a node is absent; a run under the plain mean, and one without a quorum, must fail."""
    robust = gj.aggregators.Clipping(gj.aggregators.TrimmedMean(f=1), c=RADIUS)
    everybody = np.ones((ROUNDS, 4), np.float32)
    gaps, too_few = everybody.copy(), everybody.copy()
    gaps[2, 1] = gaps[4, 3] = 0
    too_few[1, :2] = 0
    return {
        "simulated": Recording(
            record=lambda: recorded(robust, SEEDS, gaps),
            mutants={
                "plain mean": lambda: recorded(gj.aggregators.Mean(), 1, everybody)[0],
                "no quorum": lambda: recorded(robust, 1, too_few)[0],
            },
            end=lambda s: s.ph == 0,
            rounds=ROUNDS,
        )
    }
