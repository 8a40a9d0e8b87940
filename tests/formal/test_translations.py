"""TLA+ translations: they state the same actions and claims, and counting their states gives the same numbers.

Every translation is explored by an interpreter of its own (`tla.py`, plain Python, nothing shared with the engine);
where TLC is at hand, by TLC too.
"""

import os
import re
import shutil
import subprocess

import pytest

from . import tla
from .specifications import ALL, large, manifest, module as specification, program, SPECS


TRANSLATIONS = tuple(name for name in ALL if "tla" in manifest(name))
JAR = os.environ.get("GHOSTJAX_TLA2TOOLS")
needs_tlc = pytest.mark.skipif(
    not JAR or not shutil.which("java"),
    reason="TLC is not at hand: GHOSTJAX_TLA2TOOLS names no tla2tools.jar, or there is no java",
)


def translation(name):
    names = manifest(name)["tla"]
    folder = SPECS / name
    return folder / names["module"], folder / names["config"]


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_twin_states_the_same_actions_and_claims(name):
    module, config = (path.read_text() for path in translation(name))
    spec = program(name).spec
    defined = dict(re.findall(r"^(\w+)(?:\(([\w, ]*)\))?\s*==", module, re.MULTILINE))
    for action in spec.actions:
        assert action.name in defined, action.name
        parameters = [p for p in defined[action.name].split(",") if p.strip()]
        assert len(parameters) == len(action.params), action.name
    claims = [*spec.invariants, *spec.steps, *(c.name for c in spec.leads_to if c.holds)]
    for claim in claims:
        assert claim in defined
        assert re.search(rf"\b{claim}\b", config), claim
    fair = {f.action for c in spec.leads_to if c.holds for f in c.fair}
    assert module.count("WF_vars") >= len(fair)
    assert re.search(r"^=+$", module, re.MULTILINE) and module.startswith("----")


def executed(name, **constants):
    module, config = (path.read_text() for path in translation(name))
    return tla.Module(module, config, **constants)


def mutations():
    """The mutants of all translations that take them, by their constant Bug; long counterexamples take seconds."""
    for name in TRANSLATIONS:
        if "Bug" in executed(name).constants:
            for mutant in specification(name).spec().mutants:
                marks = pytest.mark.slow if mutant.length > 12 else ()
                yield pytest.param(name, mutant, marks=marks, id=f"{name}-{mutant.name}")


@pytest.mark.parametrize("name", [large(name) for name in TRANSLATIONS])
def test_plain_search_of_the_twin_counts_the_same_and_judges_the_same(name):
    module, golden = executed(name), manifest(name)
    graph = tla.search(module)
    counted = {c: getattr(graph, c) for c in ("distinct", "generated", "depth", "terminal")}
    assert counted == {c: golden[c] for c in counted} and not graph.broken
    assert len(module.labels) == golden["labels"]
    promised = [p for p in module.properties if p not in module.steps]
    assert set(promised) == {claim for claim, holds in golden["leads_to"].items() if holds}
    for claim in promised:
        assert tla.leads_to(module, graph, claim), claim
        assert not tla.leads_to(module, graph, claim, []), f"{claim} needs no fairness"
    for claim in specification(name).spec().leads_to:
        assert tla.leads_to(module, graph, stated(module, claim), fairness(module, claim)) == claim.holds, claim.name


def stated(module, claim):
    """The translation's name for what `claim` says: its own, or of the promise that it withdraws fairness from."""
    return max((d for d in module.definitions if claim.name.startswith(d)), key=len)


def fairness(module, claim):
    """The labels that `claim`, and no other, treats fairly."""
    of = lambda action: [label for label in module.labels if label.action == action]
    return [one for f in claim.fair for one in ([[x] for x in of(f.action)] if f.per_label else [of(f.action)])]


@pytest.mark.parametrize(("name", "mutant"), list(mutations()))
def test_plain_search_of_the_twin_with_a_mutant_breaks_the_same_claim_as_early(name, mutant):
    graph = tla.search(executed(name, Bug=mutant.bug), mutant.only)
    assert mutant.fires in graph.broken and graph.length == mutant.length


def test_a_delay_shorter_than_the_window_lets_offences_go_unpunished():
    module = executed("slashing_unbonding", D=1, K=1)
    assert not tla.leads_to(module, tla.search(module, only=()), "OffenceIsSlashed")
    module = executed("slashing_unbonding", D=2, K=1)
    assert tla.leads_to(module, tla.search(module), "OffenceIsSlashed")


def test_what_one_counts_is_not_counted_by_all_unless_nodes_join():
    module = executed("equivocation", Bug=6)
    graph = tla.search(module)
    assert not graph.broken and not tla.leads_to(module, graph, "CountedByOneByAll")


def test_the_interpreter_notices_a_twin_that_differs():
    """The mutant of a translation: a guard dropped, counted differently."""
    text, config = (path.read_text() for path in translation("robust_round"))
    other = tla.Module(text.replace("/\\ cnt[i] < (IF Bug = 1 THEN 2 ELSE 1)", ""), config)
    assert tla.search(other).broken == ("BoundedInfluence",)
    other = tla.Module(text.replace("ELSE 2 * F + 1", "ELSE 2 * F"), config)
    assert tla.search(other).distinct != manifest("robust_round")["distinct"]


@needs_tlc
@pytest.mark.parametrize("name", TRANSLATIONS)
def test_tlc_counts_the_same_states(name, tmp_path):
    module, config = translation(name)
    command = ["java", "-XX:+UseParallelGC", "-cp", JAR, "tlc2.TLC", "-workers", "1", "-lncheck", "final"]
    command += ["-metadir", str(tmp_path), "-config", config.name, module.name]
    said = subprocess.run(command, cwd=module.parent, capture_output=True, text=True).stdout
    assert "Model checking completed. No error has been found." in said, said[-3000:]
    distinct = int(re.findall(r"(\d+) distinct states found, 0 states left", said)[0])
    depth = int(re.findall(r"depth of the complete state graph search is (\d+)", said)[0])
    golden = manifest(name)
    assert (distinct, depth) == (golden["distinct"], golden["depth"])
