"""One rule of each kind and one attack of each kind keep their laws as a user's compiler makes them.

The rest of the quick suite is compiled without optimisations (`tests/quick.py`). Laws that compare a program with
another one of the same rule (eager, batched) or bound it from above are left to that.
"""

import importlib.util
from pathlib import Path

import pytest

from ghostjax.testing import check_attack
from ghostjax.testing._aggregators import LAWS
from ghostjax.testing._rules import RuleHarness


def table(family):
    spec = importlib.util.spec_from_file_location(f"{family}_table", Path(__file__).parents[1] / family / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TABLE


OTHER_PROGRAMS = {"jit", "vmap", "trace", "certificate", "kappa", "response", "hull"}
RULES, ATTACKS = table("aggregators"), table("attacks")


@pytest.mark.parametrize("name", ["trimmed_mean", "krum", "centered_clipping"])
def test_laws_of_a_rule(name):
    rule = RULES[name]()
    harness = RuleHarness(rule, n=8, d=6, masses=("f", "m"), examples=8, low=False)
    for law in LAWS.keys() - rule.exempt_laws - OTHER_PROGRAMS:
        LAWS[law](harness)


@pytest.mark.parametrize("name", ["alie", "label_map", "dissensus"])
def test_laws_of_an_attack(name):
    check_attack(ATTACKS[name](), skip=OTHER_PROGRAMS - {"certificate", "kappa", "response", "hull"})
