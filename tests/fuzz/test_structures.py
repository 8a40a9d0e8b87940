"""Fifteen structures with drawn knobs, attackers and participation: an answer with an honest result, or one line.

Together they hold every rule, attack, learner, protocol, topology and metric. Values are drawn and shapes are not, so
that each structure is one program; graphs are padded to one number of slots.
"""

import warnings
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import strategies as st

import ghostjax as gj
from ghostjax._border import Checked
from ghostjax._participation import weights_of
from ghostjax._sweep._switch import switch

from .fuzzing import examples


a, m, t, learn = gj.attacks, gj.metrics, gj.topologies, gj.learners
rules = gj.aggregators
N, ROUNDS, CLASSES = 8, 3, 3
X = np.random.default_rng(0).normal(size=(48, 4)).astype(np.float32)
Y = (np.arange(48) % CLASSES).astype(np.int32)
TASK = gj.tasks.from_arrays(
    X, Y, gj.tasks.models.Linear(4, CLASSES), gj.tasks.partition.iid(Y, N), audit=(X[::4], Y[::4]), batch_size=4
)
PIXELS = gj.charters.BlankPixels((0, 3))


def padded(graph):
    """The graph with as many slots as a complete one has."""
    own = np.arange(N, dtype=np.int32)[:, None]
    short = N - graph.nbr.shape[1]
    fill = lambda slots, value: jnp.asarray(np.concatenate([np.asarray(slots), np.repeat(value, short, 1)], 1))
    nothing = np.zeros((N, 1))
    return t.Topology(
        fill(graph.nbr, own), fill(graph.weights, nothing.astype(np.float32)), fill(graph.mask, nothing.astype(bool))
    )


GRAPHS = [
    padded(graph)
    for graph in (
        t.ring(N), t.chain(N), t.complete(N), t.dumbbell(N), t.erdos_renyi(N, 0.6), t.exponential(N),
        t.random_regular(N, 3), t.star(N), t.torus(N), t.from_edges(N, [(i, i + 1) for i in range(N - 1)], "uniform"),
        t.from_matrix(np.full((N, N), 1 / N)), t.two_worlds(N, 2),
    )
]  # fmt: skip


def server(rule, learning_rate):
    return gj.protocols.Server(rule, gj.Optimizer(optax.sgd, learning_rate=learning_rate))


def gossip(rule, knobs):
    return gj.protocols.Gossip(rule, knobs["graph"], gj.Optimizer(optax.sgd, learning_rate=knobs["z"]))


def either(index, *attacks):
    return switch(a.AbstractAttack, attacks, jnp.asarray(index % len(attacks), jnp.int32))


STRUCTURES = {
    "trimmed mean": lambda x, y, z, i, k: (
        server(rules.TrimmedMean(f=x), z), either(i, a.ALIE(z=y), a.Backdoor(PIXELS, target=1, eps=x)),
        learn.Momentum(0.9), m.standard(),
    ),
    "mean": lambda x, y, z, i, k: (
        server(rules.Mean(), z), either(i, a.SignFlip(x), a.IPM(y), a.NoAttack()), learn.Gradient(), [m.Goal()]
    ),
    "median": lambda x, y, z, i, k: (
        server(rules.Median(f=x), 0.1), a.Gaussian(x, y),
        learn.LocalSteps(gj.Optimizer(optax.sgd, learning_rate=z), 2), [m.Every(2, m.Goal())],
    ),
    "krum": lambda x, y, z, i, k: (
        server(rules.Krum(f=x), z), a.LabelFlip(CLASSES), learn.Momentum(y), [m.Goal(), m.TrainingLoss()]
    ),
    "multi krum": lambda x, y, z, i, k: (
        server(rules.MultiKrum(f=x, m=3), z), a.LabelMap({2: 1}), learn.Gradient(), [m.WorstNode()]
    ),
    "geometric median": lambda x, y, z, i, k: (
        server(rules.GeometricMedian(f=x), z), either(i, a.NonFinite(), a.During(a.NonFinite(), start=1)),
        learn.Gradient(), [m.Goal()],
    ),
    "weiszfeld": lambda x, y, z, i, k: (
        server(rules.Weiszfeld(), z), either(i, a.FangKrum(x), a.Framing(0, y)), learn.Gradient(), [m.Goal()]
    ),
    "centered clipping": lambda x, y, z, i, k: (
        server(rules.CenteredClipping(x), z), a.Mimic(i), learn.Gradient(), [m.Goal()]
    ),
    "clipping": lambda x, y, z, i, k: (
        server(rules.Clipping(rules.Mean(), x), z), a.MimicHeuristic(i), learn.Gradient(), [m.Goal()]
    ),
    "nnm": lambda x, y, z, i, k: (
        server(rules.NNM(rules.TrimmedMean(f=x), f=x), z), a.MinMax(), learn.Gradient(),
        [m.Goal(), m.Charter(PIXELS), m.Audit(gj.charters.Slices(1)), m.Committed(PIXELS), m.Deviation()],
    ),
    "arc": lambda x, y, z, i, k: (
        server(rules.ARC(rules.TrimmedMean(f=x), f=x), z), a.MinSum(), learn.Gradient(),
        [m.Goal(), m.Digest(), m.PrincipalInfluence()],
    ),
    "bucketing": lambda x, y, z, i, k: (
        server(rules.Bucketing(rules.Median(), 2), z), a.LineSearch(a.NoisyMean(x), grid=4, refinements=1),
        learn.Gradient(), [m.Goal()],
    ),
    "plain gossip": lambda x, y, z, i, k: (
        gossip(None, k), a.Dissensus(x), learn.Momentum(y), [m.Goal(), m.Consensus(), m.Dissimilarity()]
    ),
    "robust gossip": lambda x, y, z, i, k: (
        gossip(rules.TrimmedMean(f=x), k), a.Isolation(y), learn.Gradient(),
        [m.Goal(), m.HonestDistance(), m.Drift(), m.Influence(), m.WorstNode(), m.CutWeight()],
    ),
    "median gossip": lambda x, y, z, i, k: (
        gossip(rules.Median(), k), either(i, a.Constant(x), a.Zero(), a.Random(-y, y)), learn.Gradient(), [m.Goal()]
    ),
}  # fmt: skip

WRONG = [np.nan, np.inf, -1.0, 1e39, "2", None, True, [1.0, 2.0]]
KNOB = st.one_of(st.floats(0, 1.5, width=32), st.sampled_from([0.0, 1.0, 2, 3.5, 1e-30, 1e30]), st.sampled_from(WRONG))
GOOD = st.floats(0, 1, width=32)
BYZANTINE = st.sampled_from([0, 0.25, 1, 2, 3, 5, N, gj.Share(0.5), [0, 1] * 4, [3, 7], 1.0, -1, "3"])
WEIGHT = st.sampled_from([0.0, 0.0, 0.25, 1.0, 1.0, 2.0, 7.5])
PARTICIPATION = st.one_of(
    st.none(),
    st.just("by_examples"),
    st.lists(st.booleans(), min_size=N, max_size=N),
    st.lists(WEIGHT, min_size=N, max_size=N),
    st.lists(st.lists(WEIGHT, min_size=N, max_size=N), min_size=ROUNDS, max_size=ROUNDS),
    st.lists(st.floats(0.01, 5), min_size=N, max_size=N).map(gj.stake),
    st.sampled_from([np.full(N, 0.1), np.full(N, np.nan), np.ones(3), "by_size", [1, "1"] * 4, np.full(N, 3e38)]),
)


def check(structure, x, y, z, index, graph, byzantine, participation):
    """Plays one draw of a structure; the refusal in words, or nothing where there was an answer."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*never acts")
            protocol, attack, learner, metrics = structure(x, y, z, index, {"graph": GRAPHS[graph], "z": z})
            sim = gj.Simulation(TASK, protocol, learner=learner, attack=attack, byzantine=byzantine, metrics=metrics)
        run = gj.simulate(sim, ROUNDS, 0, participation=participation, chunk=ROUNDS, progress=None)
    except gj.ConfigurationError as error:
        assert str(error) and "\n" not in str(error), error
        return str(error)
    honest(run, weights_of(participation, ROUNDS, N, "test", TASK.counts))
    return ""


def honest(run, w):
    """Whether the result says what the record, the model and the true attackers show."""
    record, held, result = run.record, run.byzantine, run.result.name
    np.testing.assert_allclose(record["present"] + record["lost"], w.sum(1), rtol=1e-5)
    models = np.asarray(run.models)
    finite = np.isfinite(models if models.ndim == 1 else models[~held]).all()
    last = record["loss"][-1 if run.simulation.outputs["loss"].every == 1 else 1] if "loss" in record else 0.0
    assert (result == "diverged") == (not finite or not np.isfinite(last)), result
    mass, over = (w * held).sum(1), record["outnumbered"] > 0
    assert not over[mass == 0].any()
    if models.ndim == 1:  # at a server
        there = (record["lost"] == 0) & (mass > 0)
        assert over[there & (2 * mass > 1.001 * w.sum(1))].all()
        rule = run.simulation.protocol.aggregator
        if isinstance(rule, rules.TrimmedMean | rules.Krum | rules.MultiKrum | rules.NNM | rules.Mean):
            bears = float(getattr(rule, "f", 0.0))
            minority = 2 * mass < 0.999 * w.sum(1)
            clear = there & minority & (np.abs(mass - bears) > 1e-3)
            np.testing.assert_array_equal(over[clear], mass[clear] > bears)
    if result == "completed":
        assert not over.any() and (record["lost"] == 0).all()
        assert (record["present"] > 0).all() and (record["margin"] > 0).all()
    elif result != "diverged":
        said = {
            "outnumbered": over.any(),
            "void_guarantee": (record["margin"] <= 0).any(),
            "nobody_present": (record["present"] <= 0).any(),
            "lost_messages": (record["lost"] > 0).any(),
        }
        assert said[result], (result, said)


@examples(
    25, name=st.sampled_from(sorted(STRUCTURES)), x=KNOB, y=KNOB, z=st.one_of(GOOD, KNOB), index=st.integers(0, 7),
    graph=st.integers(0, len(GRAPHS) - 1), byzantine=BYZANTINE, participation=PARTICIPATION,
)  # fmt: skip
def test_an_honest_result_or_one_line(as_users_run, name, x, y, z, index, graph, byzantine, participation):
    check(STRUCTURES[name], x, y, z, index, graph, byzantine, participation)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_runs(name):
    """Whatever is drawn above, each structure is a program at least once, and its result is true."""
    for byzantine in (2, 5):
        assert check(STRUCTURES[name], 1.0, 0.5, 0.1, 1, 2, byzantine, None) == ""


def test_every_member_is_in_a_structure():
    """By name: what the package exports stands in the text of this file."""
    # Several adversaries say themselves who is Byzantine, which is drawn here.
    text = Path(__file__).read_text() + ".Several( .Redrawn("
    for family in (rules, a, learn, m):
        for name, member in vars(family).items():
            final = isinstance(member, type) and not name.startswith("Abstract")
            if final and issubclass(member, Checked):
                assert f".{name}(" in text or (family is m and name in repr(m.standard())), name
