"""A small training whose every weight matters: digits, 8 nodes of 12 examples each, an MLP 64-8-10 with tanh."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import ghostjax as gj


NODES, ROUNDS, HELD = 8, 9, 12


class Split(gj.tasks.AbstractTask):
    """Examples `[n, m, 64]` in the hands of n nodes, which see `batch` of them at a time, or all of them."""

    x: jax.Array
    y: jax.Array
    test: tuple
    batch: int | None = eqx.field(static=True, default=6)

    @property
    def num_nodes(self):
        return self.x.shape[0]

    def init(self, key):
        return gj.tasks.models.MLP((64, 8, 10), activation=jnp.tanh).init(key)

    def sample(self, key):
        if self.batch is None:
            return self.x, self.y
        slots = jax.random.randint(key, (self.num_nodes, self.batch), 0, self.x.shape[1])
        return jnp.take_along_axis(self.x, slots[:, :, None], 1), jnp.take_along_axis(self.y, slots, 1)

    def loss(self, params, batch, key):
        outputs = gj.tasks.models.MLP((64, 8, 10), activation=jnp.tanh).apply(params, batch[0], key)
        return optax.softmax_cross_entropy_with_integer_labels(outputs, batch[1]).mean()

    def evaluate(self, params):
        return {"loss": self.loss(params, self.test, None)}


def build(rule=None, *, noisy=(0, 1), held=None, batch=6, attack=None, byzantine=0, protocol=None):
    """The simulation; nodes in `noisy` have random labels, row i of `held` lists node i's examples."""
    splits = gj.tasks.load_digits()
    assert splits.train is not None and splits.validation is not None
    (x, y), (goal_x, goal_y) = splits.train, splits.validation
    rng = np.random.default_rng(0)
    held = rng.choice(len(x), size=(NODES, HELD), replace=False) if held is None else held
    labels = y[held]
    for i in noisy:
        labels[i] = rng.integers(0, 10, HELD)
    centred = lambda images: jnp.asarray(images, jnp.result_type(float)) - 0.3
    task = Split(centred(x[held]), jnp.asarray(labels), (centred(goal_x[:200]), jnp.asarray(goal_y[:200])), batch)
    if protocol is None:
        rule = gj.aggregators.Mean() if rule is None else rule
        protocol = gj.protocols.Server(rule, gj.Optimizer(optax.sgd, learning_rate=0.5))
    return gj.Simulation(
        task, protocol, learner=gj.learners.Momentum(0.9), attack=attack, byzantine=byzantine, metrics=()
    )
