"""Bounded influence of the real arithmetic: rounds with identities that join, leave, split and collude.

Two worlds are run side by side. They differ only in what the identities of a coalition of principals send, and
everything else, honest messages included, is chosen by an adversary. The distance between the worlds is what the
coalition moved, and it must stay within the certificate that the rule states.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule as step, RuleBasedStateMachine

import ghostjax as gj
from ghostjax.aggregators import AbstractAggregator, Context
from ghostjax.formal import RandomMachine


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


@eqx.filter_jit
def both_worlds(rule: AbstractAggregator, states: Any, x: Any, other: Any, w: Any, masks: Any, key: Any) -> Any:
    """One round. The last of `masks` is the coalition, the others are principals: per principal how far it moves the
    result alone; per world the next memory and the result."""
    context = Context(key=key, anchor=jnp.zeros(x.shape[1], x.dtype))
    # Lanes of one program: the first world, with each principal deviating alone, and the second world.
    swapped = jnp.where(masks[:, :, None], other[None], x[None])
    lanes = jnp.concatenate([x[None], swapped])
    memory = jax.tree.map(lambda a, b: jnp.stack([a] * len(masks) + [b]), *states)
    after, y = jax.vmap(lambda state, rows: rule.step(state, rows, w, context))(memory, lanes)
    moved = jnp.linalg.norm(y[1:-1] - y[:1], axis=1)
    return moved, tuple((jax.tree.map(lambda leaf, i=i: leaf[i], after), y[i]) for i in (0, -1))


@eqx.filter_jit
def certificates(rule: Any, x: Any, w: Any, masks: Any) -> Any:
    """What the rule promises about each group of identities."""
    return jax.vmap(lambda mask: rule.certificate(x, w, mask))(masks)


def machine(rule: AbstractAggregator, claims: Any = None) -> type[RuleBasedStateMachine]:
    """The machine for one rule under its certificate, or under that of `claims`; its class keeps what it `found`.

    Claims, at every round: a principal p with identities G_p, however many, moves the result by at most
    `certificate(x, w, G_p)`; a coalition by at most the certificate of its union; where the certificate is
    unconditional, splitting an identity leaves it as it was. Over rounds t, with B_t the coalition's certificates:
    the sum of results moves by at most `sum_t B_t` for a rule without memory, and for a rule whose memory never
    expands differences, as centered clipping's, by at most `sum_t sum_{s <= t} B_s`.
    """
    with jax.enable_x64(True):
        like = jax.ShapeDtypeStruct((SLOTS, DIM), jnp.float64)
        start, claims = rule.init(like), rule if claims is None else claims
        remembers = bool(jax.tree.leaves(claims.init(like)))

    class Influence(RuleBasedStateMachine):
        found = Found()

        def __init__(self) -> None:
            super().__init__()
            self.owner = np.full(SLOTS, -1)
            self.weight = np.zeros(SLOTS)
            self.alike = True
            self.coalition = {0}
            self.states: Any = (start, start)
            self.totals = np.zeros((2, DIM))
            self.carried = self.bound = 0.0

        def at(self, test: Any) -> list[int]:
            return [i for i in range(SLOTS) if test(i)]

        @initialize(present=st.integers(3, SLOTS), alike=st.booleans())
        def begin(self, present: int, alike: bool) -> None:
            """A slot for each principal, and the rest for the last, whose identities stand for the honest crowd.

            In some runs every identity weighs the same all along: there are rules that promise something only then.
            """
            self.alike = alike
            for i in range(present):
                self.owner[i] = min(i, PRINCIPALS - 1)
                self.weight[i] = STAKE if i < PRINCIPALS and not alike else 1.0

        @precondition(lambda self: self.at(lambda i: self.owner[i] < 0))
        @step(principal=st.integers(0, PRINCIPALS - 1), weight=st.sampled_from([0.25, 1.0, 2.0]))
        def join(self, principal: int, weight: float) -> None:
            slot = self.at(lambda i: self.owner[i] < 0)[0]
            self.owner[slot], self.weight[slot] = principal, 1.0 if self.alike else weight

        @precondition(lambda self: len(self.at(lambda i: self.owner[i] >= 0)) > 1)
        @step(data=st.data())
        def leave(self, data: Any) -> None:
            slot = data.draw(st.sampled_from(self.at(lambda i: self.owner[i] >= 0)))
            self.owner[slot], self.weight[slot] = -1, 0.0

        @precondition(lambda self: not self.alike)
        @precondition(lambda self: self.at(lambda i: self.owner[i] < 0) and self.at(lambda i: self.owner[i] >= 0))
        @step(data=st.data())
        def split(self, data: Any) -> None:
            slot = data.draw(st.sampled_from(self.at(lambda i: self.owner[i] >= 0)))
            twin = self.at(lambda i: self.owner[i] < 0)[0]
            nothing = np.zeros((SLOTS, DIM))
            before = self.promises(nothing) if claims.certificate_kind == "unconditional" else None
            self.weight[slot] /= 2
            self.owner[twin], self.weight[twin] = self.owner[slot], self.weight[slot]
            if before is not None:
                after = self.promises(nothing)
                assert np.allclose(before, after, rtol=1e-12), f"splitting changes the bound: {before} to {after}"

        @step(principal=st.integers(0, PRINCIPALS - 2))
        def collude(self, principal: int) -> None:
            """A principal joins the coalition, or leaves it."""
            self.coalition = (self.coalition ^ {principal}) or {0}

        @step(seed=st.integers(0, 2**16), family=st.sampled_from(FAMILIES), sent=st.sampled_from(SENT))
        def play(self, seed: int, family: str, sent: str) -> None:
            x, other = self.messages(np.random.default_rng(seed), family, sent)
            said = self.promises(x).tolist()
            with jax.enable_x64(True):
                rows, sender, w = jnp.asarray(x), jnp.asarray(other), jnp.asarray(self.weight)
                groups = jnp.asarray(self.groups)
                moved, worlds = both_worlds(rule, self.states, rows, sender, w, groups, jax.random.key(seed))
                self.states = tuple(state for state, _ in worlds)
            self.totals += np.stack([np.asarray(y) for _, y in worlds])
            scale = np.abs(x).max() + np.abs(other).max()
            for p, (distance, promise) in enumerate(zip(moved.tolist(), said[:-1], strict=True)):
                self.within(distance, promise, scale, f"principal {p}")
            self.accumulate(said[-1], scale)

        @property
        def mask(self) -> np.ndarray:
            return np.isin(self.owner, sorted(self.coalition))

        @property
        def groups(self) -> np.ndarray:
            """The identities of each principal, and of the coalition."""
            return np.stack([*(self.owner == p for p in range(PRINCIPALS)), self.mask])

        def promises(self, x: np.ndarray) -> np.ndarray:
            """The certificates of all groups."""
            with jax.enable_x64(True):
                rows, w, groups = jnp.asarray(x), jnp.asarray(self.weight), jnp.asarray(self.groups)
                return np.asarray(certificates(claims, rows, w, groups))

        def within(self, distance: float, promise: float, scale: float, who: str) -> None:
            """One round from the same memory: the result moves by at most what is promised."""
            found = type(self).found
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
            distance = float(np.linalg.norm(self.totals[0] - self.totals[1]))
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


class MedianStarted(AbstractAggregator):
    """Mutant: centered clipping from the coordinate median of its own inputs, as in published code."""

    rule: gj.aggregators.CenteredClipping

    def init(self, like: Any) -> Any:
        return self.rule.init(like)

    def step(self, state: Any, x: Any, w: Any, ctx: Context) -> Any:
        middle = gj.aggregators.Median().step((), x, w, ctx)[1]
        _, y = self.rule.step(middle, x, w, ctx)
        return state, y

    @property
    def guarantee(self) -> Any:
        return self.rule.guarantee


class PerIdentity(eqx.Module):
    """Broken certificate: a bound per identity instead of per stake grows when an identity is split."""

    rule: gj.aggregators.Clipping
    certificate_kind: ClassVar[str] = "unconditional"

    def init(self, like: Any) -> Any:
        """The rule's memory."""
        return self.rule.init(like)

    def certificate(self, x: Any, w: Any, principal: Any) -> Any:
        """Twice the radius, times the principal's share of the identities."""
        count = lambda mask: mask.sum().astype(x.dtype)
        share = count(principal & (w > 0)) / jnp.maximum(count(w > 0), 1)
        return 2 * self.rule.c.astype(x.dtype) * share


def made(kind: Any, *parts: Any, **knobs: Any) -> Any:
    """A rule with knobs given as numbers."""
    return kind(*parts, **knobs)


def examples(kind: type[AbstractAggregator]) -> Iterator[tuple[str, AbstractAggregator]]:
    """Rules of one kind at knobs where their certificates say something.

    A new kind gets its defaults, but a wrapper is held around the trimmed mean, and whatever assumes a Byzantine
    share assumes 0.3.
    """
    rules, knobs = gj.aggregators, {field.name for field in dataclasses.fields(kind)}
    if kind is rules.CenteredClipping:
        yield "centered clipping", made(kind, tau=0.7)
        yield "centered clipping, 3 steps", made(kind, tau=0.7, steps=3)
    elif kind is rules.Clipping:
        yield "clipped mean", made(kind, rules.Mean(), c=1.5)
        yield "clipped trimmed mean", made(kind, made(rules.TrimmedMean, share=0.3), c=1.5)
    else:
        trimmed = {"share": 0.3} if "share" in knobs else {}
        around = {"rule": made(rules.TrimmedMean, share=0.3)} if "rule" in knobs else {}
        yield kind.__name__, made(kind, **around, **trimmed)


def rules() -> dict[str, AbstractAggregator]:
    """Every rule of the project that states a certificate: whoever adds one is held to it here."""
    kinds = [one for one in vars(gj.aggregators).values() if isinstance(one, type)]
    concrete = [one for one in kinds if issubclass(one, AbstractAggregator) and not one.__abstractmethods__]
    found = {name: rule for kind in concrete for name, rule in examples(kind)}
    return {name: rule for name, rule in found.items() if rule.certificate_kind != "none"}


def broken() -> dict[str, dict[str, type[RuleBasedStateMachine]]]:
    """Mutants of some rules that break their certificates in their own ways."""
    known, share = rules(), made(gj.aggregators.TrimmedMean, share=0.2)
    clipped, centered, trimmed = (known[name] for name in ("clipped mean", "centered clipping", "TrimmedMean"))
    return {
        "clipped mean": {"certificate per identity": machine(clipped, made(PerIdentity, clipped))},
        "centered clipping": {"started at the median": machine(made(MedianStarted, centered), centered)},
        "TrimmedMean": {"trimmed too little": machine(share, trimmed)},
    }


TIGHT = {"clipped mean": 0.6, "centered clipping": 0.6, "centered clipping, 3 steps": 0.6, "TrimmedMean": 0.6}
"""How close to its bound the worst case found must come, at least: a bound that nothing comes near proves little."""


def machines() -> dict[str, RandomMachine]:
    """A machine per rule, each with a mutant that takes the mean under the rule's certificate."""
    own = broken()

    def offered(name: str, rule: AbstractAggregator) -> RandomMachine:
        mutants = {"mean": machine(gj.aggregators.Mean(), rule), **own.get(name, {})}

        def enough(played: Any) -> str | None:
            found, near = played.found, TIGHT.get(name, 0.0)
            everywhere = found.certified == found.rounds or rule.certificate_kind != "unconditional"
            if found.certified and everywhere and found.per_round > near and found.cumulated <= 1 + 1e-9:
                return None
            return f"{name}: certified too rarely, or its bound is nowhere near: {found}"

        return RandomMachine(machine(rule), mutants, enough)

    return {name: offered(name, rule) for name, rule in rules().items()}
