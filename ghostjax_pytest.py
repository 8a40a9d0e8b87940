"""`pytest --ghost-specs PATH`: every case of every specification below PATH as a test of its own.

A module beside the package, not in it: pytest loads its plugins at every start, and importing anything from
`ghostjax` would import jax.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ghostjax")
    group.addoption(
        "--ghost-specs", action="append", default=[], metavar="PATH",
        help="check the specifications (spec.py, *_spec.py) below PATH, which are Python and run as you; may be "
        "given several times",
    )  # fmt: skip
    group.addoption("--ghost-budget", choices=("ci", "nightly"), default="ci", help="what one specification may cost")


def pytest_configure(config: pytest.Config) -> None:
    paths = config.getoption("--ghost-specs")
    if not paths:
        return
    # With no path on the command line nothing but the specifications is collected; else they are too.
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args[:] = []
    config.args += [path for path in paths if path not in config.args]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "SpecFile | None":
    roots = [Path(path).absolute() for path in parent.config.getoption("--ghost-specs") or ()]
    if not roots or not (file_path.name == "spec.py" or file_path.name.endswith("_spec.py") or file_path in roots):
        return None
    if not any(root == file_path or root in file_path.parents for root in roots):
        return None
    return SpecFile.from_parent(parent, path=file_path)


class SpecFile(pytest.File):
    """A module with a specification."""

    def collect(self) -> Iterator["SpecCase"]:
        # Imported here: loading the plugin must cost nothing and start nothing.
        from ghostjax.formal._find import load
        from ghostjax.formal._suite import BUDGETS, Subject

        budget = BUDGETS[str(self.config.getoption("--ghost-budget"))]
        subject = Subject(load(self.path, budget.large), budget)
        for case in subject.cases():
            yield SpecCase.from_parent(self, name=f"{subject.name}[{case}]", subject=subject, case=case)


class SpecCase(pytest.Item):
    """One claim, witness, action or mutant of a specification, its exploration, random runs, or code beside it."""

    def __init__(self, *, subject: Any, case: Any, **rest: Any):
        super().__init__(**rest)
        self.subject, self.case = subject, case

    def runtest(self) -> None:
        result = self.subject.run(self.case)
        if result.report is not None:
            self.user_properties += [("distinct", result.report.distinct), ("depth", result.report.depth)]
        if result.played:
            self.user_properties.append(("played", result.played))
        if result.outcome == "undecided":
            pytest.skip(result.text)
        if result.outcome != "passed":
            raise NotAsClaimed(result.text)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        if isinstance(excinfo.value, NotAsClaimed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class NotAsClaimed(Exception):
    """What was found instead of what a specification claims."""
