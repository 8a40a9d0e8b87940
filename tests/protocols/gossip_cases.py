"""Rules, graphs and participations for the tests of gossip, and its definition: one receiver after the other."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._round import Received
from ghostjax.aggregators import (
    AbstractAggregator,
    AbstractGeometricRule,
    Bucketing,
    CenteredClipping,
    Context,
    GeometricMedian,
    Krum,
    Mean,
    Median,
    MultiKrum,
    NNM,
    TrimmedMean,
)
from ghostjax.attacks import AbstractMessageAttack, Sent
from ghostjax.topologies import complete, erdos_renyi, exponential, ring, star


D = 6


class Nearest(AbstractGeometricRule):
    """Row of the smallest weighted sum of distances: a geometric rule with nothing hidden in a kernel."""

    def coefficients(self, dist2, w):
        assert dist2 is not None
        score = jnp.where(w > 0, jnp.where((w > 0)[None, :], dist2 * w[None, :], 0).sum(1), jnp.inf)
        return (jnp.arange(w.shape[0]) == score.argmin()).astype(w.dtype)


class Everything(AbstractAggregator):
    """Mean of noisy rows, own row and a memory per slot: a general rule that uses all a receiver has."""

    needs: ClassVar[frozenset] = frozenset({"key", "anchor"})

    def init(self, like):
        return jnp.zeros(like.shape, like.dtype), jnp.zeros((), jnp.int32)

    def step(self, state, x, w, ctx):
        assert ctx.anchor is not None
        memory, count = state
        noise = jax.random.normal(ctx.key, (), x.dtype)
        memory = jnp.where((w > 0)[:, None], memory + x, memory)
        mean = jnp.where(w.sum() > 0, w / jnp.where(w.sum() > 0, w.sum(), 1), 0) @ memory
        return (memory, count + 1), mean + ctx.anchor + noise


class Told(AbstractMessageAttack):
    """Tells each receiver minus its own model."""

    per_receiver: ClassVar[bool] = True

    def init(self, like):
        return ()

    def corrupt(self, state, view):
        return state, Sent(view.messages, -view.messages)


RULES = {"mean": Mean(), "trimmed_mean": TrimmedMean(f=1), "nearest": Nearest(), "everything": Everything()}
SHIPPED = {
    "median": Median(),
    "krum": Krum(f=1),
    "multi_krum": MultiKrum(f=1),
    "geometric_median": GeometricMedian(),
    "clipping_around_memory": CenteredClipping(tau=1.0),
    "clipping_around_own": CenteredClipping(tau=1.0, centre="anchor"),
    "nnm": NNM(TrimmedMean(f=1), f=1),
    "bucketing": Bucketing(Median()),
    "nnm_krum": NNM(Krum(f=1), f=1),
}
GRAPHS = {
    "sparse": ring(40, 4),  # few enough neighbours for the sum over slots
    "irregular": erdos_renyi(9, 0.5, seed=2),
    "directed": exponential(9),
    "complete": complete(9),
    "star": star(9),
}
WEIGHTS = {
    "all": lambda n: np.ones(n),
    "some": lambda n: (np.arange(n) % 3 != 1).astype(float),
    "real": lambda n: np.random.default_rng(1).uniform(0.2, 1.5, n) * (np.arange(n) != 2),
}
KEY = jax.random.key(5)


def messages(n, seed=0):
    return jax.random.normal(jax.random.key(seed), (n, D))


def start(protocol, x):
    return protocol.init(x[0], x.shape[0])._replace(theta=x)


@eqx.filter_jit
def definition(protocol, x, by_receiver, byzantine, w):
    """One receiver after the other, on the rows that it hears."""
    graph, rule, n = protocol.topology, protocol.aggregator, x.shape[0]

    def receiver(i):
        nbr, mask = graph.nbr[i], graph.mask[i]
        rows, weights = x[nbr], graph.weights[i] * mask.sum().astype(x.dtype) * w[nbr]
        if by_receiver is not None:
            rows = jnp.where((byzantine[nbr] & (nbr != i))[:, None], by_receiver[i][None, :], rows)
        heard = mask & jnp.isfinite(rows).all(1)
        rows, weights = jnp.where(heard[:, None], rows, 0), jnp.where(heard, weights, 0)
        ctx = Context(key=jax.random.fold_in(KEY, i), anchor=x[i])
        y = rule.step(rule.init(rows), rows, weights, ctx)[1]
        return jnp.where((w[i] > 0) & (weights.sum() > 0), y, x[i])

    return jax.lax.map(receiver, jnp.arange(n))


def received(x, w, byzantine=None, by_receiver=None, own=None):
    """Rows `x` arrive, from Byzantine identities the vectors `by_receiver`; `own` are the models of the nodes."""
    nobody = jnp.zeros(x.shape[0], bool)
    byzantine = nobody if byzantine is None else byzantine
    deviates = nobody if own is None else byzantine & (x != own).any(1)
    return Received(x, w, jnp.zeros_like(w), deviates, None, by_receiver, byzantine)


def aggregate(protocol, x, by_receiver, byzantine, w):
    return protocol.receive(start(protocol, x), received(x, w, byzantine, by_receiver), KEY)[1]


run = eqx.filter_jit(aggregate)
step = eqx.filter_jit(
    lambda protocol, state, x, byzantine, w: protocol.receive(state, received(x, w, byzantine, own=state.theta), KEY)
)
send = eqx.filter_jit(lambda protocol, state, updates: protocol.send(state, updates))


def check_is_the_definition(protocol, w, *, by_receiver=None, byzantine=None, atol=2e-5, run=run):
    n = protocol.topology.num_nodes
    x = messages(n)
    byzantine = jnp.zeros(n, bool) if byzantine is None else jnp.asarray(byzantine)
    w = jnp.asarray(w, x.dtype)
    expected = definition(protocol, x, by_receiver, byzantine, w)
    np.testing.assert_allclose(run(protocol, x, by_receiver, byzantine, w), expected, rtol=atol, atol=atol)
