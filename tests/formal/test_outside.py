"""What jax clamps, drops or rounds without a word is found, with a counterexample or at the start, by every engine."""

from typing import Any, NamedTuple

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax import ConfigurationError
from ghostjax.formal import Action, check, fuzz, Program, Spec, Symmetry, Unsound, Var

from .small import pair


class Queue(NamedTuple):
    q: Any
    n: Any


def queue(fn, params=None, ok=lambda s: s.n >= 0, **rest):
    """Two places, and a number of up to 3 of which they hold 2."""
    return Spec(
        "queue", Queue, {"q": Var((2,), 1), "n": Var((), 3)}, [Queue(np.zeros(2, int), 0)],
        (Action("Step", fn, params or {}),), invariants={"Ok": ok}, **rest,
    )  # fmt: skip


def step(change):
    """While n < 3: what `change` makes of the queue, and one more."""
    return lambda s, bug: (s.n < 3, s._replace(q=change(s.q, s.n), n=s.n + 1))


def put(q, n):
    return q.at[n].set(1)


WRONG = {
    "dropped": (step(put), 4, "writes q at 2, which has 2 along axis 0"),
    "added": (step(lambda q, n: q.at[n].add(1)), 4, "writes q at 2"),
    "read": (step(lambda q, n: q.at[0].set(q[n])), 4, "reads q at 2"),
    "taken": (step(lambda q, n: q.at[0].set(jnp.take(q, n))), 4, "reads q at 2"),
    "many": (step(lambda q, n: q.at[0].set(q[jnp.stack([n, n])].max())), 4, "at 2, which has 2"),
    "window": (step(lambda q, n: jax.lax.dynamic_update_slice(q, q[:1], (n,))), 4, "writes q at 2"),
    "negative": (step(lambda q, n: q.at[n - 1].set(1)), 2, "a negative index, -1"),
    "negative take": (step(lambda q, n: q.at[0].set(jnp.take(q, n - 1))), 2, "a negative index, -1"),
    "constant": (step(lambda q, n: q.at[5].set(1)), 2, "writes q at 5"),
    "guard": (lambda s, bug: (s.q[s.n] == 0, s._replace(q=put(s.q, s.n), n=s.n + 1)), 4, "reads q at 2"),
    "loop": (step(lambda q, n: jax.lax.fori_loop(0, n + 1, lambda i, q: q.at[i].set(1), q)), 4, ""),
    "chosen": (step(lambda q, n: jnp.where(n < 3, put(q, n), q)), 4, "writes q at 2"),
    "scan": (step(lambda q, n: jax.lax.scan(lambda c, i: (c.at[i].set(1), i), q, n + jnp.arange(2))[0]), 3, ""),
}  # fmt: skip
RIGHT = {
    "where": step(lambda q, n: jnp.where(n < 2, put(q, n), q)),
    "cond": step(lambda q, n: jax.lax.cond(n < 2, lambda q: put(q, n), lambda q: q, q)),
    "clipped": step(lambda q, n: q.at[jnp.minimum(n, 1)].set(1)),
    "said": step(lambda q, n: q.at[0].set(q.at[n].get(mode="fill", fill_value=0))),
    "guarded": lambda s, bug: ((s.n < 2) & (s.q[s.n] == 0), s._replace(n=s.n + 1)),
    "last": step(lambda q, n: q.at[-1].set(1)),
    "masked": step(lambda q, n: q.at[0].set((n < 2).astype(jnp.int32) * q[n])),
    "modulo": step(lambda q, n: q.at[(n - 1) % 2].set(1)),
}
COMPILED = ("dropped", "negative take", "guard", "loop", "scan", "window")


@pytest.mark.parametrize(
    ("engine", "name"),
    [("numpy", name) for name in WRONG]
    + [pytest.param("xla", name, marks=[] if name in COMPILED else pytest.mark.slow) for name in WRONG],
)
def test_a_read_or_write_outside_an_array_is_a_violation_with_its_counterexample(engine, name):
    fn, length, said = WRONG[name]
    report = check(Program(queue(fn), engine))
    assert report.trace is not None
    assert report.properties == ("OutOfBounds",) and report.trace.length == length
    assert str(report.trace.steps[-1].label) == "Step()" and said in report.problems[0]


@pytest.mark.parametrize(
    ("engine", "name"),
    [("numpy", name) for name in RIGHT]
    + [pytest.param("xla", name, marks=[] if name in ("where", "masked") else pytest.mark.slow) for name in RIGHT],
)
def test_what_is_left_out_or_said_is_none(engine, name):
    assert check(Program(queue(RIGHT[name]), engine)).verdict == "ok"


def test_a_parameter_counts_from_the_end_as_in_python():
    ring = lambda s, i, bug: (s.q[i - 1] < 1, s._replace(q=s.q.at[i].set(1)))
    assert check(queue(ring, {"i": 2})).ok
    assert check(Program(queue(ring, {"i": 2}), "xla")).ok
    assert check(queue(lambda s, i, bug: (s.q[i - 3] < 1, s), {"i": 2})).properties == ("OutOfBounds",)


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_claim_that_looks_outside_does_not_hold(engine):
    right = RIGHT["where"]
    report = check(Program(queue(right, ok=lambda s: s.q[s.n] <= s.n), engine))
    assert report.trace is not None
    assert report.properties == ("Ok",) and report.trace.length == 3
    assert report.problems == ("Ok: reads q at 2, which has 2 along axis 0",)
    masked = queue(right, ok=lambda s: (s.n >= 2) | (s.q[s.n] == 0), witnesses={"three": lambda s: s.n == 3})
    assert check(Program(masked, engine)).ok
    # What a constraint cannot tell is explored.
    assert check(Program(queue(right, constraint=lambda s: s.q[s.n] == 0), engine)).distinct == 4


@hypothesis.settings(max_examples=8, deadline=None, derandomize=True, database=None)
@hypothesis.given(st.lists(st.integers(-3, 3), min_size=4, max_size=4), st.integers(0, 4), st.booleans())
def test_drawn_indices_are_judged_as_python_judges_them(table, upto, write):
    """Index `table[n]` is used where n < upto; Python lists know which is outside."""

    def change(q, n):
        at = jnp.asarray(table)[n]
        return jnp.where(n < upto, q.at[at].set(1) if write else q.at[0].set(q[at]), q)

    bad = next((n for n in range(3) if n < upto and not 0 <= table[n] <= 1), None)
    report = check(queue(step(change)))
    if bad is None:
        assert report.ok
    else:
        assert report.properties == ("OutOfBounds",) and report.trace is not None and report.trace.length == bad + 2


def test_a_value_beyond_its_bounds_is_shown_as_it_would_be():
    report = check(pair([Action("Up", lambda s, bug: (s.x >= 0, s._replace(x=s.x + 1)))]))
    assert report.problems == ("Up(): x becomes 4, declared 0..3",)
    assert report.trace is not None
    assert report.trace.steps[-1].state["x"] == 4 and report.trace.steps[-1].changed == ("x",)


ok = lambda s: s.n >= 0


@pytest.mark.parametrize(
    ("fn", "claim", "message"),
    [
        (lambda s, bug: (s.n < 3, s._replace(n=s.n / 2)), ok, "queue: Step: n becomes float32, which would be rounded"),
        (lambda s, bug: s.n < 3, ok, r"queue: Step: returns \w+; return \(enabled, next_state\)"),
        (lambda s, bug: (s.q > 0, s), ok, r"queue: Step: enabled: has shape \(2,\); give one truth value"),
        (step(lambda q, n: q[:1]), ok, r"queue: Step: q becomes \(1,\), declared \(2,\)"),
        (RIGHT["where"], lambda s: s.q >= 0, r"queue: Ok: has shape \(2,\); give one truth value, with .all"),
        (RIGHT["where"], lambda s: s.n.astype(jnp.float32), "queue: Ok: is float32; compare it"),
        (RIGHT["where"], lambda s: None, "queue: Ok: returns nothing"),
    ],
)
@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_what_is_no_number_of_a_state_is_refused_in_one_line(fn, claim, message, engine):
    with pytest.raises(ConfigurationError, match=message) as caught:
        check(Program(queue(fn, ok=claim), engine))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init": [Queue(np.zeros(2), 0.5)]}, r"queue: init: n=\[0.5\]: a state holds whole numbers"),
        ({"init": [Queue(np.zeros(3), 0)]}, "queue: init: q has another shape than declared"),
        ({"init": []}, "queue: init=.*give at least one"),
        ({"variables": {"q": Var((2,), 1), "n": Var((), -1)}}, r"queue: Var\(n\): 0..-1: give low <= high"),
        ({"symmetry": (Symmetry({"p": 0}, 0, 2),)}, "symmetry: .*no variable named p; known: q, n"),
        ({"symmetry": (Symmetry({"n": 0}, 0, 2),)}, "n has no axis 0"),
        ({"symmetry": (Symmetry({"q": 0}, 0, 3),)}, r"axis 0 of q has the identities 0\.\.1"),
        ({"actions": (Action("A", RIGHT["where"], {"k": 0}),)}, "queue: A: k=0: give a number of values"),
        ({"actions": (Action("A", RIGHT["where"]),) * 2}, "actions: A is there twice"),
    ],
)
def test_what_cannot_be_declared_is_refused(change, message):
    with pytest.raises(ConfigurationError, match=message):
        check(queue(RIGHT["where"])._replace(**change))


class Election(NamedTuple):
    voted: Any
    leader: Any


def election(vote, **rest):
    return Spec(
        "election", Election, {"voted": Var((3,), 1), "leader": Var((), 3)}, [Election(np.zeros(3, int), 3)],
        (Action("Vote", vote, {"i": 3}),), symmetry=(Symmetry({"voted": 0}, 0, 3),), **rest,
    )  # fmt: skip


def fair_vote(s, i, bug):
    return s.voted[i] == 0, s._replace(voted=s.voted.at[i].set(1))


@pytest.mark.parametrize("engine", ["numpy", pytest.param("xla", marks=pytest.mark.slow)])
def test_a_false_symmetry_is_refused_and_the_state_shown(engine):
    stores = lambda s, i, bug: (fair_vote(s, i, bug)[0], fair_vote(s, i, bug)[1]._replace(leader=i))
    barred = lambda s, i, bug: (fair_vote(s, i, bug)[0] & (i != 2), fair_vote(s, i, bug)[1])
    for vote in (stores, barred):
        with pytest.raises(Unsound, match=r"symmetry: .*of the state voted = \[0, .* not lead to the same") as caught:
            check(election(vote), engine=engine)
        assert "\n" not in str(caught.value)
    # Explored are sorted states, in which the claim holds; it does not in the same states renamed.
    first = {"FirstLast": lambda s: s.voted[0] <= s.voted[2]}
    with pytest.raises(Unsound, match=r"FirstLast holds in one of them only"):
        check(election(fair_vote, invariants=first), engine=engine)
    assert check(election(fair_vote), engine=engine).ok


def test_play_that_never_moves_fails_and_an_action_that_is_never_played_is_named():
    never = Action("Never", lambda s, bug: (s.x > 3, s))
    with pytest.raises(AssertionError, match=r"fuzz: pair: took no step in .* nothing enabled Never"):
        fuzz(pair([never]), examples=3)
    up = Action("Up", lambda s, bug: (s.x < 3, s._replace(x=s.x + 1)))
    with pytest.warns(UserWarning, match=r"fuzz: pair: random play never took Never in \d+ steps"):
        statistics = fuzz(pair([up, never]), examples=3, steps=5)
    assert statistics.never == ("Never",) and "never Never" in str(statistics)
