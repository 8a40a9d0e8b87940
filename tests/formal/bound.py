"""The specifications of the repository with all that is beside them, as `ghostjax check` sees them."""

import functools
import sys
from types import ModuleType

from ghostjax.formal._find import load
from ghostjax.formal._suite import BUDGETS, Result, Subject

from .specifications import SPECS


BOUND = ("lock step", "trace", "mutated trace", "machine", "code mutant")
WITH_CODE = tuple(path.parent.name for path in sorted(SPECS.glob("*/implementation.py")))


@functools.cache
def subject(name: str) -> Subject:
    """One specification and all that is beside it, at the budget of CI."""
    return Subject(load(SPECS / name / "spec.py"), BUDGETS["ci"])


def code(name: str) -> ModuleType:
    """The companion with the code beside a specification."""
    assert subject(name).found.beside is not None
    return sys.modules[f"_ghostjax_spec_{SPECS.name}_{name}_implementation"]


def results(name: str, bound: str) -> list[Result]:
    """What is said of one thing offered, and of its mutants."""
    cases = [case for case in subject(name).cases() if case.kind in BOUND]
    return [subject(name).run(case) for case in cases if case.name.split("/")[0] == bound]
