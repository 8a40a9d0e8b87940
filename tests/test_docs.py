"""What the documentation shows runs and keeps its own laws: every Python block, every member in it, every doctest."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import ghostjax
import ghostjax.testing


ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BATTERIES = {
    ghostjax.aggregators.AbstractAggregator: lambda rule: ghostjax.testing.check_aggregator(rule, examples=8),
    ghostjax.attacks.AbstractAttack: ghostjax.testing.check_attack,
}
"""What the pages tell to run on a member of one's own, and the tests run on every member that a page prints."""
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text())], ids=lambda p: p.name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in BLOCK.finditer(page.read_text()):
        line = page.read_text()[: block.start()].count("\n") + 1
        exec(compile("\n" * line + block.group(1), str(page), "exec"), names)
    if page.name == "README.md":  # what its first example says is true
        attackers = names["simulation"].byzantine.nonzero()[0].tolist()
        assert sorted(names["scores"].ranking[:4].tolist()) == attackers == [20, 21, 22, 23]
        assert names["run"].result is ghostjax.RunResult.completed
    members = [value for value in names.values() if isinstance(value, type)]
    printed = [(check, m) for kind, check in BATTERIES.items() for m in members if defined_here(m, kind)]
    assert len(printed) == 3 or page.name != "extending.md"
    for check, member in printed:
        check(member())


def defined_here(value, kind):
    """Whether a page defines this member of a family."""
    return issubclass(value, kind) and not value.__module__.startswith("ghostjax.")


def modules():
    found = [ghostjax.__name__]
    found += [m.name for m in pkgutil.walk_packages(ghostjax.__path__, "ghostjax.") if "__main__" not in m.name]
    return found


@pytest.mark.parametrize("name", modules())
def test_doctests(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for case in finder.find(module, name, module=module):
        if case.examples:
            runner.run(case)
    assert runner.summarize(verbose=False).failed == 0
