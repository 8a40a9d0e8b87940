"""Products of axes: one trace per structure, bits of single runs, labels, refusals."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax._sweep._axis import labels_of
from ghostjax._sweep._paths import set_paths
from ghostjax._sweep._plan import build_cells, group_cells

from ..run.run_problem import simulation, Traced, TRACES


F = "protocol.aggregator.f"
LR = "protocol.optimizer.knobs.learning_rate"
WATCHED = simulation(metrics=(Traced(),))


def play(sim, axes, rounds=5, **kwargs):
    return gj.sweep(sim, axes, rounds, **{"progress": None, **kwargs})


def test_64_cells_of_one_structure_are_one_trace_and_have_the_bits_of_single_runs():
    TRACES.clear()
    axes = {F: [0.5, 1, 1.5, 2], LR: [0.05, 0.1, 0.2, 0.4], "byzantine": [1, 2]}
    # Sizes of their own, because compiled programs are shared between tests.
    data = play(simulation(n=8, metrics=(Traced(),)), axes, seeds=2).dataset
    assert data["loss"].sizes == {F: 4, LR: 4, "byzantine": 2, "seed": 2, "round": 5}
    assert data["norm"].dims == (F, LR, "byzantine", "seed", "round", "node")
    assert bool(data["done"].all())
    assert 1 <= len(TRACES) <= 3  # what is recorded, the shapes of a record row, and the program itself
    for f, lr, b, seed in [(0.5, 0.05, 1, 0), (1.5, 0.4, 2, 1), (2, 0.1, 1, 1)]:
        run = gj.simulate(simulation(f, lr, n=8, byzantine=b, metrics=(Traced(),)), 5, seed, progress=None)
        cell = data.sel({F: f, LR: lr, "byzantine": b, "seed": seed})
        for name, column in run.record.items():
            np.testing.assert_array_equal(cell[name].values, column, err_msg=name)
    assert 1 <= len(TRACES) <= 3, "and single runs are played by the same program"
    play(simulation(n=10, metrics=(Traced(),)), {F: [1]})
    assert len(TRACES) > 3, "another structure must be seen by this count"


def test_batched_cells_agree_and_do_not_see_their_neighbours():
    axes = {F: [0.5, 1, 2], LR: [0.05, 0.1]}
    alone = play(simulation(), axes).dataset
    batched = play(simulation(), axes, batch=4).dataset
    for name in ("loss", "norm", "count"):
        np.testing.assert_allclose(batched[name], alone[name], rtol=2e-5, atol=1e-6)
    # The same cells in other company: another order, another filling of the last batch.
    other = play(simulation(), {F: [2, 0.5, 1], LR: [0.1, 0.05, 0.3]}, batch=4).dataset.sel(batched.coords)
    for name in ("loss", "norm"):
        np.testing.assert_array_equal(other[name], batched[name])


class Adaptive(gj.attacks.AbstractMessageAttack):
    """Grows while it has memory: a state that a switch must keep apart, and a key that it must pass on."""

    def init(self, like):
        return jnp.zeros((), like.dtype)

    def corrupt(self, state, view):
        noise = jax.random.normal(view.key, view.messages.shape, view.messages.dtype)
        sent = gj.attacks.Sent(-(1 + state) * view.respond(view.messages)[None, :] + 0.1 * noise)
        return state + 1, sent


class Remembering(gj.aggregators.AbstractAggregator):
    """The running mean of means."""

    def init(self, like):
        return jnp.zeros(like.shape[1:], like.dtype)

    def step(self, state, x, w, ctx):
        state = 0.5 * state + 0.5 * gj.aggregators.Mean()(x, w)
        return state, state


ATTACKS = {"alie": gj.attacks.ALIE, "adaptive": Adaptive}
RULES = {"mean": gj.aggregators.Mean, "trimmed": gj.aggregators.TrimmedMean, "memory": Remembering}


def objects(**kwargs):
    axes = {
        "attack": {name: make() for name, make in ATTACKS.items()},
        "protocol.aggregator": {name: make() for name, make in RULES.items()},
        F: [1, 2],
    }
    return play(simulation(metrics=(Traced(),)), axes, rounds=4, **kwargs)


@pytest.mark.slow
def test_objects_merged_into_one_program_agree_with_the_direct_ones():
    TRACES.clear()
    merged = objects()  # six structures: merged by default
    assert 1 <= len(TRACES) <= 8  # what each of six structures records, and one program
    apart = objects(merge=False)
    assert len(TRACES) >= 6
    for name in ("loss", "norm", "margin"):
        np.testing.assert_allclose(merged.dataset[name], apart.dataset[name], rtol=2e-5, atol=1e-5, err_msg=name)
    values = apart.dataset["loss"].isel(round=-1).values
    assert np.unique(values[:, 1].round(5)).size == values[:, 1].size, "cells that should differ do"
    np.testing.assert_array_equal(values[:, 0, 0], values[:, 0, 1])  # the mean has no f: set where it exists


@pytest.mark.slow
def test_merged_cells_take_one_branch_at_a_time():
    TRACES.clear()
    merged, batched = objects(merge=True), objects(merge=True, batch=2)
    for name in ("loss", "norm", "margin"):
        np.testing.assert_allclose(merged.dataset[name], batched.dataset[name], rtol=2e-5, atol=1e-5, err_msg=name)


def test_a_builder_with_the_seed():
    built = []

    def build(strength, seed):
        built.append((strength, seed))
        return simulation(f=1, lr=strength, byzantine=seed % 2)

    data = play(build, {"strength": [0.1, 0.2]}, seeds=[4, 7]).dataset
    assert built == [(0.1, 4), (0.1, 7), (0.2, 4), (0.2, 7)]
    run = gj.simulate(simulation(f=1, lr=0.2, byzantine=1), 5, 7, progress=None)
    np.testing.assert_array_equal(data["loss"].sel(strength=0.2, seed=7), run.record["loss"])


def test_an_axis_moves_several_fields():
    axis = gj.Axis("f", [1, 2], paths=[F, "byzantine"], labels=["one", "two"])
    data = play(simulation(), [axis]).dataset
    run = gj.simulate(simulation(2, byzantine=2), 5, 0, progress=None)
    np.testing.assert_array_equal(data["loss"].sel(f="two").squeeze(), run.record["loss"])
    assert data["num_byzantine"].values.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("axes", "kwargs", "line"),
    [
        ({"protocol.agregator.f": [1]}, {}, r"'protocol\.agregator\.f'.*did you mean .*'protocol\.aggregator\.f'"),
        ({"attak": [1]}, {}, r"did you mean 'attack'"),
        ({"learning_rate": [1]}, {}, r"did you mean 'protocol\.optimizer\.knobs\.learning_rate'"),
        ({F: [1, 3]}, {}, r"Server\(TrimmedMean\): f=3\.0"),
        ({F: []}, {}, r"at least one value"),
        ({F: [1, 1]}, {}, r"no two alike"),
        ({"round": [1]}, {}, r"names must differ"),
        ({"seed": [1]}, {}, r"'seed' cannot be an axis"),
        ({F: [1]}, {"seeds": [1, 1]}, r"no two alike"),
        ({F: [1]}, {"shard": (2, 2)}, r"shard=\(2, 2\)"),
        ({F: [1]}, {"batch": 0}, r"batch=0"),
        ({F: [1]}, {"merge": "maybe"}, r"merge='maybe'"),
        ({F: [1]}, {"merge": np.ones(2)}, r"merge="),
        ({F: [1]}, {"chunk": 2.5}, r"chunk=2\.5: give a whole number"),
        ({F: [1]}, {"chunk": "all"}, r"chunk='all': "),
        ({F: [1]}, {"batch": "2"}, r"batch='2': give a whole number"),
        ({F: [1]}, {"shard": "0/4"}, r"shard='0/4': give \(i, n\)"),
        ({F: [1]}, {"shard": (0.0, 2)}, r"shard=0\.0: give a whole number"),
        ({F: [1]}, {"seeds": "3"}, r"seeds='3': give a whole number"),
        ({F: [1]}, {"seeds": 2.0}, r"seeds=2\.0: give a whole number"),
        ({F: [1]}, {"seeds": True}, r"seeds=True: give a whole number"),
        ({F: [1]}, {"seeds": [0, 1.5]}, r"seeds=1\.5: give a whole number"),
        ({F: [1]}, {"seeds": [0, "1"]}, r"seeds='1': give a whole number"),
        ({F: [1]}, {"seeds": [-1]}, r"seeds=-1: a seed lies between"),
        ({F: [1]}, {"seeds": 0}, r"seeds=\[\]: give at least one"),
        ({F: [1]}, {"seeds": None}, r"seeds=None: give a whole number"),
        (None, {}, r"axes=None: give \{name: values\}"),
        ("attack", {}, r"axes='attack': give \{name: values\}"),
        (["attack"], {}, r"axes=\['attack'\]: give \{name: values\}"),
        ({"attack": "alie"}, {}, r"axes\['attack'\]='alie': give a list of values"),
        ({"attack": gj.attacks.ALIE()}, {}, r"axes\['attack'\]=ALIE\(\.\.\.\): give a list of values"),
        ({F: 1.0}, {}, r"aggregator\.f'\]=1\.0: give a list of values"),
        ({F: {1, 2}}, {}, r"give a list of values"),
        ({"done": [1]}, {}, r"names must differ"),
        ({"result": [1]}, {}, r"names must differ"),
        ([gj.Axis("loss", [1], paths=F)], {}, r"axes\['loss'\]=.*metrics record an entry of that name"),
        ([gj.Axis("norm", [1], paths=F)], {}, r"axes\['norm'\]=.*metrics record an entry of that name"),
        ([gj.Axis("margin", [1], paths=F)], {}, r"axes\['margin'\]=.*metrics record an entry of that name"),
        ({"": [1]}, {}, r"axes=\[''\]: a name is text that files can hold"),
        ({"a/b": [1]}, {}, r"axes=\['a/b'\]: a name is text"),
        ({"a\0": [1]}, {}, r"a name is text"),
        ({"a\ud800": [1]}, {}, r"a name is text"),
        ({"x" * 300: [1]}, {}, r"a name is text"),
        ({".": [1]}, {}, r"a name is text"),
        ({3: [1]}, {}, r"axes=\[3\]: a name is text"),
        ({None: {"a": 1}}, {}, r"axes=\[None\]: a name is text"),
        ({F: [2**70]}, {}, r"64 bits cannot be stored"),
        ({F: {2**70: 1}}, {}, r"64 bits cannot be stored"),
        ({F: {"a\0": 1}}, {}, r"a text label holds"),
        ({F: {(1, 2): 1}}, {}, r"labels are texts or numbers"),
        ({F: {"one": "1"}}, {}, r"sweep: axes\['protocol\.aggregator\.f'\]='one': TrimmedMean: f='1': give a number"),
        ({LR: ["a"]}, {}, r"learning_rate'\]='a': learning_rate='a': give a number"),
        ({"attack.ddof": [1.5]}, {}, r"axes\['attack\.ddof'\]=1\.5: "),
        ({"attack": {"x": "alie"}}, {}, r"sweep: axes\['attack'\]='x': "),
        ({F: [2], "protocol.aggregator.share": [0.2]}, {}, r"sweep: axes\['protocol\.aggregator\.f'\]=2, axes\["),
        ({LR: [0.1], "byzantine": [1, 7]}, {}, r"sweep: axes\['byzantine'\]=7: Simulation: byzantine=7"),
        ({LR: [0.1], "byzantine": {"m": [[1, 0], [1]]}}, {}, r"sweep: axes\['byzantine'\]='m': "),
        ([gj.Axis("f", [1], paths=(F,)), gj.Axis("b", [9], paths="byzantine")], {}, r"sweep: axes\['b'\]=9: "),
    ],
)
def test_refused_before_anything_compiles(axes, kwargs, line, as_users_run):
    TRACES.clear()
    with pytest.raises(gj.ConfigurationError, match=line) as caught:
        play(WATCHED, axes, **kwargs)
    assert not TRACES
    assert str(caught.value).startswith("sweep: ") and "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_builder_without_that_argument_is_refused():
    with pytest.raises(gj.ConfigurationError, match=r"axes=\['g'\].*arguments of the builder, \['f'\]"):
        play(lambda f: simulation(f), {"g": [1]})
    with pytest.raises(gj.ConfigurationError, match="must return a Simulation"):
        play(lambda f: f, {"f": [1]})


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: gj.Axis("f", [1], paths=[3]), r"axes\['f'\]\.paths=\[3\]: give dotted paths"),
        (lambda: gj.Axis("f", [1, 2], labels="ab" * 2), r"axes\['f'\]\.labels='abab': give a list"),
        (lambda: gj.Axis("f", {"a": 1}), r"axes\['f'\]=.*give a list"),
        (lambda: gj.Axis("f", [1, 2], labels=[np.nan, 1.0]), r"label nan"),
        (lambda: gj.Axis("f/g", [1]), r"axes=\['f/g'\]: a name is text"),
    ],
)
def test_an_axis_is_looked_at_when_it_is_made(make, line, as_users_run):
    with pytest.raises(gj.ConfigurationError, match=line):
        make()


def test_axes_are_taken_for_what_is_meant(as_users_run):
    assert gj.Axis("f", (i for i in range(2))).values == [0, 1]
    assert gj.Axis("f", np.float32([0.1, 0.2])).labels == [0.1, 0.2]
    assert gj.Axis("f", [jnp.asarray(2.0), np.int64(3)]).labels == [2.0, 3]
    assert gj.Axis("f", [1, 2], labels=[1, "two"]).labels == ["1", "two"]
    assert gj.Axis("f", [True, 3]).labels == ["True", "3"]
    assert gj.Axis("z", [np.nan, 1.0]).labels == ["nan", "1.0"]
    assert gj.Axis("f", [1], paths="byzantine").paths == ("byzantine",)
    scheduled = simulation(lr=gj.Schedule(optax.exponential_decay, init_value=0.1, transition_steps=1, decay_rate=0.5))
    protocol = set_paths(scheduled, {LR: 0.2})[0].protocol
    assert isinstance(protocol, gj.protocols.Server)
    protocol.optimizer.build(jnp.float32)


def test_a_builder_that_fails_says_in_which_cell():
    def build(f):
        return simulation(f=f, attack=None if f < 2 else [][f])

    with pytest.raises(IndexError) as caught:
        play(build, {"f": [1, 2]})
    assert any("axes['f']=2, seed=0" in note for note in caught.value.__notes__)
    with pytest.raises(gj.ConfigurationError, match=r"sweep: axes\['f'\]=-1: TrimmedMean: f=-1"):
        play(lambda f: simulation(f=f), {"f": [1, -1]})


def test_labels():
    T, A = gj.aggregators.TrimmedMean, gj.attacks.ALIE
    assert labels_of([1, 2.5]) == [1, 2.5] and labels_of(["a", "b"]) == ["a", "b"]
    assert labels_of([gj.aggregators.Mean(), T(f=1), T(f=2)]) == ["Mean", "TrimmedMean(f=1.0)", "TrimmedMean(f=2.0)"]
    assert labels_of([A(), A(sign=1)]) == ["ALIE(sign=-1)", "ALIE(sign=1)"]
    assert labels_of([T(), T()]) == ["TrimmedMean #1", "TrimmedMean #2"]
    assert labels_of([jnp.tanh, jax.nn.relu]) == ["tanh", "relu"]


def test_setting_fields_checks_and_converts():
    sim = simulation(metrics=(gj.metrics.Every(2, gj.metrics.TrainingLoss()),))
    sim, missing = set_paths(sim, {F: 2, "learner.beta": 0.5, "nowhere.x": 1, "metrics.2.every": 3})
    protocol, metric, learner = sim.protocol, sim.metrics[2], sim.learner
    assert isinstance(protocol, gj.protocols.Server) and isinstance(protocol.aggregator, gj.aggregators.TrimmedMean)
    assert protocol.aggregator.f.dtype == jnp.result_type(float) and missing == {"nowhere.x"}
    assert isinstance(metric, gj.metrics.Every) and metric.every == 3
    assert isinstance(learner, gj.learners.Momentum) and learner.beta == 0.5
    with pytest.raises(gj.ConfigurationError, match="Momentum: convention='median': use"):
        set_paths(simulation(), {"learner.convention": "median"})


def test_the_name_of_a_cell_changes_with_every_field():
    def name(sim=None, rounds=5, seed=0, participation=None):
        (cell,) = build_cells(simulation() if sim is None else sim, [], [seed], rounds, participation)
        return cell.name

    names = [
        name(),
        name(simulation(f=1.5)),
        name(simulation(lr=0.11)),
        name(simulation(beta=0.8)),
        name(simulation(byzantine=2)),
        name(simulation(attack=gj.attacks.ALIE(z=1.0))),
        name(simulation(attack=gj.attacks.ALIE(ddof=0))),
        name(simulation(metrics=(gj.metrics.Every(2, gj.metrics.TrainingLoss()),))),
        name(simulation(n=7)),
        name(rounds=6),
        name(seed=1),
        name(participation=np.ones(6)),
        name(participation=np.full(6, 0.5)),
    ]
    assert len(set(names)) == len(names)
    assert name() == names[0] and all(len(n) == 16 for n in names)


def test_grouping_does_not_merge_what_differs_elsewhere():
    sims = [simulation(n=n, rule=rule()) for n, rule in itertools.product((6, 7), RULES.values())]
    cells = [build_cells(sim, [], [0], 3, None)[0] for sim in sims]
    assert len(group_cells(cells, False)) == 6
    assert [len(group.cells) for group in group_cells(cells, True)] == [3, 3]
    assert [len(group.cells) for group in group_cells(cells, "auto")] == [1] * 6


@pytest.mark.slow
def test_gossip_merges_attacks_and_keeps_rules_apart():
    def build(attack, rule):
        base = simulation(attack=attack, byzantine=1)
        graph = gj.topologies.ring(6, degree=4)
        return gj.Simulation(base.task, gj.protocols.Gossip(rule, graph), attack=attack, byzantine=1)

    attacks, rules = [gj.attacks.NoAttack(), gj.attacks.ALIE()], [gj.aggregators.Mean(), Remembering()]
    cells = [build_cells(build(a, r), [], [0], 3, None)[0] for a in attacks for r in rules]
    assert [len(group.cells) for group in group_cells(cells, True)] == [2, 2]
    merged = play(build, {"attack": attacks, "rule": rules[:1]}, rounds=3, merge=True).dataset["loss"]
    run = gj.simulate(build(attacks[1], rules[0]), 3, progress=None)
    np.testing.assert_allclose(merged.sel(attack="ALIE").squeeze(), run.record["loss"], rtol=2e-5)
    assert not np.array_equal(merged.sel(attack="ALIE"), merged.sel(attack="NoAttack"))


def test_saved_and_shown(tmp_path):
    import xarray

    result = play(simulation(), {F: [1, 2], "attack": [gj.attacks.ALIE(z=1.0), gj.attacks.ALIE()]})
    back = xarray.load_dataset(result.save(tmp_path / "all.nc"))
    assert back.equals(result.dataset) and back.attrs == result.dataset.attrs
    assert repr(result) == f"Sweep(2 {F} x 2 attack x 1 seed; 4/4 cells done)" and "4/4" in result._repr_html_()
    assert result.final("loss").dims == (F, "attack", "seed")
    assert result.worst_case("loss")["worst"].dims == (F,) and result.worst_case("loss").attrs["worst"] == "highest"


@pytest.mark.slow
def test_every_attack_and_rule_in_one_program():
    from ghostjax._sweep._switch import switch

    def shipped(package, base, **given):
        kinds = [k for k in vars(package).values() if isinstance(k, type) and issubclass(k, base)]
        kinds = [k for k in kinds if not k.__name__.startswith("Abstract") and not getattr(k, "per_receiver", False)]
        kinds = [k for k in kinds if not issubclass(k, gj.attacks.AbstractDataAttack)]  # these need classes
        kinds = [k for k in kinds if k is not gj.attacks.Backdoor]  # or an audit set
        return {k.__name__: k() for k in kinds if not required(k)}

    def required(kind):
        fields = dataclasses.fields(kind)
        return [f for f in fields if f.default is f.default_factory is dataclasses.MISSING]

    attacks = shipped(gj.attacks, gj.attacks.AbstractAttack)
    rules = shipped(gj.aggregators, gj.aggregators.AbstractAggregator)
    assert len(attacks) >= 10 and len(rules) >= 6
    axes = {"attack": attacks, "protocol.aggregator": rules}
    result = play(simulation(n=8), axes, rounds=2, merge=True)
    assert result.finished
    assert switch(gj.attacks.AbstractAttack, tuple(attacks.values())).knows == "defence"
    assert switch(gj.aggregators.AbstractAggregator, tuple(rules.values())).certificate_kind == "none"
    attack, rule = list(attacks)[1], list(rules)[2]
    run = gj.simulate(simulation(n=8, attack=attacks[attack], rule=rules[rule]), 2, progress=None)
    cell = result.dataset["norm"].sel({"attack": attack, "protocol.aggregator": rule}).squeeze()
    np.testing.assert_allclose(cell, run.record["norm"], rtol=2e-5)
