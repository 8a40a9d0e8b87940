"""What leaves the checker: TLA+ graphs, ITF and line-delimited traces, pages, and what a referee says about them."""

import json
import re

import jax.numpy as jnp
import pytest

from ghostjax.formal import (
    Action,
    check,
    Fair,
    graph_page,
    LeadsTo,
    Report,
    Spec,
    Symmetry,
    to_itf,
    to_ndjson,
    to_tla,
    trace_page,
    Unsound,
)
from ghostjax.formal._export import judged, parsed, referee

from .small import pair, replay
from .specifications import manifest, program


ALWAYS = lambda s: jnp.asarray(True)
UP = Action("Up", lambda s, bug: (s.x < 2, s._replace(x=s.x + 1)))
PUT = Action("Put", lambda s, k, bug: (s.y == 0, s._replace(y=k + 1)), {"k": 2})
TOP = LeadsTo("Top", ALWAYS, lambda s: s.x == 2, (Fair("Up"), Fair("Put", True)))


def ladder(**rest):
    return pair((UP, PUT), x=2, y=2, name="a ladder", **rest)


def first(pattern, text):
    """The first group of the first match."""
    match = re.search(pattern, text, re.M | re.S)
    assert match is not None, pattern
    return match.group(1)


def read(text):
    """The graph in a module, by a reader that knows nothing of the writer: actions, initial states, sets."""
    actions = {}
    for name, body in re.findall(r"^(\w+)_to == << (.*) >>$", text, re.M):
        actions[name] = [set(map(int, re.findall(r"\d+", one))) for one in re.findall(r"\{([^}]*)\}", body)]
    sets = {
        name: set(map(int, re.findall(r"\d+", body)))
        for name, body in re.findall(r"^(\w+) == s \\in \{(.*)\}$", text, re.M)
    }
    following = first(r"^Next == ([^\n]*)$", text).split(" \\/ ")
    return actions, sets, following


def explored(text):
    """Distinct states, (state, action, successor) triples plus initial states, depth."""
    actions, sets, following = read(text)
    seen, frontier, generated, depth = set(sets["Init"]), set(sets["Init"]), len(sets["Init"]), 0
    while frontier:
        depth += 1
        reached = [t for s in frontier for name in following for t in actions[name][s]]
        generated += len(reached)
        frontier = set(reached) - seen
        seen |= frontier
    return len(seen), generated, depth


@pytest.mark.parametrize("name", ["robust_round", "spot_check", "classic/ewd840"])
def test_the_exported_graph_has_the_counts_of_the_specification(name):
    golden = manifest(name)
    distinct, generated, depth = explored(to_tla(program(name)).text)
    assert (distinct, depth) == (golden["distinct"], golden["depth"])
    # Labels of one action that lead to one state are one step of it.
    assert distinct <= generated <= golden["generated"]


def test_a_lost_transition_is_noticed():
    text = to_tla(ladder()).text
    assert explored(text)[0] == 9
    broken = re.sub(r"(Up_to == << )\{\d+\}", r"\1{}", text)
    assert broken != text and explored(broken)[0] != 9


def test_fairness_is_written_as_it_is_claimed():
    module = to_tla(ladder(leads_to=(TOP,)))
    actions, sets, following = read(module.text)
    assert module.name == "a_ladder" and following == ["Up", "Put"]
    assert "Top_Fair == Safety /\\ WF_s(Up) /\\ WF_s(Put_0) /\\ WF_s(Put_1)" in module.text
    assert set(actions) == {"Up", "Put", "Put_0", "Put_1"}
    assert [a | b for a, b in zip(actions["Put_0"], actions["Put_1"], strict=True)] == actions["Put"]
    assert len(sets["Top_P"]) == 9 and len(sets["Top_Q"]) == 3
    assert set(module.configurations) == {"safety", "Top"}


def test_names_of_actions_and_claims_cannot_clash():
    taken = pair((UP._replace(name="Next"), PUT), x=2, y=2, leads_to=(TOP._replace(name="Put", fair=(Fair("Next"),)),))
    text = to_tla(taken).text
    defined = re.findall(r"^(\w+) ==", text, re.M)
    assert len(defined) == len(set(defined)) and {"Next", "Next_", "Put", "Put_holds"} <= set(defined)
    assert explored(text)[0] == 9


def test_only_a_complete_sound_graph_is_exported():
    with pytest.raises(ValueError, match="incomplete"):
        to_tla(ladder(), max_states=2)
    with pytest.raises(ValueError, match="violated"):
        to_tla(ladder(invariants={"Low": lambda s: s.x < 2}))
    with pytest.raises(Unsound, match="symmetry"):
        to_tla(ladder(leads_to=(TOP,), symmetry=(Symmetry({}, 0, 1),)))


def test_what_a_referee_prints_is_read():
    done = """Model checking completed. No error has been found.
    1,234 states generated, 56 distinct states found, 0 states left on queue.
    The depth of the complete state graph search is 7."""
    assert tuple(parsed(done)) == (56, 1234, 7, False)
    broken = "Error: Temporal properties were violated.\n12 states generated, 5 distinct states found, 1 states left"
    assert parsed(broken).violated
    with pytest.raises(RuntimeError, match="did not come to an end"):
        parsed("Error: could not find or load main class")


@pytest.mark.skipif(referee() is None, reason="GHOSTJAX_TLA2TOOLS names no jar, or there is no java")
@pytest.mark.parametrize("name", ["robust_round", "spot_check"])
def test_a_referee_agrees(name, tmp_path):
    module = to_tla(program(name))
    path, *configurations = module.write(tmp_path)
    golden = manifest(name)
    for configuration in configurations:
        found = judged(referee(), path, configuration)
        which = configuration.stem.removeprefix(f"{module.name}_")
        if which == "safety":
            assert (found.distinct, found.depth) == (golden["distinct"], golden["depth"])
        else:
            assert found.violated is not golden["leads_to"][which]


# -- traces and pages


def violated() -> tuple[Spec, Report]:
    spec = ladder(invariants={"Low</script>": lambda s: s.x < 2}, steps={"Slow": lambda s, t: t.x <= s.x + 1})
    return spec, check(spec)


def test_traces_say_the_same_in_every_format():
    spec, report = violated()
    assert report.trace is not None
    replay(spec, report.trace)
    itf = json.loads(to_itf(report.trace, spec.name))
    assert itf["vars"] == ["x", "y"] and itf["#meta"]["format"] == "ITF"
    assert [s["x"] for s in itf["states"]] == [0, 1, 2]
    lines = [json.loads(line) for line in to_ndjson(report.trace).splitlines()]
    state = {}
    for line, full in zip(lines, itf["states"], strict=True):
        state |= line["obs"]
        assert state == {"x": full["x"], "y": full["y"]}
    assert [line["action"] for line in lines] == [None, "Up", "Up"] and lines[1]["obs"] == {"x": 1}
    put = check(spec._replace(invariants={"Empty": lambda s: s.y == 0})).trace
    assert json.loads(to_ndjson(put).splitlines()[1])["params"] == {"k": 0}


def embedded(page):
    """The data of a page, which must be whole and load nothing from elsewhere."""
    assert not re.search(r"""(src|href)\s*=\s*["']""", page) and "http" not in page.replace("http-equiv", "")
    assert page.count("</script>") == 2
    return json.loads(first(r'<script type="application/json" id="data">(.*?)</script>', page))


def test_the_page_of_a_counterexample_holds_all_its_steps():
    spec, report = violated()
    data = embedded(trace_page(spec, report))
    assert data["states"] == [[0, 0], [1, 0], [2, 0]]
    assert data["trace"] == {"labels": ["initially", "Up()", "Up()"], "loop": None, "properties": ["Low</script>"]}
    assert [(one["name"], one["shape"]) for one in data["variables"]] == [("x", []), ("y", [])]
    assert [(one["low"], one["high"]) for one in data["variables"]] == [(0, v.high) for v in spec.variables.values()]
    with pytest.raises(ValueError, match="no counterexample"):
        trace_page(ladder(), check(ladder()))


def test_a_page_opens_at_the_violation_says_it_in_words_and_explains_its_values():
    spec, report = violated()
    page = trace_page(spec, report)
    assert "let at = exploring ? 0 : walk.length - 1;" in page and "the page opens at the last one" in page
    assert """broken.includes(name) ? violated : "holds\"""" in page
    legend = first(r'(<p class="legend".*?</p>)', page)
    assert all(word in legend for word in ("changed by this step", "as before", "zero", "beyond the range"))


def test_the_page_of_a_lasso_says_where_it_repeats():
    spec = ladder(leads_to=(TOP._replace(fair=()),))
    report = check(spec)
    page = trace_page(spec, report)
    assert report.trace is not None
    assert embedded(page)["trace"]["loop"] == report.trace.loop and "repeats from state" in page


def test_the_page_of_a_graph_can_be_walked_to_every_state():
    spec = ladder(invariants={"Low": lambda s: s.x < 2}, witnesses={"full": lambda s: s.y == 2})
    data = embedded(graph_page(spec))
    assert len(data["states"]) == 9 and data["graph"]["initial"] == [0]
    seen, frontier = {0}, [0]
    while frontier:
        for label, target in data["graph"]["edges"][frontier.pop()]:
            assert data["graph"]["labels"][label] in ("Up()", "Put(k=0)", "Put(k=1)")
            if target not in seen:
                seen.add(target)
                frontier.append(target)
    assert len(seen) == 9
    assert {tuple(data["states"][int(s)]) for s in data["broken"]} == {(2, 0), (2, 1), (2, 2)}
    assert {tuple(data["states"][int(s)]) for s in data["reached"]} == {(0, 2), (1, 2), (2, 2)}


def test_a_graph_too_large_for_a_page_is_refused(monkeypatch):
    from ghostjax.formal import _page

    monkeypatch.setattr(_page, "LIMIT", 3)
    with pytest.raises(ValueError, match="choose smaller bounds"):
        graph_page(ladder())
