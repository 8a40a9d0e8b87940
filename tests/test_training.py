"""A training: looked at once, understood by all who play it, remembered by its run, begun from what was trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax._sweep._arguments import seed_of


N, ROUNDS = 4, 6
TASK = gj.tasks.digits(N, batch_size=4, model=gj.tasks.models.MLP((64, 10)))


def simulation(rule=None, **kwargs):
    return gj.Simulation(TASK, gj.protocols.Server(gj.aggregators.Mean() if rule is None else rule), **kwargs)


SIMULATION = simulation()
ROWS = np.ones((ROUNDS, N), np.float32)
ROWS[2, 1], ROWS[4] = 0, [2, 1, 0, 1]
GIVEN = {
    "everybody": None,
    "one row": np.array([1, 0, 2, 1]),
    "rows": ROWS,
    "stake": gj.stake([1, 2, 3, 4]),
    "examples": "by_examples",
    "sampled": gj.sampled(0.5),
    "churn": gj.churn(0.5, 0.2, start=np.array([1, 1, 0, 1])),
}


def same(a, b):
    for name in a.record:
        np.testing.assert_array_equal(a.record[name], b.record[name], err_msg=name)
    for one, other in zip(jax.tree.leaves(a.state), jax.tree.leaves(b.state), strict=True):
        np.testing.assert_array_equal(one, other)


def play(*args, **kwargs):
    return gj.simulate(*args, **{"progress": None, **kwargs})


def test_a_training_says_what_the_call_said():
    training = gj.Training(SIMULATION, ROUNDS, 3, ROWS)
    run = play(training)
    same(run, play(SIMULATION, ROUNDS, 3, participation=ROWS))
    assert run.training is training and run.description["learner"]["beta"] == 0.9
    blamed = gj.attribution.adjoint(SIMULATION, ROUNDS, 3, participation=ROWS, probes=0)
    for who in (run, training):
        np.testing.assert_array_equal(gj.attribution.adjoint(who, probes=0).cells, blamed.cells)
    exact = gj.attribution.leave_one_out(SIMULATION, ROUNDS, 3, participation=ROWS)
    for who in (run, training):
        np.testing.assert_array_equal(gj.attribution.leave_one_out(who).scores, exact.scores)
        np.testing.assert_array_equal(gj.attribution.replay(who, masks=np.ones((1, N))), [exact.outcome])
        check = gj.attribution.certificate(blamed, who, probes=2)
        assert set(check.probes) <= set(range(N))


def test_a_sweep_plays_the_rounds_participation_and_seed_of_a_training():
    axes = {"learner.beta": [0.9, 0.5]}
    training = gj.Training(SIMULATION, ROUNDS, 3, ROWS)
    swept = gj.sweep(training, axes, progress=None).dataset
    assert swept["seed"].values.tolist() == [3]
    run = play(training)
    for name, column in run.record.items():
        np.testing.assert_array_equal(swept[name].sel({"learner.beta": 0.9, "seed": 3}).values, column, err_msg=name)
    said = gj.sweep(SIMULATION, axes, ROUNDS, seeds=[3, 4], participation=ROWS, progress=None).dataset
    assert gj.sweep(training, axes, seeds=[3, 4], progress=None).dataset.identical(said)
    for key in (jax.random.PRNGKey(3), jax.random.key(3)):
        assert seed_of(gj.Training(SIMULATION, ROUNDS, key).key) == 3


@pytest.mark.parametrize(
    ("training", "beside", "line"),
    [
        ({}, {"rounds": 3}, "rounds=3: the training contains it already; leave it out"),
        ({}, {"participation": ROWS}, "participation=.*: the training contains it already; leave it out"),
        ({"state": np.zeros(650)}, {}, "training=from a given state: cells begin from models of their own"),
        (
            {"key": jax.random.fold_in(jax.random.key(0), 1)},
            {},
            "seeds=not given: no seed makes the key of this training",
        ),
        ({"key": jax.random.key(3, impl="rbg")}, {}, "seeds=not given: no seed makes the key of this training"),
    ],
)
def test_a_sweep_of_a_training_refuses_what_it_cannot_play(training, beside, line):
    with pytest.raises(gj.ConfigurationError, match=f"sweep: {line}"):
        gj.sweep(gj.Training(SIMULATION, ROUNDS, **training), {"learner.beta": [0.5]}, progress=None, **beside)


@pytest.mark.parametrize("beside", [{"rounds": 3}, {"key": 0}, {"participation": ROWS}, {"state": np.zeros(650)}])
def test_a_training_says_everything(beside):
    training = gj.Training(SIMULATION, ROUNDS, 3)
    with pytest.raises(
        gj.ConfigurationError, match=rf"simulate: {next(iter(beside))}=.*the training contains it already"
    ):
        play(training, **beside)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((None, 3), "simulation=None"),
        ((SIMULATION, 0), "rounds=0"),
        ((SIMULATION, None), "rounds=None"),
        ((SIMULATION, 3, "a"), "key='a'"),
        ((SIMULATION, 3, 0, np.full(N, 0.25)), "participation=largest weight 0.25: .*gj.stake"),
        ((SIMULATION, 3, 0, "everyone"), "participation='everyone'"),
        ((SIMULATION, 3, 0, gj.churn(1, 0, start=[1, 0, 1])), r"churn: start=array of shape \(3,\)"),
    ],
)
def test_refused(given, line):
    with pytest.raises(gj.ConfigurationError, match=rf"^(Training: )?{line}"):
        gj.Training(*given)


# A run remembers


@pytest.mark.parametrize("name", GIVEN)
def test_a_run_that_is_read_back_is_the_run(name, tmp_path):
    run = play(SIMULATION, ROUNDS, 3, participation=GIVEN[name])
    run.save(tmp_path)
    back = gj.load_run(tmp_path, SIMULATION)
    assert back.training is not None and run.training is not None
    np.testing.assert_array_equal(back.training.weights, run.training.weights)
    assert back.training.rounds == ROUNDS and gj.verify(tmp_path) == []
    assert gj.load_run(tmp_path).training is None and gj.load_run(tmp_path).description == run.description
    if name == "rows":
        with pytest.raises(gj.ConfigurationError, match="one row per round"):
            back.extend(8)
        longer = {"participation": np.concatenate([ROWS, ROWS[:2]])}
    else:
        longer = {}
    whole = play(SIMULATION, 8, 3, participation=longer.get("participation", GIVEN[name]))
    same(back.extend(8, progress=None, **longer), whole)
    same(run.extend(8, progress=None, **longer), whole)


def test_a_removal_is_asked_of_a_run_that_was_read_back(tmp_path):
    run = play(SIMULATION, ROUNDS, 3, participation=ROWS)
    run.save(tmp_path)
    exact = gj.attribution.leave_one_out(SIMULATION, ROUNDS, 3, participation=ROWS)
    found = gj.attribution.leave_one_out(gj.load_run(tmp_path, SIMULATION))
    np.testing.assert_array_equal(found.scores, exact.scores)
    np.testing.assert_array_equal(found.participation, ROWS)
    with pytest.raises(gj.ConfigurationError, match=r"leave_one_out: run=.*load_run\(directory, simulation\)"):
        gj.attribution.leave_one_out(gj.load_run(tmp_path))


def test_old_style_keys_are_read_back(tmp_path):
    key = jax.random.PRNGKey(7)
    run = play(SIMULATION, 2, key)
    run.save(tmp_path)
    same(gj.load_run(tmp_path, SIMULATION).extend(4, progress=None), play(SIMULATION, 4, key))


def test_drawn_weights_are_those_of_the_run_whoever_plays_it(tmp_path):
    who = gj.sampled(0.5)
    whole = play(SIMULATION, ROUNDS, 1, participation=who)
    swept = gj.sweep(SIMULATION, {}, ROUNDS, seeds=[0, 1], participation=who, progress=None).dataset
    np.testing.assert_array_equal(swept["loss"].sel(seed=1), whole.record["loss"])
    batched = gj.sweep(SIMULATION, {}, ROUNDS, seeds=[0, 1], participation=who, batch=2, progress=None).dataset
    np.testing.assert_allclose(batched["loss"], swept["loss"], rtol=1e-5)
    play(SIMULATION, 3, 1, participation=who, directory=tmp_path)
    same(play(SIMULATION, ROUNDS, 1, participation=who, directory=tmp_path), whole)
    with pytest.raises(gj.ConfigurationError, match=r"participation\.seed: null -> 3"):
        play(SIMULATION, ROUNDS, 1, participation=gj.sampled(0.5, seed=3), directory=tmp_path)


# Where it begins


def test_a_model_takes_the_place_of_the_first_one():
    before = play(SIMULATION, 3)
    model = before.models
    run = play(SIMULATION, ROUNDS, 5, state=model)
    state = SIMULATION.init(jax.random.key(5))
    state = state._replace(protocol=state.protocol._replace(theta=model))
    end, record = gj.rollout(SIMULATION, jax.random.key(5), jnp.ones((ROUNDS, N)), state)
    np.testing.assert_array_equal(run.record["loss"], record["loss"])
    np.testing.assert_array_equal(run.models, end.protocol.theta)
    same(run, play(SIMULATION, ROUNDS, 5, state=before.params()))
    same(run, play(SIMULATION, ROUNDS, 5, state=np.asarray(model)))
    np.testing.assert_array_equal(before.models, model)  # nothing was donated
    assert not np.array_equal(run.models, play(SIMULATION, ROUNDS, 5).models)


def test_a_state_brings_its_memories_and_loses_its_clock():
    before = play(SIMULATION, 3)
    run = play(SIMULATION, ROUNDS, 5, state=before.state)
    assert before.state is not None
    state = before.state._replace(round=jnp.zeros((), jnp.int32))
    end, _ = gj.rollout(SIMULATION, jax.random.key(5), jnp.ones((ROUNDS, N)), state)
    np.testing.assert_array_equal(run.models, end.protocol.theta)
    assert run.state is not None
    assert int(run.state.round) == ROUNDS
    assert not np.array_equal(run.models, play(SIMULATION, ROUNDS, 5, state=before.models).models)


def test_in_gossip_a_model_is_where_every_node_begins_unless_each_has_its_own():
    graph = gj.topologies.complete(N)
    sim = gj.Simulation(TASK, gj.protocols.Gossip(gj.aggregators.Mean(), graph))
    theta = jnp.linspace(-0.1, 0.1, sim.ravel.size)
    models = lambda state: gj.Training(sim, 1, 0, state=state).state.protocol.theta
    np.testing.assert_array_equal(models(theta), np.tile(theta, (N, 1)))
    run = play(sim, 2)
    np.testing.assert_array_equal(models(run.models), run.models)
    np.testing.assert_array_equal(models(run.params()), run.models)
    np.testing.assert_array_equal(models(sim.ravel.unravel(theta)), np.tile(theta, (N, 1)))


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (np.zeros(3), r"state=array of shape \(3,\): its structure is not that"),
        ({"at": np.zeros(3)}, "state=.*its structure is not that"),
        (jax.tree.map(jnp.zeros_like, jax.eval_shape(TASK.init, jax.random.key(0))), None),
        (simulation(gj.aggregators.CenteredClipping(tau=1.0)).init(jax.random.key(0)), "state=.*such as run.models"),
        (
            SIMULATION.init(jax.random.key(0))._replace(round=0.5),
            r"state\.round=float32\[\]: this simulation has int32\[\]",
        ),
    ],
)
def test_a_start_of_another_shape_is_refused(state, line):
    if line is None:
        gj.Training(SIMULATION, 1, 0, state=state)
        return
    with pytest.raises(gj.ConfigurationError, match=rf"^Training: {line}") as caught:
        gj.Training(SIMULATION, 1, 0, state=state)
    assert "\n" not in str(caught.value)


def test_a_start_is_part_of_what_a_run_is(tmp_path):
    model = play(SIMULATION, 3).models
    run = play(SIMULATION, 3, 5, state=model, directory=tmp_path)
    assert len(run.provenance["start"]["sha256"]) == 64
    for other in (None, 2 * model):
        with pytest.raises(gj.ConfigurationError, match=r"holds another run \(start"):
            play(SIMULATION, ROUNDS, 5, state=other, directory=tmp_path)
    back, whole = gj.load_run(tmp_path, SIMULATION), play(SIMULATION, ROUNDS, 5, state=model)
    same(back.extend(ROUNDS, progress=None), whole)
    same(run.extend(ROUNDS, progress=None), whole)
    assert gj.verify(tmp_path) == []
    for who in (whole, gj.load_run(tmp_path, SIMULATION)):
        found = gj.attribution.adjoint(who, probes=0)
        assert found.outcome == pytest.approx(float(gj.attribution.goal_loss(SIMULATION, whole.state)), rel=1e-5)
