"""A problem small enough to compile in a moment, with state in every stage that can have one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import ghostjax as gj
from ghostjax._run import checkpoint_status, CheckpointStatus


class Points(gj.tasks.AbstractTask):
    """Each node pulls towards its own point, noisily."""

    points: jax.Array

    @property
    def num_nodes(self):
        return self.points.shape[0]

    def init(self, key):
        return {"at": jax.random.normal(key, (self.points.shape[1],))}

    def sample(self, key):
        return self.points + jax.random.normal(key, self.points.shape)

    def loss(self, params, batch, key):
        del key
        return 0.5 * ((params["at"] - batch) ** 2).sum()

    def evaluate(self, params):
        return {"loss": ((params["at"] - self.points.mean(0)) ** 2).sum()}


class PerNode(gj.metrics.AbstractMetric):
    """The norm of each message, and how many there are."""

    dims = {"norm": ("node",)}

    def __call__(self, round):
        return {"norm": jnp.linalg.norm(round.messages, axis=1), "count": (round.weights > 0).sum()}


TRACES = []


class Traced(gj.metrics.AbstractMetric):
    """Notes every trace of a round."""

    def __call__(self, round):
        TRACES.append(type(round.task).__name__)
        return {}


def simulation(f=1.0, lr=0.1, *, n=6, d=5, beta=0.9, metrics=(), rule=None, attack=None, byzantine=1):
    rule = gj.aggregators.TrimmedMean(f=f) if rule is None else rule
    points = jnp.arange(n * d, dtype=jnp.result_type(float)).reshape(n, d) / 7
    return gj.Simulation(
        Points(points),
        gj.protocols.Server(rule, gj.Optimizer(optax.sgd, learning_rate=lr, momentum=0.5)),
        learner=gj.learners.Momentum(beta=beta),
        attack=(gj.attacks.ALIE(z=1.5) if byzantine else None) if attack is None else attack,
        byzantine=byzantine,
        metrics=(gj.metrics.Goal(), PerNode(), *metrics),
    )


def checkpoint(directory) -> CheckpointStatus:
    """The newest usable checkpoint, where there has to be one."""
    found = checkpoint_status(directory)
    assert found is not None, f"{directory} holds no checkpoint"
    return found


def same(a, b):
    """Asserts that two runs have equal bits."""
    assert a.record.keys() == b.record.keys()
    for name in a.record:
        np.testing.assert_array_equal(a.record[name], b.record[name], err_msg=name)
    for x, y in zip(jax.tree.leaves(a.state), jax.tree.leaves(b.state), strict=True):
        np.testing.assert_array_equal(x, y)
