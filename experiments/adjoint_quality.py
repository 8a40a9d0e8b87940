"""How well one backward pass predicts exact removals: the adjoint against leave-one-out and random masks.

48 nodes with 20 digits each (Dirichlet 0.5 class mix per node), 8 of them with four labels in five replaced, an
MLP 64-32-10 with tanh, node momentum 0.9, learning rate 0.5, batches of 10, 60 rounds; the outcome is the
cross entropy on 247 held-out digits. Prints, per rule, the rank correlation of adjoint and exact scores, the
linear datamodelling score (LDS) on random masks beside that of the exact scores, and the factor by which true
effects exceed predicted ones, raw and calibrated.

    python experiments/adjoint_quality.py [--quick] [--rules mean,trimmed_mean,...]
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import ghostjax as gj


NODES, HELD, NOISY = 48, 20, 8


class OwnDigits(gj.tasks.AbstractTask):
    """Digits `[n, m, 64]` in the hands of n nodes, who draw `batch` of them with replacement."""

    x: jax.Array
    y: jax.Array
    test: tuple
    model: gj.tasks.models.AbstractModel
    batch: int = eqx.field(static=True, default=10)

    @property
    def num_nodes(self):
        return self.x.shape[0]

    def init(self, key):
        return self.model.init(key)

    def sample(self, key):
        slots = jax.random.randint(key, (self.num_nodes, self.batch), 0, self.x.shape[1])
        return jnp.take_along_axis(self.x, slots[:, :, None], 1), jnp.take_along_axis(self.y, slots, 1)

    def loss(self, params, batch, key):
        outputs = self.model.apply(params, batch[0], key)
        return optax.softmax_cross_entropy_with_integer_labels(outputs, batch[1]).mean()

    def evaluate(self, params):
        outputs = self.model.apply(params, self.test[0], None)
        return {
            "loss": optax.softmax_cross_entropy_with_integer_labels(outputs, self.test[1]).mean(),
            "accuracy": (outputs.argmax(-1) == self.test[1]).mean(dtype=outputs.dtype),
        }


def task(nodes: int = NODES, seed: int = 0, activation=jnp.tanh) -> OwnDigits:
    """The task; the first `NOISY` nodes hold replaced labels."""
    splits = gj.tasks.load_digits(seed=seed)
    assert splits.train is not None and splits.validation is not None
    (x, y), (goal_x, goal_y) = splits.train, splits.validation
    x, goal_x = x - 0.3, goal_x - 0.3
    rng = np.random.default_rng(seed)
    by_class = [np.flatnonzero(y == label) for label in range(10)]
    mix = rng.dirichlet(np.full(10, 0.5), size=nodes)
    held = np.stack([[rng.choice(by_class[c]) for c in rng.choice(10, HELD, p=row)] for row in mix])
    labels = y[held]
    replaced = rng.uniform(size=(NOISY, HELD)) < 0.8
    labels[:NOISY] = np.where(replaced, rng.integers(0, 10, replaced.shape), labels[:NOISY])
    model = gj.tasks.models.MLP((64, 32, 10), activation=activation)
    return OwnDigits(jnp.asarray(x[held]), jnp.asarray(labels), (jnp.asarray(goal_x), jnp.asarray(goal_y)), model)


def rules() -> dict[str, gj.aggregators.AbstractAggregator]:
    """The rules under study, all of which have a derivative."""
    found = gj.aggregators
    return {
        "mean": found.Mean(),
        "trimmed_mean": found.TrimmedMean(f=5),
        "centered_clipping": found.CenteredClipping(tau=0.3, steps=3),
        "geometric_median": found.GeometricMedian(),
    }


def simulation(rule, *, nodes: int = NODES, activation=jnp.tanh, metrics=()) -> gj.Simulation:
    """The training of the module's docstring under `rule`."""
    protocol = gj.protocols.Server(rule, gj.Optimizer(optax.sgd, learning_rate=0.5))
    learner = gj.learners.Momentum(0.9)
    return gj.Simulation(task(nodes, activation=activation), protocol, learner=learner, metrics=metrics)


def slope(predicted, exact) -> float:
    """The least-squares factor from predicted to exact effects."""
    return float(predicted @ exact / (predicted @ predicted))


def study(name: str, rule, *, rounds: int, masks: int) -> float:
    """Prints the agreement under one rule and returns the Spearman correlation with exact leave-one-out."""
    attribution = gj.attribution
    sim, key = simulation(rule, activation=jnp.tanh), jax.random.key(0)
    start = time.process_time()
    adjoint = attribution.adjoint(sim, rounds, key, probes=0)
    middle = time.process_time()
    exact = attribution.leave_one_out(sim, rounds, key, batch_size=8)
    end = time.process_time()
    agreement = attribution.spearman(adjoint.scores, exact.scores)
    marked = np.arange(NODES) < NOISY
    auc = (adjoint.scores[marked][:, None] < adjoint.scores[~marked][None, :]).mean()
    print(
        f"{name}: J {exact.outcome:.3f}; Spearman {agreement:.3f}, "
        f"Pearson {attribution.pearson(adjoint.scores, exact.scores):.3f}, "
        f"slope {slope(adjoint.scores, exact.scores):.2f}; nodes with replaced labels found with AUC {auc:.2f}; "
        f"CPU {middle - start:.1f} s adjoint, {end - middle:.1f} s exact, compilation included"
        + (f"; note: {adjoint.note}" if adjoint.note else "")
    )
    rng = np.random.default_rng(1)
    for drop in (2, 5, 12, 24):
        chosen = np.ones((masks, NODES))
        for row in chosen:
            row[rng.choice(NODES, drop, replace=False)] = 0
        values = attribution.replay(sim, rounds, key, chosen, batch_size=8)
        true, raw = values - exact.outcome, adjoint.effect(chosen)
        print(
            f"  drop {drop:2d} of {NODES}: LDS adjoint {attribution.lds(adjoint.scores, chosen, values):.3f}, "
            f"exact scores {attribution.lds(exact.scores, chosen, values):.3f}; true / predicted "
            f"{slope(raw, true):.2f}, calibrated {slope(adjoint.effect(chosen, calibrate=True), true):.2f}"
        )
    return agreement


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="20 rounds and 16 masks instead of 60 and 60")
    parser.add_argument("--rules", default=",".join(rules()), help="comma-separated; default: all")
    arguments = parser.parse_args()
    rounds, masks = (20, 16) if arguments.quick else (60, 60)
    print(f"{NODES} nodes, {NOISY} with replaced labels, {rounds} rounds, {masks} masks per line")
    found = {name: study(name, rules()[name], rounds=rounds, masks=masks) for name in arguments.rules.split(",")}
    print("Spearman of adjoint and exact leave-one-out: " + ", ".join(f"{k} {v:.3f}" for k, v in found.items()))


if __name__ == "__main__":
    main()
