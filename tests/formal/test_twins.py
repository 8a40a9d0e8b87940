"""TLA+ twins: they state the same actions and claims, and where TLC is at hand, it counts the same states."""

import os
import re
import shutil
import subprocess

import pytest
from specifications import manifest, MISSION, program, SPECS


TWINS = (*MISSION, "quorum_rounds")
JAR = os.environ.get("GHOSTJAX_TLA2TOOLS")
needs_tlc = pytest.mark.skipif(
    not JAR or not shutil.which("java"),
    reason="TLC is not at hand: GHOSTJAX_TLA2TOOLS names no tla2tools.jar, or there is no java",
)


def twin(name):
    names = manifest(name)["tla"]
    folder = SPECS / name
    return folder / names["module"], folder / names["config"]


@pytest.mark.parametrize("name", TWINS)
def test_twin_states_the_same_actions_and_claims(name):
    module, config = (path.read_text() for path in twin(name))
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


@needs_tlc
@pytest.mark.parametrize("name", TWINS)
def test_tlc_counts_the_same_states(name, tmp_path):
    module, config = twin(name)
    command = ["java", "-XX:+UseParallelGC", "-cp", JAR, "tlc2.TLC", "-workers", "1", "-lncheck", "final"]
    command += ["-metadir", str(tmp_path), "-config", config.name, module.name]
    said = subprocess.run(command, cwd=module.parent, capture_output=True, text=True).stdout
    assert "Model checking completed. No error has been found." in said, said[-3000:]
    distinct = int(re.search(r"(\d+) distinct states found, 0 states left", said).group(1))
    depth = int(re.search(r"depth of the complete state graph search is (\d+)", said).group(1))
    golden = manifest(name)
    assert (distinct, depth) == (golden["distinct"], golden["depth"])
