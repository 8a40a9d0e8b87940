"""`ghostjax check`: specifications in folders, checked within a budget."""

import argparse
import sys
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostjax._types import ConfigurationError
from ghostjax.cli._codes import FAILED, OK, VIOLATED
from ghostjax.cli._tables import print_table


def check(argv: Sequence[str], console: Console) -> int:
    """`ghostjax check [PATH...] [--budget ci|nightly] [--junit F] [--sarif F] [--json F] [--explore SPEC]`.

    0 if every case of every specification passed, 1 if one failed, 3 if none failed but a budget was used up or a
    module could not be loaded.
    """
    options = _options(argv)
    from ghostjax import __version__
    from ghostjax.formal._find import find, load
    from ghostjax.formal._outputs import to_json, to_junit, to_sarif
    from ghostjax.formal._suite import BUDGETS, Result, Subject, summary
    from ghostjax.report import write

    paths = options.paths or [Path("specs") if Path("specs").is_dir() else Path(".")]
    modules = find(paths)
    if not modules:
        raise ConfigurationError(
            f"check: path={', '.join(map(str, paths))}: no specification below; put one into a spec.py or "
            f"*_spec.py that defines spec() or machines()"
        )
    budget = BUDGETS[options.budget]
    if options.explore is not None:
        return _explore(options.explore, modules, options.out, console)
    start = time.perf_counter()
    checked: list[tuple[Subject, list[Result]]] = []
    for path in modules:
        subject = Subject(load(path, budget.large), budget)
        with console.status(f"{subject.name}"):
            checked.append((subject, list(subject.results())))
    rows = [summary(subject, results) for subject, results in checked]
    if not console.is_terminal:
        # A log has no width that would cut the table.
        console.width = max(console.width, 120)
    shown = lambda value: "-" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)
    columns = ["spec", "verdict", "distinct", "depth", "mutants", "witnesses", "random"]
    # Columns that are empty in every row are left out.
    columns += [
        name for name in ("lock step", "traces", "code mutants") if any(row[name] not in (None, "-") for row in rows)
    ]
    columns.append("seconds")
    print_table(console, columns, [[shown(row[column]) for column in columns] for row in rows])
    for subject, results in checked:
        said: set[str] = set()
        for result in results:
            # An error that several cases share is reported once.
            if result.outcome not in ("passed", "undecided") and not (
                result.outcome != "failed" and result.text in said
            ):
                said.add(result.text)
                console.print(f"{subject.name}: {result.case}: {result.outcome}", style="bold", markup=False)
                console.print(result.text.rstrip(), markup=False)
                console.print()
        for path in _pages(subject, results, options.out):
            console.print(f"counterexample: {path}\n", markup=False)
    outputs = {
        options.junit: lambda: to_junit(checked),
        options.sarif: lambda: to_sarif(checked, __version__),
        options.json: lambda: to_json(checked),
    }
    for path, text in outputs.items():
        if path is not None:
            write(path, text())
    outcomes = {result.outcome for _, results in checked for result in results}
    cases = sum(len(results) for _, results in checked)
    console.print(
        f"{len(checked)} specifications, {cases} cases, {time.perf_counter() - start:.1f} s: "
        + ("everything as claimed" if outcomes == {"passed"} else ", ".join(sorted(outcomes - {"passed", "undecided"})))
    )
    if "failed" in outcomes:
        return VIOLATED
    return OK if outcomes == {"passed"} else FAILED


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ghostjax check",
        description="Explores every specification found, kills its mutants, plays it at random, and holds the code "
        "and the recorded runs beside it against it; one table. A specification is Python, and its module, what it "
        "imports and the code beside it are run as you: check only what you would run.",
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="folders or files (specs, else .)")
    parser.add_argument("--budget", choices=("ci", "nightly"), default="ci", help="the budget of one specification")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="results as JUnit XML")
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="failed cases, as SARIF 2.1.0")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything as JSON")
    parser.add_argument(
        "--explore", metavar="SPEC", help="write and open the page that steps through one specification"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/check"), metavar="DIR", help="where pages go")
    return parser.parse_args(list(argv))


def _explore(name: str, modules: Sequence[Path], out: Path, console: Console) -> int:
    from ghostjax.formal._find import load
    from ghostjax.formal._page import graph_page
    from ghostjax.report import write

    found = [load(path) for path in modules]
    chosen = [one for one in found if name in (one.name, str(one.path), one.path.parent.name)]
    if not chosen:
        names = ", ".join(one.name for one in found)
        raise ConfigurationError(f"check: explore={name!r}: no such specification; found: {names}")
    spec = chosen[0].spec
    if spec is None:
        why = chosen[0].error or "it has machines only, no graph that could be explored"
        raise ConfigurationError(f"check: explore={name!r}: {why}")
    try:
        page = graph_page(spec)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    path = write(out / f"{spec.name}.html", page)
    console.print(f"page: {path}", markup=False)
    if sys.stdout.isatty():
        webbrowser.open(path.absolute().as_uri())
    return OK


def _pages(subject: Any, results: Sequence[Any], out: Path) -> list[Path]:
    """Writes a page for every different counterexample among the failures."""
    from ghostjax.formal._page import trace_page
    from ghostjax.report import write

    written: dict[int, Path] = {}
    for result in results:
        report = result.report
        if result.outcome == "failed" and report is not None and report.trace is not None and id(report) not in written:
            name = subject.name if report.mutant is None else f"{subject.name}-{report.mutant}"
            written[id(report)] = write(out / f"{name}.html", trace_page(subject.program.spec, report))
    return list(written.values())
