"""`ghostjax check` and `pytest --ghost-specs`: a user's own folder, what is printed and written, exit codes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ghostjax.cli import main


pytest_plugins = ["pytester"]

LADDER = """
from typing import Any, NamedTuple

from ghostjax.formal import Action, LeadsTo, Mutant, Spec, Var


class State(NamedTuple):
    x: Any


def spec():
    def up(s, bug):
        return s.x < 2 + bug, s._replace(x=s.x + 1)

    return Spec(
        name="ladder",
        state=State,
        variables={"x": Var((), 4)},
        init=[State(0)],
        actions=(Action("Up", up),),
        invariants={"Low": lambda s: s.x <= HIGHEST},
        witnesses={"top": lambda s: s.x == 2},
        mutants=(Mutant("one_more", 1, "Low", LENGTH),),
    )
"""


def ladder(folder, highest=2, length=4, name="spec.py"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(LADDER.replace("HIGHEST", str(highest)).replace("LENGTH", str(length)))
    return path


def run(capsys, *argv):
    code = main(["check", *map(str, argv)])
    out = capsys.readouterr()
    return code, out.out + out.err


def suite_of(path):
    """The suite in a JUnit file."""
    suite = ET.parse(path).getroot().find("testsuite")
    assert suite is not None
    return suite


def row(text, name):
    return next(line.split() for line in text.splitlines() if line.startswith(name))


def test_a_folder_of_ones_own_in_one_table(tmp_path, capsys):
    ladder(tmp_path / "a")
    ladder(tmp_path / "b", name="my_spec.py")
    ladder(tmp_path / ".hidden")
    code, text = run(capsys, tmp_path, "--out", tmp_path / "out")
    assert code == 0, text
    assert row(text, "ladder")[:6] == ["ladder", "ok", "3", "3", "1/1", "1/1"]
    assert "2 specifications, 12 cases" in text and "everything as claimed" in text
    assert not (tmp_path / "out").exists()


def test_a_violation_exits_1_with_its_trace_and_a_page(tmp_path, capsys):
    ladder(tmp_path, highest=1)
    outputs = {kind: tmp_path / f"out.{kind}" for kind in ("junit", "sarif", "json")}
    flags = [part for kind, path in outputs.items() for part in (f"--{kind}", path)]
    code, text = run(capsys, tmp_path, "--out", tmp_path / "pages", *flags)
    assert code == 1
    assert row(text, "ladder")[:2] == ["ladder", "violated"]
    assert re.search(r"3\s+Up\(\)\s+x = 2", text), text
    # The mutant is caught too early: its length is no longer what is stated.
    assert "expected Low with a counterexample of 4 states, found Low with 3 states" in text
    assert (tmp_path / "pages" / "ladder.html").exists()

    suite = suite_of(outputs["junit"])
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases["invariant Low"] == ["failure"] and cases["mutant one_more"] == ["failure"]
    assert cases["explored"] == ["skipped"] and cases["action Up"] == []
    assert suite.get("tests") == str(len(cases)) and suite.get("failures") == "3"

    sarif = json.loads(outputs["sarif"].read_text())
    assert sarif["version"] == "2.1.0" and sarif["runs"][0]["tool"]["driver"]["name"] == "ghostjax"
    found = {result["ruleId"]: result for result in sarif["runs"][0]["results"]}
    steps = found["ladder/Low"]["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["state"]["x"]["text"] for step in steps] == ["0", "1", "2"]
    rules = [rule["id"] for rule in sarif["runs"][0]["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == rule for rule, result in found.items())
    assert found["ladder/Low"]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("spec.py")

    entry = json.loads(outputs["json"].read_text())["specifications"][0]
    assert entry["verdict"] == "violated" and entry["mutants"] == "0/1"
    low = next(case for case in entry["cases"] if case["name"] == "Low")
    assert low["outcome"] == "failed"


def test_a_living_mutant_is_a_violation(tmp_path, capsys):
    ladder(tmp_path, highest=3)
    code, text = run(capsys, tmp_path)
    assert code == 1 and "mutant lives" in text and "0/1" in text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module\n", "spec.py:1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def spec(:\n", "spec.py:1: SyntaxError"),
        ("def spec():\n    return 3\n", "spec() returned int, not a Spec"),
        ("x = 1\n", "defines no spec()"),
        ("def spec():\n    return 1 / 0\n", "spec.py:2: ZeroDivisionError: division by zero"),
        (LADDER.replace("s.x < 2 + bug", "s.nothing").replace("HIGHEST", "2").replace("LENGTH", "4"),
         "spec.py:13: AttributeError: 'State' object has no attribute 'nothing'"),
    ],
)  # fmt: skip
def test_errors_in_a_users_module_are_reported_not_crashed_on(tmp_path, capsys, source, said):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "spec.py").write_text(source)
    ladder(tmp_path / "good")
    code, text = run(capsys, tmp_path)
    assert code == 3 and text.count(said) == 1
    assert sorted(line.split()[1] for line in text.splitlines() if re.match("(bad|ladder) ", line)) == ["error", "ok"]


def test_a_manifest_beside_it_is_held_to(tmp_path, capsys):
    ladder(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"distinct": 3, "depth": 4}))
    code, text = run(capsys, tmp_path)
    assert code == 1 and "depth: 3, the manifest has 4" in text


def test_a_used_up_budget_is_no_success(tmp_path, capsys, monkeypatch):
    from ghostjax.formal import _suite

    monkeypatch.setitem(_suite.BUDGETS, "ci", _suite.Budget(states=2, seconds=60.0, examples=2, steps=3))
    ladder(tmp_path)
    code, text = run(capsys, tmp_path, "--junit", tmp_path / "junit.xml")
    assert code == 3 and row(text, "ladder")[1] == "incomplete"
    assert suite_of(tmp_path / "junit.xml").get("failures") != "0"


@pytest.mark.parametrize(
    "argv", [["no/such/folder"], ["--budget", "huge"], ["EMPTY"], ["LADDER", "--explore", "nobody"]]
)
def test_a_wrong_call_exits_2(tmp_path, capsys, argv):
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": tmp_path / "empty", "LADDER": ladder(tmp_path / "ladder").parent}
    code, text = run(capsys, *[places.get(one, one) for one in argv])
    assert code == 2 and "Traceback" not in text and "ghostjax" in text


def test_explore_writes_the_page_that_steps(tmp_path, capsys):
    code, text = run(capsys, ladder(tmp_path), "--explore", "ladder", "--out", tmp_path / "pages")
    assert code == 0 and str(tmp_path / "pages" / "ladder.html") in text
    assert '"labels":["Up()"]' in (tmp_path / "pages" / "ladder.html").read_text()


def test_a_larger_configuration_for_the_night(tmp_path, capsys, monkeypatch):
    from ghostjax.formal import _suite

    monkeypatch.setitem(_suite.BUDGETS, "nightly", _suite.BUDGETS["ci"].__class__(100, 60.0, 2, 3, large=True))
    path = ladder(tmp_path)
    path.write_text(
        path.read_text() + "\n\ndef nightly():\n    return spec()._replace(name='large', init=[State(1)], mutants=())\n"
    )
    (tmp_path / "manifest.json").write_text(json.dumps({"distinct": 3}))
    assert row(run(capsys, tmp_path)[1], "ladder")[2] == "3"
    assert row(run(capsys, tmp_path, "--budget", "nightly")[1], "large")[2] == "2"


def test_the_guide_states_the_budgets_that_hold():
    from ghostjax.formal._suite import BUDGETS

    text = (Path(__file__).parents[2] / "docs" / "how-to" / "check-in-ci.md").read_text()
    for name, budget in BUDGETS.items():
        states, seconds = budget.states // 10**6, int(budget.seconds)
        assert f"| `{name}` | {states} million | {seconds} | {budget.examples} of {budget.steps} steps |" in text


# -- the pytest plugin


def test_one_test_per_claim_witness_action_and_mutant(pytester):
    ladder(pytester.path / "good")
    result = pytester.runpytest_inprocess("-p", "ghostjax_pytest", "--ghost-specs", "good", "-v", "-p", "no:jaxtyping")
    cases = ("explored", "invariant Low", "witness top", "action Up", "mutant one_more", "random")
    result.assert_outcomes(passed=len(cases))
    result.stdout.fnmatch_lines([f"*ladder[[]{case}[]]*PASSED*" for case in cases])


def test_a_failure_shows_the_trace_and_not_a_traceback(pytester):
    ladder(pytester.path / "bad", highest=1)
    (pytester.path / "broken").mkdir()
    (pytester.path / "broken" / "spec.py").write_text("import no_such_module\n")
    result = pytester.runpytest_inprocess("-p", "ghostjax_pytest", "--ghost-specs", "bad", "--ghost-specs", "broken")
    counts = result.parseoutcomes()
    assert counts["failed"] == 4 and counts["skipped"] == 1, counts
    result.stdout.fnmatch_lines(["*3  Up()*x = 2*", "*ModuleNotFoundError: No module named 'no_such_module'*"])
    assert "Traceback" not in result.stdout.str()


def test_without_the_option_nothing_is_collected_and_jax_is_not_loaded(pytester):
    ladder(pytester.path)
    result = pytester.runpytest_inprocess("-p", "ghostjax_pytest")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    code = "import sys, ghostjax_pytest; sys.exit('jax' in sys.modules or 'ghostjax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# -- the code beside a specification

BESIDE = """
from spec import HIGHEST

from ghostjax.formal import Event, Implementation, Recording


class Full(Exception):
    pass


class Ladder:
    refuses = Full

    def __init__(self, state):
        self.x = int(state.x)

    def Up(self):
        if self.x >= TOP:
            raise Full
        self.x += 1

    def abstraction(self):
        return {"x": self.x}


class Endless(Ladder):
    def Up(self):
        self.x += 1


def implementations():
    return {"ladder": Implementation(Ladder, {"endless": Endless})}


def traces():
    climbed = [Event("Up", {}, {"x": 1}), Event("Up", {}, {"x": 2})]
    mutants = {"too high": lambda: [*climbed, Event("Up")]}
    return {"climb": Recording(lambda: [climbed], mutants, end=lambda s: s.x == 2)}
"""


def with_code(folder, top=2):
    path = ladder(folder)
    path.write_text(path.read_text() + "\n\nHIGHEST = 2\n")
    (folder / "implementation.py").write_text(BESIDE.replace("TOP", str(top)))
    return path


def test_code_and_recordings_beside_a_users_specification(tmp_path, capsys):
    with_code(tmp_path)
    code, text = run(capsys, tmp_path, "--json", tmp_path / "out.json")
    assert code == 0 and "11 cases" in text, text
    assert row(text, "ladder")[-2] == "2/2"
    cases = json.loads((tmp_path / "out.json").read_text())["specifications"][0]["cases"]
    assert [(case["kind"], case["name"]) for case in cases[-5:]] == [
        ("lock step", "ladder"),
        ("code mutant", "ladder/endless"),
        ("trace", "climb"),
        ("mutated trace", "climb"),
        ("code mutant", "climb/too high"),
    ]


def test_code_that_differs_exits_1_and_names_its_file(tmp_path, capsys):
    with_code(tmp_path, top=1)
    outputs = {kind: tmp_path / f"out.{kind}" for kind in ("junit", "sarif")}
    flags = [part for kind, path in outputs.items() for part in (f"--{kind}", path)]
    code, text = run(capsys, tmp_path, *flags)
    assert code == 1 and "code differs" in text and "the implementation refused Up(), which is enabled" in text, text
    suite = suite_of(outputs["junit"])
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases["lock step ladder"] == ["failure"] and cases["trace climb"] == []
    found = json.loads(outputs["sarif"].read_text())["runs"][0]["results"]
    by_rule = {
        result["ruleId"]: result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in found
    }
    assert by_rule["ladder/lock step/ladder"].endswith("implementation.py")


def test_what_is_offered_wrongly_is_said(tmp_path, capsys):
    ladder(tmp_path)
    (tmp_path / "implementation.py").write_text("def implementations():\n    return {'mine': object}\n")
    code, text = run(capsys, tmp_path)
    assert code == 3 and "implementations()['mine'] is a type; make it a Implementation" in text.replace("\n", " ")


def test_the_plugin_has_a_test_for_each_of_them(pytester):
    with_code(pytester.path / "good")
    result = pytester.runpytest_inprocess("-p", "ghostjax_pytest", "--ghost-specs", "good", "-v", "-p", "no:jaxtyping")
    result.assert_outcomes(passed=11)
    cases = (
        "lock step ladder",
        "code mutant ladder/endless",
        "trace climb",
        "mutated trace climb",
        "code mutant climb/too high",
    )
    result.stdout.fnmatch_lines([f"*ladder[[]{case}[]]*PASSED*" for case in cases])
