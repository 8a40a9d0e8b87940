"""What metrics declare: read by datasets and results, and refused at construction where it does not fit."""

import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.metrics import AbstractMetric, Every, Goal, Influence, Output


N = 6
TASK = gj.tasks.digits(N, batch_size=4, model=gj.tasks.models.MLP((64, 10)))


def build(*metrics, task=TASK, rule=None, **kwargs):
    return gj.Simulation(
        task, gj.protocols.Server(gj.aggregators.Mean() if rule is None else rule), metrics=metrics, **kwargs
    )


def recording(values, declared=None, dims=None):
    class Own(AbstractMetric):
        outputs = declared or {}

        def __call__(self, round):
            return values(round)

    Own.dims = dims or {}
    return Own()


def test_datasets_carry_what_metrics_declare(tmp_path):
    score = recording(
        lambda r: {"score": r.losses, "plain": r.losses.sum(), "square": r.messages @ r.messages.T},
        {"score": Output(dims=("node",), long_name="my score", units="points", better="higher")},
    )
    run = gj.simulate(build(Goal(), Every(2, Influence()), score), 3, progress=None)
    data = run.dataset
    assert data["score"].attrs == {"long_name": "my score", "units": "points", "better": "higher"}
    assert data["score"].dims == ("round", "node") and data["square"].dims[1:] == ("square_0", "square_1")
    assert data["plain"].attrs == {} and data["present"].attrs["units"] == "identities"
    assert (data["loss"].attrs["better"], data["accuracy"].attrs["better"]) == ("lower", "higher")
    assert data["influence"].attrs["every"] == 2 and data["byzantine_share"].attrs["better"] == "lower"
    np.testing.assert_array_equal(np.isfinite(data["byzantine_share"]), [True, True, False])
    assert "loss=" in repr(run) and "accuracy=" in repr(run)
    assert gj.load_run(run.save(tmp_path)).dataset.identical(data)
    swept = gj.sweep(run.simulation, {}, 2, progress=None).dataset
    assert all(swept[name].attrs == data[name].attrs for name in data.data_vars)


def test_dimensions_alone_are_enough():
    run = gj.simulate(build(recording(lambda r: {"own": r.losses}, dims={"own": ("node",)})), 1, progress=None)
    assert run.dataset["own"].dims == ("round", "node")


WRONG = {
    "clash of two": ([Goal(), Goal()], "recorded twice"),
    "clash with a period": ([Goal(), Every(2, Goal())], "recorded twice"),
    "clash with the weights": ([recording(lambda r: {"margin": r.losses.sum()})], "recorded twice"),
    "no name": ([recording(lambda r: {"": r.losses.sum()})], "name=''"),
    "number for a name": ([recording(lambda r: {3: r.losses.sum()})], "name=3"),
    "a coordinate": ([recording(lambda r: {"node": r.losses})], "datasets use this name"),
    "no dictionary": ([recording(lambda r: r.losses)], "return {name: array}"),
    "too few dimensions": ([recording(lambda r: {"a": r.messages}, {"a": Output(dims=("node",))})], "declare one dim"),
    "nodes that are none": ([recording(lambda r: {"a": r.messages[0]}, {"a": Output(dims=("node",))})], "there are 6"),
    "one name twice": (
        [recording(lambda r: {"a": r.messages @ r.messages.T}, {"a": Output(dims=("node", "node"))})],
        "differ in name",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused_when_the_simulation_is_made(name):
    metrics, words = WRONG[name]
    with pytest.raises(gj.ConfigurationError) as caught:
        build(*metrics)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_wrong_declarations(as_users_run):
    for wrong in ({"better": "more"}, {"dims": "node"}, {"every": 0}, {"dims": ["node"]}):
        with pytest.raises(gj.ConfigurationError, match="Output: "):
            Output(**wrong)


def words(rule, byzantine, **kwargs):
    sim = build(rule=rule, byzantine=byzantine)
    return gj.simulate(sim, 2, progress=None, **kwargs).result.name


class TestWords:
    """A result says only what was checked, by the true Byzantine mass."""

    def test_a_rule_bears_what_it_is_set_to_bear(self):
        rules = gj.aggregators
        assert words(rules.TrimmedMean(f=1), 1) == "completed"
        assert words(rules.TrimmedMean(f=1), 2) == "outnumbered"
        assert words(rules.TrimmedMean(share=0.34), 2) == "completed"
        assert words(rules.TrimmedMean(share=0.34), 3) == "outnumbered"
        assert words(rules.Mean(), 0) == "completed"
        for byzantine in (1, 5, N):
            assert words(rules.Mean(), byzantine) == "outnumbered"

    @pytest.mark.parametrize(
        ("rule", "bears"),
        [
            (gj.aggregators.Median(), 2), (gj.aggregators.Median(f=1), 1), (gj.aggregators.GeometricMedian(), 2),
            (gj.aggregators.CenteredClipping(), 2), (gj.aggregators.Clipping(gj.aggregators.Mean()), 2),
            (gj.aggregators.NNM(gj.aggregators.Mean(), f=2), 2), (gj.aggregators.NNM(gj.aggregators.Median(), f=1), 1),
            (gj.aggregators.ARC(gj.aggregators.TrimmedMean(f=1)), 1), (gj.aggregators.ARC(gj.aggregators.Mean()), 0),
            (gj.aggregators.Krum(f=1), 1), (gj.aggregators.MultiKrum(f=1, m=3), 1),
            (gj.aggregators.Bucketing(gj.aggregators.Mean(), size=2), 0),
        ],
    )  # fmt: skip
    def test_each_rule(self, rule, bears):
        at = lambda b: bool(gj.aggregators.outnumbered(rule, jnp.ones(N), jnp.arange(N) < b))
        assert [at(b) for b in range(N + 1)] == [b > bears for b in range(N + 1)]

    def test_only_who_is_present_counts(self):
        present = np.ones((2, N))
        present[:, -2] = 0
        assert words(gj.aggregators.TrimmedMean(f=1), 2, participation=present) == "completed"
        present[1, :2] = 0  # two honest ones beside the attacker: it is a minority
        assert words(gj.aggregators.Median(), 2, participation=present) == "completed"
        present[1, :4] = 0  # nobody beside the attacker
        assert words(gj.aggregators.Median(), 2, participation=present) == "outnumbered"

    def test_in_gossip_by_neighbourhood(self):
        """Two neighbours on a ring: one receiver hears both of them and is alone against two."""
        graph = gj.topologies.ring(N)
        apart, around = np.isin(np.arange(N), [0, 3]), np.isin(np.arange(N), [0, 2])
        protocol = gj.protocols.Gossip(gj.aggregators.TrimmedMean(f=1), graph)
        for mask, over in ((apart, 0), (around, 1), (np.ones(N, bool), N), (np.zeros(N, bool), 0)):
            assert float(protocol.guarantee(jnp.ones(N), None, jnp.asarray(mask)).outnumbered) == over
        plain = gj.protocols.Gossip(None, graph)
        assert float(plain.guarantee(jnp.ones(N), None, jnp.asarray(apart)).outnumbered) == 4

    def test_a_loss_that_is_not_finite_is_found_whatever_else_is_recorded(self):
        import optax

        task = gj.tasks.quadratic(N, 3)
        server = gj.protocols.Server(gj.aggregators.Mean(), gj.Optimizer(optax.sgd, learning_rate=1e4))
        for metrics in ([Goal(), Every(5, Influence())], [Every(3, Goal()), Every(5, Influence())], [Goal()]):
            sim = gj.Simulation(task, server, learner=gj.learners.Gradient(), metrics=metrics)
            run = gj.simulate(sim, 7, progress=None)
            assert np.isfinite(run.models).all() and run.record["loss"][5] == np.inf
            assert run.result.name == "diverged"

    def test_sentences_claim_nothing_more(self):
        assert "majority" not in gj.RunResult.completed.value
        assert gj.RunResult.outnumbered.ok


@pytest.mark.parametrize("gossip", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_healthy_run_passes_under_debug_nans(gossip):
    import jax

    metrics = [Every(3, metric) if i % 2 else metric for i, metric in enumerate(gj.metrics.standard())]
    server = gj.protocols.Server(gj.aggregators.TrimmedMean(f=1))
    protocol = gj.protocols.Gossip(gj.aggregators.Median(), gj.topologies.ring(N)) if gossip else server
    sim = gj.Simulation(TASK, protocol, attack=gj.attacks.ALIE(), byzantine=1, metrics=metrics)
    with jax.debug_nans(True):
        assert gj.simulate(sim, 3, progress=None).result.name == "completed"
