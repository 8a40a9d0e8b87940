"""What a researcher copies runs: public names only, its battery, a server, gossip, vmap, a sweep, a resumed run."""

import ast
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from docs.skeletons import (
    attack,
    channel,
    detector,
    electorate,
    governance,
    identity,
    learner,
    metric,
    protocol,
    rule,
    task,
)
from ghostjax import testing
from ghostjax.testing._governance import _case as governed_case, GovernanceHarness


FOLDER = Path(__file__).parents[1] / "docs" / "skeletons"
N, T = 6, 5
TASK = gj.tasks.quadratic(N, 3, noise=0.1)
MEAN = gj.aggregators.Mean()


def watch(test):
    past = gj.detectors.OwnPast(rounds=2, floor=0.01)
    return gj.detectors.Watch(metric.Norms(), "largest_norm", test, past)


def on_alarm():
    return governance.BackOnAlarm(rounds=2, pause=2)


RATE = "protocol.optimizer.knobs.learning_rate"
# What a simulation takes of each, beside the task and the protocol, and the knob that a sweep moves.
PARTS = {
    "rule": lambda: ({"rule": rule.Central()}, "protocol.aggregator.floor", [0.1, 1.0]),
    "attack": lambda: ({"attack": attack.Pulses(), "byzantine": 2}, "attack.scale", [1.0, 3.0]),
    "metric": lambda: ({"metrics": [metric.Norms(), gj.metrics.Goal()]}, RATE, [0.1, 0.2]),
    "detector": lambda: (
        {"detectors": {"network": watch(detector.EWMA())}},
        "detectors.network.test.h",
        [1.0, 2.0],
    ),
    "channel": lambda: ({"channel": channel.Bursts(0.4)}, "channel.fail", [0.0, 0.9]),
    "identity": lambda: ({"identity": identity.Seniority()}, "identity.pace", [1.0, 8.0]),
    "governance": lambda: (
        {"governance": on_alarm(), "detectors": {"network": watch(gj.detectors.CUSUM(h=0.1))}},
        "governance.rounds",
        [1, 3],
    ),
    "electorate": lambda: (
        {
            "electorate": electorate.Tired(),
            "governance": gj.governance.Council(voting=0, timelock=0, rollback=False, rest=1),
            "detectors": {"network": watch(gj.detectors.CUSUM(h=0.1))},
            "byzantine": 1,
            "attack": gj.attacks.SignFlip(),
        },
        "electorate.fatigue",
        [0.1, 1.0],
    ),
    "learner": lambda: ({"learner": learner.Clipped(0.5)}, "learner.radius", [0.1, 1.0]),
    "protocol": lambda: ({"protocol": protocol.HeavyServer(MEAN)}, "protocol.beta", [0.0, 0.9]),
    "task": lambda: ({"task": task.Tug(jnp.eye(N, 3))}, "task.share", [0.0, 1.0]),
}
SERVER_ONLY = {"protocol"}
# Each family's own tests play its members everywhere; here the quick suite looks at stages of every kind of place.
SAMPLED = {"rule", "channel", "learner", "protocol", "task"}


def simulation(parts, gossip=False):
    parts = dict(parts)
    rule = parts.pop("rule", MEAN)
    graph = gj.topologies.ring(N, degree=4)
    usual = gj.protocols.Gossip(rule, graph) if gossip else gj.protocols.Server(rule)
    return gj.Simulation(parts.pop("task", TASK), parts.pop("protocol", usual), **parts)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda p: p.stem)
def test_a_skeleton_imports_no_private_name_and_is_short(path):
    text = path.read_text()
    modules = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom | ast.Import)]
    names = [name for node in modules for name in (getattr(node, "module", "") or "", *(a.name for a in node.names))]
    assert not [name for name in names if any(part.startswith("_") for part in name.split("."))]
    assert "._" not in text.replace("._replace", "") and len(text.splitlines()) <= 60
    assert path.stem in PARTS


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SAMPLED else pytest.mark.slow) for name in PARTS]
)
def test_a_skeleton_runs_everywhere(name, tmp_path):
    parts, path, values = PARTS[name]()
    sim = simulation(parts)
    whole = gj.simulate(sim, T, progress=None)
    assert np.isfinite(whole.models).all()
    gj.simulate(sim, 2, directory=tmp_path / "run", progress=None)
    resumed = gj.simulate(sim, T, directory=tmp_path / "run", progress=None)
    for one, other in zip(jax.tree.leaves(whole.state), jax.tree.leaves(resumed.state), strict=True):
        np.testing.assert_array_equal(one, other)
    keys = jax.vmap(jax.random.key)(jnp.arange(8))
    batch = eqx.filter_jit(lambda sim, keys: jax.vmap(lambda key: gj.rollout(sim, key, jnp.ones((T, N))))(keys))
    ends, _ = batch(sim, keys)
    np.testing.assert_allclose(sim.protocol.models(ends.protocol)[0], whole.models, atol=1e-5)
    swept = gj.sweep(sim, {path: values}, T, progress=None).dataset
    assert swept.sizes[path] == 2 and np.isfinite(swept["loss"]).all()
    if name not in SERVER_ONLY:
        gossip = gj.simulate(simulation(parts, gossip=True), T, progress=None)
        assert gossip.models.shape == (N, 3) and np.isfinite(gossip.models).all()


BATTERIES = {
    "rule": lambda: testing.check_aggregator(rule.Central(), examples=4),
    "attack": lambda: testing.check_attack(attack.Pulses()),
    "detector": lambda: testing.check_test(detector.EWMA()),
    "channel": lambda: testing.check_channel(channel.Bursts(0.4), idle=channel.Bursts(0.0)),
    "identity": lambda: testing.check_identity(identity.Seniority()),
    "governance": lambda: testing.check_governance(on_alarm(), detectors={"network": watch(gj.detectors.CUSUM(h=0.1))}),
    "electorate": lambda: testing.check_electorate(electorate.Tired()),
}


def test_the_governance_that_is_copied_acts_in_its_battery():
    detectors = {"network": watch(gj.detectors.CUSUM(h=0.1))}
    sim = simulation({"governance": on_alarm(), "detectors": detectors})
    assert gj.simulate(sim, T, progress=None).record["acted"].any()
    (run,) = GovernanceHarness(on_alarm(), detectors).played([governed_case()])
    assert (run.restored >= 0).any()


@pytest.mark.parametrize("name", BATTERIES)
def test_a_skeleton_keeps_the_laws_of_its_family(name):
    BATTERIES[name]()
