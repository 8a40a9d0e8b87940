"""Bounded influence of the real arithmetic: rounds with identities that join, leave, split and collude.

Two worlds are run side by side. They differ only in what the identities of a coalition of principals send, and
everything else, honest messages included, is chosen by an adversary. The distance between the worlds is what the
coalition moved, and it must stay within the certificate that the rule states.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule as step, RuleBasedStateMachine

import ghostjax as gj
from ghostjax.aggregators import AbstractAggregator, Context


SLOTS, DIM, PRINCIPALS = 9, 2, 3
STAKE = 2.0
"""What a principal's first identity weighs; splitting shares it out."""
FAMILIES = ("near", "clusters", "huge", "equal")
SENT = ("far", "opposite", "middle", "inside", "silent")


@dataclasses.dataclass
class Found:
    """How much was tried, and how close the worst case came to its bound (1: attained)."""

    rounds: int = 0
    certified: int = 0
    per_round: float = 0.0
    cumulated: float = 0.0


class World:
    """One course of events: the rule's memory and the sum of all results."""

    def __init__(self, state: Any):
        self.state, self.total = state, np.zeros(DIM)


@eqx.filter_jit
def aggregate(rule: AbstractAggregator, state: Any, x: Any, w: Any) -> tuple[Any, Any]:
    """One round of a rule."""
    return rule.step(state, x, w, Context())


@eqx.filter_jit
def certificates(rule: AbstractAggregator, x: Any, w: Any, masks: Any) -> Any:
    """What the rule promises about each group of identities."""
    return jax.vmap(lambda mask: rule.certificate(x, w, mask))(masks)


def machine(rule: AbstractAggregator) -> type[RuleBasedStateMachine]:
    """The machine for one rule; its class keeps what it `found`.

    Claims, at every round: a principal p with identities G_p, however many, moves the result by at most
    `certificate(x, w, G_p)`; a coalition by at most the certificate of its union; where the certificate is
    unconditional, splitting an identity leaves it as it was. Over rounds t, with B_t the coalition's certificates:
    the sum of results moves by at most `sum_t B_t` for a rule without memory, and for a rule whose memory never
    expands differences, as centered clipping's, by at most `sum_t sum_{s <= t} B_s`.
    """
    with jax.enable_x64(True):
        start = rule.init(jax.ShapeDtypeStruct((SLOTS, DIM), jnp.float64))
    remembers = bool(jax.tree.leaves(start))

    class Influence(RuleBasedStateMachine):
        found = Found()

        def __init__(self) -> None:
            super().__init__()
            self.owner = np.full(SLOTS, -1)
            self.weight = np.zeros(SLOTS)
            self.coalition = {0}
            self.worlds = (World(start), World(start))
            self.carried = self.bound = 0.0

        def at(self, test: Any) -> list[int]:
            return [i for i in range(SLOTS) if test(i)]

        @initialize(present=st.integers(3, SLOTS))
        def begin(self, present: int) -> None:
            """Slot i goes to principal i mod 3, the last principal's identities standing for the honest crowd."""
            for i in range(present):
                self.owner[i], self.weight[i] = min(i, PRINCIPALS - 1), STAKE if i < PRINCIPALS else 1.0

        @precondition(lambda self: self.at(lambda i: self.owner[i] < 0))
        @step(principal=st.integers(0, PRINCIPALS - 1), weight=st.sampled_from([0.25, 1.0, 2.0]))
        def join(self, principal: int, weight: float) -> None:
            slot = self.at(lambda i: self.owner[i] < 0)[0]
            self.owner[slot], self.weight[slot] = principal, weight

        @precondition(lambda self: len(self.at(lambda i: self.owner[i] >= 0)) > 1)
        @step(data=st.data())
        def leave(self, data: Any) -> None:
            slot = data.draw(st.sampled_from(self.at(lambda i: self.owner[i] >= 0)))
            self.owner[slot], self.weight[slot] = -1, 0.0

        @precondition(lambda self: self.at(lambda i: self.owner[i] < 0) and self.at(lambda i: self.owner[i] >= 0))
        @step(data=st.data())
        def split(self, data: Any) -> None:
            slot = data.draw(st.sampled_from(self.at(lambda i: self.owner[i] >= 0)))
            twin = self.at(lambda i: self.owner[i] < 0)[0]
            before = self.promises(np.zeros((SLOTS, DIM)))
            self.weight[slot] /= 2
            self.owner[twin], self.weight[twin] = self.owner[slot], self.weight[slot]
            if rule.certificate_kind == "unconditional":
                after = self.promises(np.zeros((SLOTS, DIM)))
                assert np.allclose(before, after, rtol=1e-12), f"splitting changes the bound: {before} to {after}"

        @step(principal=st.integers(0, PRINCIPALS - 2))
        def collude(self, principal: int) -> None:
            """A principal joins the coalition, or leaves it."""
            self.coalition = (self.coalition ^ {principal}) or {0}

        @step(seed=st.integers(0, 2**16), family=st.sampled_from(FAMILIES), sent=st.sampled_from(SENT))
        def play(self, seed: int, family: str, sent: str) -> None:
            x, other = self.messages(np.random.default_rng(seed), family, sent)
            said = self.promises(x)
            with jax.enable_x64(True):
                for p, promise in enumerate(said):
                    self.within(x, np.where((self.owner == p)[:, None], other, x), promise, f"principal {p}")
                results = []
                for world, rows in zip(self.worlds, (x, np.where(self.mask[:, None], other, x)), strict=True):
                    world.state, y = aggregate(rule, world.state, jnp.asarray(rows), jnp.asarray(self.weight))
                    world.total = world.total + np.asarray(y)
                    results.append(np.asarray(y))
            self.accumulate(float(self.promises(x, union=True)[0]), np.abs(x).max() + np.abs(other).max())

        @property
        def mask(self) -> np.ndarray:
            return np.isin(self.owner, sorted(self.coalition))

        def promises(self, x: np.ndarray, union: bool = False) -> np.ndarray:
            masks = np.stack([self.mask] if union else [self.owner == p for p in range(PRINCIPALS)])
            with jax.enable_x64(True):
                said = certificates(rule, jnp.asarray(x), jnp.asarray(self.weight), jnp.asarray(masks))
            return np.asarray(said)

        def within(self, x: np.ndarray, other: np.ndarray, promise: float, who: str) -> None:
            """One round from the same memory: the result moves by at most what is promised."""
            found, state = type(self).found, self.worlds[0].state
            w = jnp.asarray(self.weight)
            moved = aggregate(rule, state, jnp.asarray(x), w)[1] - aggregate(rule, state, jnp.asarray(other), w)[1]
            distance, scale = float(np.linalg.norm(moved)), np.abs(x).max() + np.abs(other).max()
            found.rounds += 1
            if not np.isfinite(promise):
                return
            found.certified += 1
            if promise > 0:
                found.per_round = max(found.per_round, distance / promise)
            assert distance <= promise * (1 + 1e-9) + 1e-12 * scale, (
                f"{type(rule).__name__}: {who} moved the result by {distance:.6g}, certified are {promise:.6g}"
            )

        def accumulate(self, promise: float, scale: float) -> None:
            """All rounds so far: the worlds are as far apart as the certificates add up to, at most."""
            self.carried = self.carried + promise if remembers else promise
            self.bound += self.carried
            distance = float(np.linalg.norm(self.worlds[0].total - self.worlds[1].total))
            if not np.isfinite(self.bound):
                return
            if self.bound > 0:
                type(self).found.cumulated = max(type(self).found.cumulated, distance / self.bound)
            assert distance <= self.bound * (1 + 1e-9) + 1e-9 * scale, (
                f"{type(rule).__name__}: {sorted(self.coalition)} moved the sum of results by {distance:.6g} "
                f"in all, certified are {self.bound:.6g}"
            )

        def messages(self, rng: Any, family: str, sent: str) -> tuple[np.ndarray, np.ndarray]:
            """What everybody sends in the first world, and what whoever deviates sends in the second."""
            x = rng.normal(size=(SLOTS, DIM))
            if family == "clusters":
                x += 1e3 * np.where(np.arange(SLOTS) % 2, 1.0, -1.0)[:, None]
            elif family == "huge":
                x *= 10.0 ** rng.integers(-3, 6, (SLOTS, 1))
            elif family == "equal":
                x = np.broadcast_to(x[:1], x.shape).copy()
            direction = rng.normal(size=DIM)
            far = 10.0 ** rng.integers(0, 6) * direction / np.linalg.norm(direction)
            other = {
                "far": np.broadcast_to(far, x.shape),
                "opposite": -x,
                "middle": np.broadcast_to(np.median(x, 0), x.shape),
                "inside": x[rng.permutation(SLOTS)],
                "silent": np.zeros_like(x),
            }[sent]
            if sent == "far":
                x = np.where(self.mask[:, None], -far, x)
            return x, other

    Influence.__name__ = f"Influence_{type(rule).__name__}"
    return Influence


def rules() -> dict[str, AbstractAggregator]:
    """The rules whose certificates are held against the machine."""
    return {
        "clipped mean": gj.aggregators.Clipping(gj.aggregators.Mean(), c=1.5),
        "centered clipping": gj.aggregators.CenteredClipping(tau=0.7),
        "centered clipping, 3 steps": gj.aggregators.CenteredClipping(tau=0.7, steps=3),
        "trimmed mean": gj.aggregators.TrimmedMean(share=0.3),
    }
