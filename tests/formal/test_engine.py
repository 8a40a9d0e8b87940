"""The explorer: the same graph from both engines, any batch size and number of threads, and from a search by hand."""

import os

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax.formal import _program, Action, check, Mutant, Program, Symmetry, Unsound, Var
from ghostjax.formal._encoding import columns_of, encoding, keys, pack_many, unpack_many, words_of, words_of_columns
from ghostjax.formal._explore import explore
from ghostjax.formal._lower import lower
from ghostjax.formal._plan import Plan
from ghostjax.formal._symbolic import Expressions, Unknown
from ghostjax.formal._table import Table

from .small import Pair, pair, replay, search, table_action, wide
from .specifications import module
from .test_numpy import arguments, program as operations


def same_exploration(a, b):
    for field in a._fields:
        if field in ("seconds", "edges"):
            continue
        x, y = getattr(a, field), getattr(b, field)
        assert np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y, field
    if a.edges is not None:
        assert sorted(zip(*map(np.ndarray.tolist, a.edges), strict=True)) == sorted(
            zip(*map(np.ndarray.tolist, b.edges), strict=True)
        )


def two_phase(managers=3):
    """Two-phase commit and the symmetry of its resource managers."""
    found = module("classic/two_phase")
    return found.spec(found.Bounds(managers))


# -- expressions


def test_every_operation_lowers_to_what_xla_computes():
    x, i, j, m = arguments()
    i = np.resize(i, 40)
    j = np.resize(j, 40)
    shapes = [jax.ShapeDtypeStruct(a.shape[1:], jnp.int32) for a in (x, i, j, m)]
    closed = jax.make_jaxpr(operations)(*shapes)
    names = sorted(jax.eval_shape(operations, *shapes))
    expected = jax.vmap(operations)(x, i, j, m)
    e = Expressions()
    layout = encoding({"x": Var((5,), 5), "i": Var((), 3), "j": Var((), 2), "m": Var((4, 3), 5)})
    highs = np.repeat([5, 3, 2, 5], [5, 1, 1, 12])
    inputs = np.array([e.input(k, 0, int(high)) for k, high in enumerate(highs)])
    parts = [inputs[:5], inputs[5], inputs[6], inputs[7:].reshape(4, 3)]
    words, inside = pack_many(layout, {"x": x, "i": i[:, None], "j": j[:, None], "m": m.reshape(40, 12)})
    assert inside.all()
    for name, out in zip(names, lower(e, closed, parts), strict=True):
        values = Plan(e, layout, np.ravel(out).tolist())(columns_of(words))
        theirs = np.asarray(expected[name]).reshape(40, -1)
        ours = np.stack([np.broadcast_to(v, 40) for v in values], axis=1)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
        for at, column in zip(np.ravel(out), theirs.T, strict=True):
            assert e.low[at] <= column.min() and column.max() <= e.high[at], f"{name}: the range is wrong"


def test_an_index_out_of_range_reads_and_writes_what_xla_does():
    def program(x, i):
        return {
            "fill": x.at[i - 2].get(mode="fill", fill_value=7), "clip": x.at[i - 2].get(mode="clip"), "plain": x[i - 2],
            "drop": x.at[i].set(9, mode="drop"), "clipped": x.at[i + 1].set(9, mode="clip"), "add": x.at[i].add(i),
            "slice": jax.lax.dynamic_slice(x, (i - 1,), (2,)),
            "update": jax.lax.dynamic_update_slice(x, x[:2], (i - 1,)),
            "switch": jax.lax.switch(i, [lambda v: v.sum(), lambda v: v[0], lambda v: v.max()], x),
            "scan": jax.lax.scan(lambda c, v: (c + v, c * 2), jnp.int32(0), x)[1],
            "least": jnp.argmin(x), "rank": jnp.argsort(x), "floor": (x - 2) // 2, "mod": (x - 2) % 3,
        }  # fmt: skip

    rng = np.random.default_rng(1)
    x, i = rng.integers(0, 4, (60, 3)).astype(np.int32), rng.integers(0, 6, 60).astype(np.int32)
    expected = jax.vmap(program)(x, i)
    e = Expressions()
    layout = encoding({"x": Var((3,), 3), "i": Var((), 5)})
    inputs = [e.input(k, 0, high) for k, high in enumerate((3, 3, 3, 5))]
    closed = jax.make_jaxpr(program)(jnp.zeros(3, jnp.int32), jnp.int32(0))
    words, _ = pack_many(layout, {"x": x, "i": i[:, None]})
    for name, out in zip(sorted(expected), lower(e, closed, [np.array(inputs[:3]), np.array(inputs[3])]), strict=True):
        values = Plan(e, layout, np.ravel(out).tolist())(columns_of(words))
        ours = np.stack([np.broadcast_to(v, 60) for v in values], axis=1)
        np.testing.assert_array_equal(ours, np.asarray(expected[name]).reshape(60, -1), err_msg=name)


@pytest.mark.parametrize(
    "function",
    [lambda x: jnp.sin(x.astype(jnp.float32)), lambda x: x * 2**20 * 2**20, lambda x: x // (x - 1), lambda x: 1 << x],
)
def test_what_has_no_form_is_said(function):
    e = Expressions()
    closed = jax.make_jaxpr(function)(jnp.int32(0))
    with pytest.raises(Unknown):
        lower(e, closed, [np.array(e.input(0, -5, 5))])


def test_what_has_no_form_is_compiled_instead():
    # x & y is known to neither expressions nor ranges; XLA and the operation-by-operation path know it.
    bits = Action("Bits", lambda s, bug: (s.x < 3, Pair(s.x + 1, s.y | s.x)))
    spec = pair([bits])
    automatic = Program(spec)
    assert automatic.lowered is None and automatic.engine == "xla"
    interpreted = Program(spec, "numpy")
    assert interpreted.lowered is None and interpreted.engine == "numpy"
    same_exploration(explore(automatic), explore(interpreted))
    assert len(explore(automatic).keys) == search(spec)[0] == 4


# -- encoding and the set of keys


def test_wide_states_survive_the_round_trip_and_both_engines_agree():
    spec = wide()
    layout = encoding(spec.variables)
    assert layout.bits > 64 and layout.words % 2 == 0
    one, other = (explore(Program(spec, engine), keep_edges=True) for engine in ("numpy", "xla"))
    same_exploration(one, other)
    assert (len(one.keys), one.generated, one.depth, one.terminal) == search(spec)
    words = words_of(one.keys, layout.words)
    again, inside = pack_many(layout, unpack_many(layout, words))
    assert inside.all()
    np.testing.assert_array_equal(again, words)
    np.testing.assert_array_equal(words_of_columns(columns_of(words)), words)
    assert len(np.unique(keys(words))) == len(words)


@pytest.mark.parametrize("name", ["slashing", "gossip_log", "classic/ewd840"])
def test_every_reachable_state_survives_the_round_trip(name):
    program = Program(module(name).spec())
    graph = explore(program)
    words = words_of(graph.keys, program.layout.words)
    again, inside = pack_many(program.layout, unpack_many(program.layout, words))
    assert inside.all()
    np.testing.assert_array_equal(again, words)


def test_no_key_is_all_ones():
    for count in (31, 32, 33, 63, 64, 65):
        layout = encoding({"b": Var((count,), 1)})
        words, _ = pack_many(layout, {"b": np.ones((1, count), np.int32)})
        assert (columns_of(words) != np.uint64(2**64 - 1)).all()


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
@hypothesis.given(st.integers(1, 3), st.lists(st.lists(st.integers(0, 40), max_size=60), max_size=6))
def test_the_table_is_a_set(columns, batches):
    # Keys that differ in one column only, and few of them, so that probes meet.
    table, held = Table(columns, numbered=True, size=16), {}
    spread = lambda n: [n % 3, n, n // 7][:columns] if columns > 1 else [n << 32]
    for batch in batches:
        different = sorted(set(batch))
        rows = np.array([spread(n) for n in different], np.uint64).reshape(len(different), columns).T
        rows = np.ascontiguousarray(rows)
        names = [tuple(row) for row in rows.T.tolist()]
        unique = list(dict.fromkeys(names))
        rows = np.array(unique, np.uint64).reshape(len(unique), columns).T.copy()
        missing = [i for i, key in enumerate(unique) if key not in held]
        assert table.missing(rows).tolist() == missing
        assert table.add(rows).tolist() == missing
        for i in missing:
            held[unique[i]] = len(held)
        assert table.count == len(held)
        assert table.numbers(rows).tolist() == [held[key] for key in unique]


# -- one graph, however it is found


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_batches_and_threads_do_not_show(engine, monkeypatch):
    spec = two_phase()
    expected = explore(Program(spec, "numpy"), keep_edges=True)
    assert (len(expected.keys), expected.generated, expected.depth) == (288, 1146, 11)
    monkeypatch.setattr(_program.Program, "SIZES", {"lowered": (7,), "numpy": (7,), "xla": (8, 16)})
    for threads in (1, 3):
        same_exploration(expected, explore(Program(spec, engine), keep_edges=True, threads=threads))


def test_a_system_that_does_not_tell_the_usable_cores(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert len(explore(Program(two_phase(), "numpy")).keys) == 288


@hypothesis.settings(max_examples=15, deadline=None, derandomize=True)
@hypothesis.given(st.integers(0, 10**6))
def test_random_graphs_equal_a_search_by_hand(seed):
    rng = np.random.default_rng(seed)
    actions = [table_action(name, rng.integers(-3, 12, (12, 2)), 2) for name in ("A", "B")]
    spec = pair(actions, x=11, y=0, init=[(int(rng.integers(12)), 0), (0, 0), (0, 0)])
    found = explore(Program(spec))
    assert (len(found.keys), found.generated, found.depth, found.terminal) == search(spec)


def test_a_table_that_forgets_is_noticed(monkeypatch):
    monkeypatch.setattr(Table, "missing", lambda self, keys: np.arange(keys.shape[1] // 2))
    assert len(explore(Program(two_phase(), "numpy")).keys) != 288


# -- verdicts


def up(limit=None):
    enabled = (lambda s: s.x < limit) if limit is not None else (lambda s: jnp.asarray(True))
    return Action("Up", lambda s, bug: (enabled(s), s._replace(x=s.x + 1)))


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_out_of_bounds_is_an_error_of_its_own_with_its_label(engine):
    # 3 + 1 = 4 would alias y = 1: the flag is looked at before the bits.
    report = check(Program(pair([up()], invariants={"YIsZero": lambda s: s.y == 0}), engine))
    assert report.verdict == "violated" and report.properties == ("OutOfBounds",)
    assert report.trace is not None
    assert str(report.trace.steps[-1].label) == "Up()" and report.trace.length == 5


def test_an_initial_state_out_of_bounds_is_said():
    report = check(pair([up(3)], init=[(9, 0)]))
    assert report.properties == ("OutOfBounds",) and "initial" in report.problems[0] and report.trace is None


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_deadlock_is_an_error_only_if_the_specification_says_so(engine):
    allowed = check(Program(pair([up(2)]), engine))
    assert allowed.ok and allowed.terminal == 1
    report = check(Program(pair([up(2)], deadlock="error"), engine))
    assert report.trace is not None
    assert report.verdict == "deadlock" and report.trace.length == 3


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_states_outside_the_constraint_are_checked_but_not_expanded(engine):
    spec = pair([up(3)], constraint=lambda s: s.x < 2)
    assert check(Program(spec, engine)).distinct == 3
    report = check(Program(spec._replace(invariants={"Small": lambda s: s.x < 2}), engine))
    assert report.trace is not None
    assert report.properties == ("Small",) and report.trace.length == 3


@pytest.mark.parametrize("budget", [{"max_states": 5}, {"max_seconds": 0.0}])
def test_a_used_up_budget_is_incomplete_never_ok(budget):
    spec = two_phase()
    report = check(spec, **budget)
    assert report.verdict == "incomplete" and not report.ok and report.distinct < 288
    for mutant in spec.mutants:
        assert check(spec, mutant, **budget).verdict in ("incomplete", "violated")


def test_vacuous_claims_are_not_ok():
    never = Action("Never", lambda s, bug: (s.x > 5, s))
    report = check(pair([up(3), never], witnesses={"nine": lambda s: s.y == 3}))
    assert report.verdict == "vacuous"
    assert report.problems == ("nine: never reached", "Never: never enabled")


def test_every_violated_invariant_is_named_and_coverage_counts_edges():
    spec = pair([up(3)], invariants={"A": lambda s: s.x < 2, "B": lambda s: s.x != 2, "C": lambda s: s.x < 9})
    assert check(spec).properties == ("A", "B")
    coverage = check(pair([up(3)])).coverage
    assert coverage == {"Up": {"enabled": 3, "first": 3, "deepest": 4}}


def test_a_step_invariant_fires_before_the_invariant_of_the_state_it_leads_to():
    spec = pair([up(3)], invariants={"Small": lambda s: s.x < 2}, steps={"Slow": lambda s, t: t.x < 2})
    report = check(spec)
    assert report.trace is not None
    assert report.properties == ("Slow",) and report.trace.length == 3


def test_mutants_need_no_further_trace(monkeypatch):
    def step(s, bug):
        return s.x < 2 + bug, s._replace(x=s.x + 1)

    spec = pair([Action("Up", step)], invariants={"Small": lambda s: s.x <= 2},
                mutants=(Mutant("one_more", 1, "Small", 4),))  # fmt: skip
    program = Program(spec)
    assert check(program).ok
    traces = []
    monkeypatch.setattr(jax, "make_jaxpr", lambda *a, **k: traces.append(a))
    report = check(program, spec.mutants[0])
    assert report.trace is not None
    assert report.properties == ("Small",) and report.trace.length == 4 and not traces


def test_a_shape_that_changes_is_refused_by_name():
    grow = Action("Grow", lambda s, bug: (s.x < 3, s._replace(x=jnp.stack([s.x, s.x]))))
    with pytest.raises(ValueError, match=r"pair: Grow: x becomes \(2,\), declared \(\)"):
        Program(pair([grow]))


# -- counterexamples


def test_counterexamples_are_behaviours_and_wrong_labels_are_noticed(monkeypatch):
    spec = two_phase()
    spec = spec._replace(invariants={"NobodyAborts": lambda s: ~((s.rm == 3).any() & (s.rm == 1).any())}, mutants=())
    report = check(spec)
    assert report.verdict == "violated"
    replay(spec, report.trace)
    program = Program(spec)
    program.labels = program.labels[::-1]
    with pytest.raises(AssertionError, match=r"not enabled|leads elsewhere"):
        replay(spec, check(program).trace)


# -- symmetry


def canonical(program, fields):
    words, _ = pack_many(program.layout, fields)
    return program.canonical(words)


@pytest.mark.parametrize("engine", ["numpy", pytest.param("xla", marks=pytest.mark.slow)])
def test_representatives_are_idempotent_and_the_same_for_every_permutation(engine):
    found = module("slashing")
    spec = found.spec()._replace(leads_to=())
    reduced = Program(spec._replace(symmetry=found.symmetry()), engine)
    graph = explore(Program(spec))
    fields = unpack_many(reduced.layout, words_of(graph.keys, reduced.layout.words))
    once = canonical(reduced, fields)
    np.testing.assert_array_equal(once, reduced.canonical(once))
    order = np.array([1, 0, 2])
    permuted = {name: values[:, order] for name, values in fields.items()}
    np.testing.assert_array_equal(once, canonical(reduced, permuted))
    # One state per orbit, no more and no fewer.
    assert len(np.unique(keys(once))) == len(explore(reduced).keys)


def test_a_representative_of_part_of_the_row_is_not_canonical():
    found = module("slashing")
    part = Symmetry({"bond": 0, "off": 0}, 0, 2)
    spec = found.spec()._replace(leads_to=())
    program = Program(spec._replace(symmetry=(part,)))
    fields = unpack_many(program.layout, words_of(explore(Program(spec)).keys, program.layout.words))
    permuted = {name: values[:, [1, 0, 2]] for name, values in fields.items()}
    assert (canonical(program, fields) != canonical(program, permuted)).any()


# -- traces under symmetry


@pytest.mark.parametrize(
    "name",
    ["slashing", *(pytest.param(n, marks=pytest.mark.slow) for n in ("robust_round", "admission", "gossip_log"))],
)
def test_counterexamples_under_symmetry_can_be_executed(name):
    found = module(name)
    spec = found.spec()._replace(leads_to=())
    reduced = Program(spec._replace(symmetry=found.symmetry()))
    for mutant in spec.mutants:
        trace = check(reduced, mutant).trace
        assert trace is not None
        assert trace.length == mutant.length
        replay(spec, trace, mutant.bug)


def test_a_state_out_of_bounds_under_symmetry_is_reached_by_a_behaviour():
    found = module("slashing")
    spec = found.spec()._replace(leads_to=(), mutants=(), invariants={}, steps={})
    spec = spec._replace(variables={**spec.variables, "done": Var((3,), 0)}, symmetry=found.symmetry())
    trace = check(spec).trace
    assert trace is not None
    assert [step.label.action for step in trace.steps[1:] if step.label is not None] == ["Offend", "Report", "Slash"]
    last = trace.steps[-1].label
    assert last is not None and last.params == {"i": 2}


def test_identities_that_are_not_interchangeable_are_found_out_by_the_replay():
    """The last node is the bad one, and cannot change places with an honest one."""
    found = module("slashing")
    spec = found.spec()._replace(leads_to=(), invariants={}, steps={})
    spec = spec._replace(symmetry=(Symmetry(dict.fromkeys(spec.variables, 0), 0, 3),))
    with pytest.raises(Unsound, match=r"no renaming of state 3 allows Offend\(\)"):
        check(spec._replace(invariants={"OneOffender": lambda s: s.off.sum() <= 1}))
    with pytest.raises(Unsound, match="NamesOne holds in a state whose representative breaks it"):
        check(spec._replace(invariants={"NamesOne": lambda s: s.off[0] == 0}))
