"""Equal configurations have equal descriptions, and any change shows."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax

import ghostjax as gj
from ghostjax._run._describe import canonical, describe, differences, fingerprint

from .run_problem import simulation


def scaled(scale):
    def f(x, shift=1.0):
        return scale * x + shift

    return f


def test_plain_data_that_reads_well():
    plain = describe(gj.aggregators.TrimmedMean(f=2))
    assert plain == {"type": "ghostjax.aggregators.TrimmedMean", "f": 2.0, "share": 0.0}
    assert describe(jnp.asarray(0.1, jnp.float32)) == 0.1
    assert describe(gj.attacks.ALIE())["z"] == "nan"
    assert json.loads(canonical(describe(simulation()))) == describe(simulation())


def test_the_same_thing_built_twice_is_the_same():
    assert fingerprint(describe(simulation())) == fingerprint(describe(simulation()))
    assert describe(scaled(2.0)) == describe(scaled(2.0))
    assert describe(lambda x: x) != describe(lambda x: x + 1)
    assert "0x" not in canonical(describe([simulation(), scaled(2.0), jax.nn.relu, functools.partial(scaled, 2)]))


def test_every_field_counts():
    large, other = np.arange(40.0), np.arange(40.0)
    other[-1] += 1e-9
    values = [
        simulation(),
        simulation(f=1.5),
        simulation(lr=0.2),
        simulation(beta=0.5),
        simulation(byzantine=2),
        simulation(n=7),
        simulation(rule=gj.aggregators.Mean()),
        simulation(attack=gj.attacks.NoAttack()),
        simulation(attack=gj.attacks.ALIE(sign=1)),
        simulation(metrics=(gj.metrics.Every(2, gj.metrics.TrainingLoss()),)),
        scaled(1.0),
        scaled(2.0),
        optax.sgd(0.1),
        optax.sgd(0.2),
        functools.partial(scaled, 1.0),
        functools.partial(scaled, scale=1.0),
        jnp.float32(1),
        jnp.int32(1),
        large,
        other,
        large.astype(np.float32),
        large.reshape(8, 5),
        jax.random.key(0),
        jax.random.key(1),
        np.dtype(np.float32),
        gj.aggregators.Mean,
        None,
        "None",
        (),
        {},
    ]
    prints = [fingerprint(describe(value)) for value in values]
    assert len(set(prints)) == len(prints)


def test_what_holds_itself_ends():
    def loop():
        return loop

    assert "above" in canonical(describe(loop))


def test_differences_name_the_path():
    lines = differences(describe(simulation()), describe(simulation(f=2.0, lr=0.3)))
    assert lines == ["protocol.aggregator.f: 1.0 -> 2.0", "protocol.optimizer.knobs.learning_rate: 0.1 -> 0.3"]
    assert differences({"a": [1, 2]}, {"a": [1, 3], "b": 4}) == ["a[1]: 2 -> 3", "b: null -> 4"]
    assert differences(describe(simulation()), describe(simulation())) == []
