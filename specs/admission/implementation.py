"""Admission and weights in floating point, under the project's own mean."""

import equinox as eqx
import numpy as np

import ghostjax as gj
from ghostjax.formal import Implementation


class Forbidden(Exception):
    """The implementation says no."""


def allow(condition):
    """Says no unless `condition`."""
    if not condition:
        raise Forbidden


mean = eqx.filter_jit(gj.aggregators.Mean())


class Registry:
    """Admission in floating point: stakes are amounts, and influence is what the mean makes of one-hot messages."""

    refuses = Forbidden
    cap = 1.0

    def __init__(self, state):
        slots, principals = len(state.owner), len(state.bud)
        self.owner: list[int | None] = [None] * slots
        self.status = ["free"] * slots
        self.stake, self.weight, self.counted = (np.zeros(slots, np.float32) for _ in range(3))
        self.messages = np.zeros((slots, principals), np.float32)
        self.money = state.bud.astype(np.float32)

    def Register(self, p, k):
        allow(self.status[k] == "free" and self.money[p] >= 1)
        self.owner[k], self.status[k], self.stake[k] = p, "pending", 1.0
        self.money[p] -= 1

    def Admit(self, k):
        allow(self.status[k] == "pending")
        self.status[k], self.weight[k] = "active", self.admitted(self.stake[k])

    def admitted(self, stake):
        return min(stake, self.cap)

    def TopUp(self, k):
        allow(self.status[k] == "active" and self.money[self.owner[k]] >= 1)
        self.money[self.owner[k]] -= 1
        self.stake[k] += 1

    def Contribute(self, k):
        allow(self.status[k] == "active" and self.counted[k] == 0)
        self.counted[k] = self.weight[k]
        self.messages[k] = np.eye(len(self.money))[self.owner[k]]

    def Exit(self, k):
        allow(self.status[k] == "active")
        self.status[k], self.weight[k] = "unbonding", 0.0

    def EndRound(self):
        for k, status in enumerate(self.status):
            if status == "unbonding":
                self.money[self.owner[k]] += self.stake[k]
                self.owner[k], self.status[k], self.stake[k] = None, "free", 0.0
        self.counted[:], self.messages[:] = 0, 0

    def abstraction(self):
        total = self.counted.sum()
        influence = np.asarray(mean(self.messages, self.counted)) * total
        names = ("free", "pending", "active", "unbonding")
        return {
            "owner": [0 if owner is None else owner for owner in self.owner],
            "st": [names.index(status) for status in self.status],
            "stake": self.stake,
            "w": self.weight,
            "bud": self.money,
            "infl": np.round(influence, 4),
            "used": self.counted > 0,
        }


class UncappedTopUp(Registry):
    """Mutant: a new stake counts in full."""

    def TopUp(self, k):
        super().TopUp(k)
        self.weight[k] = self.stake[k]


class LenientRegistry(Registry):
    """Mutant: whoever is pending may contribute."""

    def Contribute(self, k):
        allow(self.status[k] in ("active", "pending") and self.counted[k] == 0)
        self.counted[k] = max(self.weight[k], 1e-3)
        self.messages[k] = np.eye(len(self.money))[self.owner[k]]


def implementations() -> dict[str, Implementation]:
    """The registry, with a top-up that is not capped and one that lets the pending contribute."""
    return {
        "registry": Implementation(Registry, {"uncapped top-up": UncappedTopUp, "pending contributes": LenientRegistry})
    }
