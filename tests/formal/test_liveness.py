"""Leads-to under weak fairness: known verdicts, random graphs against all lassos there are, lassos that replay."""

import itertools

import hypothesis
import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax.formal import Action, check, Fair, LeadsTo, Program, Symmetry, Unsound
from ghostjax.formal._encoding import unpack_many, words_of
from ghostjax.formal._explore import explore
from ghostjax.formal._liveness import leads_to

from .small import as_tuple, pair, replay, successors, table_action


ALWAYS = lambda s: jnp.asarray(True)
UP = Action("Up", lambda s, bug: (s.x < 2, s._replace(x=s.x + 1)))
UP_WHEN_LIT = Action("Up", lambda s, bug: ((s.x < 2) & (s.y == 0), s._replace(x=s.x + 1)))
TOGGLE = Action("Toggle", lambda s, bug: (ALWAYS(s), s._replace(y=1 - s.y)))
IDLE = Action("Idle", lambda s, bug: (ALWAYS(s), s))
TOP = lambda s: s.x == 2


def verdict(actions, claim, **rest):
    spec = pair(actions, x=2, y=1, leads_to=(claim,), **rest)
    report = check(spec)
    assert report.verdict == ("ok" if claim.holds else "violated"), report
    return spec, report


@pytest.mark.parametrize(
    ("actions", "fair", "holds"),
    [
        ((UP, TOGGLE), (Fair("Up"),), True),
        ((UP, TOGGLE), (), False),
        ((UP, TOGGLE), (Fair("Toggle"),), False),
        # Weak fairness does not help an action that is disabled again and again.
        ((UP_WHEN_LIT, TOGGLE), (Fair("Up"), Fair("Toggle")), False),
        ((UP_WHEN_LIT, TOGGLE), (Fair("Up"),), False),
        # A step that changes nothing is no step: it neither enables nor satisfies fairness.
        ((UP, IDLE), (Fair("Idle"),), False),
        ((UP, IDLE), (Fair("Idle"), Fair("Up")), True),
    ],
)
def test_known_verdicts(actions, fair, holds):
    spec = pair(actions, x=2, y=1, leads_to=(LeadsTo("Top", ALWAYS, TOP, fair),))
    report = check(spec)
    assert report.liveness[0].holds is holds
    assert report.verdict == ("ok" if holds else "violated")
    assert check(spec._replace(leads_to=(spec.leads_to[0]._replace(holds=False),))).ok is not holds


def test_fairness_of_a_union_is_weaker_than_of_each_label():
    # Serving y for ever is fair to "Serve" as a whole, and starves x.
    def serve(s, k, bug):
        return jnp.where(k == 0, s.x, s.y) > 0, s._replace(x=jnp.where(k == 0, 0, s.x), y=jnp.where(k == 0, s.y, 0))

    refill = Action("Refill", lambda s, bug: (s.y == 0, s._replace(y=jnp.int32(1))))
    actions = (Action("Serve", serve, {"k": 2}), refill)
    waits = lambda per: LeadsTo("Served", lambda s: s.x > 0, lambda s: s.x == 0, (Fair("Serve", per),))
    for per, holds in ((False, False), (True, True)):
        spec = pair(actions, x=1, y=1, init=[(1, 1)], leads_to=(waits(per),))
        assert check(spec).liveness[0].holds is holds


def test_the_lasso_is_a_behaviour_that_is_fair_and_never_gets_there():
    claim = LeadsTo("Top", ALWAYS, TOP, (Fair("Up"), Fair("Toggle")))
    spec = pair((UP_WHEN_LIT, TOGGLE), x=2, y=1, leads_to=(claim,))
    trace = check(spec).trace
    states = replay(spec, trace)
    assert trace is not None
    assert trace.loop is not None and as_tuple(states[-1], spec) == as_tuple(states[trace.loop], spec)
    cycle = states[trace.loop :]
    assert all(int(s.x) < 2 for s in cycle)
    labels = [str(step.label) for step in trace.steps[trace.loop + 1 :]]
    for action in ("Up()", "Toggle()"):
        disabled = any(action not in successors(spec, s) for s in cycle)
        assert disabled or action in labels, f"not fair to {action}"
    assert "repeated for ever" in str(trace)


def test_a_premise_that_never_happens_is_vacuous():
    spec = pair((UP,), x=2, y=1, leads_to=(LeadsTo("Empty", lambda s: s.y == 1, TOP, (Fair("Up"),)),))
    report = check(spec)
    assert report.verdict == "vacuous" and report.problems == ("Empty: its premise never happens",)


@pytest.mark.parametrize("rest", [{"symmetry": (Symmetry({}, 0, 1),)}, {"constraint": ALWAYS}])
def test_what_would_mean_nothing_is_refused(rest):
    spec = pair((UP,), x=2, y=1, leads_to=(LeadsTo("Top", ALWAYS, TOP, (Fair("Up"),)),), **rest)
    with pytest.raises(Unsound, match="pair: Top: leads-to is unsound with"):
        check(spec)


def test_an_incomplete_graph_is_refused():
    claim = LeadsTo("Top", ALWAYS, TOP)
    program = Program(pair((UP,), x=2, y=1))
    graph = explore(program, max_states=1, keep_edges=True)
    assert graph.verdict == "incomplete"
    with pytest.raises(Unsound, match="complete"):
        leads_to(program, graph, claim, words_of(graph.keys, program.layout.words))


def test_fairness_of_an_action_that_does_not_exist_is_said():
    with pytest.raises(ValueError, match="fairness of 'Down': no such action"):
        check(pair((UP,), x=2, y=1, leads_to=(LeadsTo("Top", ALWAYS, TOP, (Fair("Down"),)),)))


def some_lasso(edges, p, q, fair):
    """Whether a fair behaviour with P stays outside Q for ever: over all sets of states that a lasso may repeat."""
    count = len(p)
    step = {(a, b) for a, _, b in edges if not q[a] and not q[b]}
    reach = {s for s in range(count) if p[s] and not q[s]}
    while more := {b for a, b in step if a in reach} - reach:
        reach |= more
    for size in range(1, len(reach) + 1):
        for chosen in itertools.combinations(sorted(reach), size):
            inside = set(chosen)
            if not all(_connected(step, inside, s) for s in inside):
                continue
            good = True
            for labels in fair:
                moves = [(a, b) for a, l, b in edges if l in labels and a != b]
                rests = any(all(a != s for a, _ in moves) for s in inside)
                good &= rests or any(a in inside and b in inside for a, b in moves)
            if good:
                return True
    return False


def _connected(step, inside, start):
    seen = {start}
    while more := {b for a, b in step if a in seen and b in inside} - seen:
        seen |= more
    return seen == inside


@pytest.mark.slow
@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
@hypothesis.given(st.integers(0, 10**6))
def test_random_graphs_equal_all_lassos_there_are(seed):
    rng = np.random.default_rng(seed)
    size = 7
    actions = [table_action(name, np.maximum(rng.integers(-9, size, (size, 2)), -1), 2) for name in ("A", "B")]
    p_at, q_at = rng.random(size) < 0.5, rng.random(size) < 0.25
    among = lambda chosen: lambda s: jnp.asarray(chosen)[s.x]
    options = [(), (Fair("A"),), (Fair("A"), Fair("B")), (Fair("A", True),), (Fair("A", True), Fair("B", True))]
    spec = pair(actions, x=size - 1, y=0, init=[(int(rng.integers(size)), 0), (int(rng.integers(size)), 0)])
    program = Program(spec)
    graph = explore(program, keep_edges=True)
    words = words_of(graph.keys, program.layout.words)
    at = unpack_many(program.layout, words)["x"]
    edges = list(zip(*(column.tolist() for column in graph.edges), strict=True)) if graph.edges else []
    for fair in options:
        claim = LeadsTo("Claim", among(p_at), among(q_at), fair)
        sets = [s for f in fair for base in [{"A": 0, "B": 2}[f.action]]
                for s in ([{base}, {base + 1}] if f.per_label else [{base, base + 1}])]  # fmt: skip
        found = leads_to(program, graph, claim, words)
        assert found.holds is not some_lasso(edges, p_at[at], q_at[at], sets), fair
        if not found.holds:
            walk = [*found.prefix, *found.cycle[1:]]
            joined = {(a, b) for a, _, b in edges}
            assert all((a, b) in joined for a, b in itertools.pairwise(walk))
            assert found.cycle[0] == found.cycle[-1] == found.prefix[-1]
            assert not q_at[at][list(found.cycle)].any() and graph.parent[found.prefix[0]] == -1
