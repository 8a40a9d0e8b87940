"""One rule of each kind and one attack of each kind keep their laws as a user's compiler makes them.

The rest of the quick suite is compiled without optimisations (`tests/quick.py`). Laws that compare a program with
another one of the same rule (eager, batched) or bound it from above are left to that.
"""

import pytest

from ghostjax.testing import check_attack
from ghostjax.testing._aggregators import LAWS
from ghostjax.testing._rules import RuleHarness

from ..aggregators.table import TABLE as RULES
from ..attacks.table import TABLE as ATTACKS


OTHER_PROGRAMS = {"jit", "vmap", "trace", "certificate", "kappa", "response", "hull"}


@pytest.mark.parametrize("name", ["trimmed_mean", "krum", "centered_clipping"])
def test_laws_of_a_rule(name):
    rule = RULES[name]()
    harness = RuleHarness(rule, n=8, d=6, masses=("f", "m"), examples=8, low=False)
    for law in LAWS.keys() - rule.exempt_laws - OTHER_PROGRAMS:
        LAWS[law](harness)


@pytest.mark.parametrize("name", ["alie", "label_map", "dissensus"])
def test_laws_of_an_attack(name):
    check_attack(ATTACKS[name](), skip=OTHER_PROGRAMS - {"certificate", "kappa", "response", "hull"})
