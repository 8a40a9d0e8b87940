"""ghostjax: a rule alone (`step`: as a round runs it; `call`: with the check for non-finite rows), and whole rounds."""

import functools
import sys
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from protocol import serve, Skip

import ghostjax as gj


# A call runs on the thread that makes it, as the others' do: handing it to another costs some 25 microseconds.
jax.config.update("jax_cpu_enable_async_dispatch", False)


def rule_of(name, f, knobs):
    rules = gj.aggregators
    match name:
        case "mean":
            return rules.Mean()
        case "trimmed_mean":
            return rules.TrimmedMean(f=f)
        case "median":
            return rules.Median()
        case "krum":
            return rules.Krum(f=f)
        case "multi_krum":
            return rules.MultiKrum(f=f)
        case "geometric_median":
            return rules.Weiszfeld(nu=knobs["nu"], steps=knobs["steps"])
        case "centered_clipping":
            return rules.CenteredClipping(tau=knobs["tau"], steps=1)
        case "nnm_trimmed_mean":
            return rules.NNM(rules.TrimmedMean(f=f), f=f)
    raise Skip(f"no {name}")


def setup_rule(case, form):
    x = jnp.asarray(np.load(case["data"])["x"])
    w = jnp.ones(len(x))
    # Knobs are traced, as in a round; taking the rule apart at every call would be timed as well.
    knobs, structure = jax.tree.flatten(rule_of(case["rule"], case["f"], case["knobs"]))
    last = {}

    @functools.partial(jax.jit, compiler_options=gj.compiler_options())
    def apply(knobs, x, w):
        rule = jax.tree.unflatten(structure, knobs)
        if form == "call":
            return rule(x, w)
        return rule.step(rule.init(x), x, w, gj.aggregators.Context())[1]

    def step(count):
        for _ in range(count):
            last["y"] = jax.block_until_ready(apply(knobs, x, w))
        return count

    return step, lambda: {"y": np.asarray(last["y"])}


class Whole(gj.tasks.AbstractTask):
    """Every node's batch is all that it has, in order: no sampling, for the comparison of results."""

    task: gj.tasks.ArrayTask

    @property
    def num_nodes(self):
        return self.task.num_nodes

    def init(self, key):
        return self.task.init(key)

    def sample(self, key):
        return gj.tasks.Batch(self.task.x[self.task.indices], self.task.y[self.task.indices])

    def loss(self, params, batch, key):
        return self.task.loss(params, batch, key)

    def evaluate(self, params):
        return self.task.evaluate(params)


def simulation(case, data):
    """The case as a simulation, and its initial state at the parameters of `data`."""
    model = gj.tasks.models.cnn_digits() if case["model"] == "cnn" else gj.tasks.models.MLP((64, 64, 10))
    indices = data["indices"]
    partition = gj.tasks.partition.Partition(indices, np.full(len(indices), indices.shape[1], np.int32))
    rows = (data["x"], data["y"])
    task = gj.tasks.from_arrays(*rows, model, partition, test=(rows[0][:1], rows[1][:1]), batch_size=case["batch"])
    attack = gj.attacks.SignFlip.of_mean() if case["attack"] == "sign_flip" else gj.attacks.ALIE(1.5, sign=1)
    sim = gj.Simulation(
        task if case["sampling"] else Whole(task),
        gj.protocols.Server(rule_of(case["rule"], case["f"], {})),
        learner=gj.learners.Momentum(0.9),
        attack=attack,
        byzantine=case["f"],
        metrics=(),
    )
    state = eqx.filter_jit(sim.init)(jax.random.key(0))
    params = [{"b": data[f"b{i}"], "w": data[f"w{i}"]} for i in range(len([k for k in data.files if k[0] == "w"]))]
    theta = sim.ravel.ravel(jax.tree.map(jnp.asarray, params))
    return sim, state._replace(protocol=replace_theta(state.protocol, theta))


def replace_theta(protocol, theta):
    return protocol._replace(theta=theta) if hasattr(protocol, "_replace") else replace(protocol, theta=theta)


def setup_round(case):
    data, chunk = np.load(case["data"]), case["chunk"]
    sim, state = simulation(case, data)
    weights = jnp.ones((chunk, case["n"]))
    play = eqx.filter_jit(gj.rollout, compiler_options=gj.compiler_options())
    held = {"state": state}

    def step(count):
        chunks = -(-count // chunk)
        for _ in range(chunks):
            held["state"] = jax.block_until_ready(play(sim, jax.random.key(0), weights, held["state"])[0])
        return chunks * chunk

    def result():
        params = sim.ravel.unravel(held["state"].protocol.theta)
        pairs = enumerate(params)
        return {f"{name}{i}": np.asarray(layer[name]) for i, layer in pairs for name in ("w", "b")}

    return step, result


def setup(case):
    form = sys.argv[1]
    if case["kind"] == "rule":
        return setup_rule(case, form)
    if form == "call":
        raise Skip("a round has one form")
    return setup_round(case)


if __name__ == "__main__":
    serve(setup, {"ghostjax": gj.__version__, "jax": jax.__version__})
