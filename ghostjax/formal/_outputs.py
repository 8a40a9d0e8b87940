"""Results for other tools: JUnit XML, SARIF 2.1.0, JSON."""

import json
import os
from typing import Any
from xml.etree import ElementTree as ET

from ghostjax.formal._suite import Result, Subject, summary


Checked = list[tuple[Subject, list[Result]]]


def to_junit(checked: Checked) -> str:
    """JUnit XML: a suite per specification, a case per claim, witness, action, mutant, implementation, code mutant."""
    root = ET.Element("testsuites", name="ghostjax check")
    for subject, results in checked:
        suite = ET.SubElement(
            root, "testsuite", name=subject.name, tests=str(len(results)), file=str(subject.path),
            failures=str(sum(r.outcome in ("failed", "incomplete") for r in results)),
            errors=str(sum(r.outcome == "error" for r in results)),
            skipped=str(sum(r.outcome == "undecided" for r in results)),
            time=f"{sum(r.seconds for r in results):.3f}",
        )  # fmt: skip
        for result in results:
            case = ET.SubElement(
                suite, "testcase", classname=subject.name, name=str(result.case), time=f"{result.seconds:.3f}"
            )
            if result.outcome != "passed":
                tag = {"error": "error", "undecided": "skipped"}.get(result.outcome, "failure")
                found = ET.SubElement(case, tag, message=_line(result.text))
                found.text = _printable(result.text)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def to_sarif(checked: Checked, version: str) -> str:
    """SARIF 2.1.0: every case that did not pass, at the file of its specification, with the counterexample."""
    rules: dict[str, dict[str, Any]] = {}
    found = []
    for subject, results in checked:
        for result in results:
            if result.outcome in ("passed", "undecided"):
                continue
            rule = f"{subject.name}/{_rule(result)}"
            rules[rule] = {"id": rule, "shortDescription": {"text": f"{subject.name}: {result.case}"}}
            entry: dict[str, Any] = {
                "ruleId": rule,
                "ruleIndex": list(rules).index(rule),
                "level": "warning" if result.outcome == "incomplete" else "error",
                "message": {"text": result.text or str(result.case)},
                "locations": [_location(subject, result)],
            }
            trace = result.report.trace if result.report is not None and result.outcome == "failed" else None
            if trace is not None:
                steps = [
                    {
                        "executionOrder": i + 1,
                        "location": {**_location(subject, result), "message": {"text": str(step.label or "initially")}},
                        "state": {
                            name: {"text": json.dumps(value.tolist(), separators=(",", ":"))}
                            for name, value in step.state.items()
                        },
                    }
                    for i, step in enumerate(trace.steps)
                ]
                entry["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
            found.append(entry)
    driver = {"name": "ghostjax", "version": version, "rules": list(rules.values())}
    content = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": found}],
    }
    return json.dumps(content, indent=2) + "\n"


def to_json(checked: Checked) -> str:
    """Everything: the rows of the table, and per case its outcome, text and whole report."""
    content = []
    for subject, results in checked:
        cases = [
            {
                "kind": r.case.kind,
                "name": r.case.name,
                "outcome": r.outcome,
                "text": r.text,
                "seconds": r.seconds,
                "played": r.played,
                "report": json.loads(r.report.to_json())
                if r.report is not None and r.case.kind in ("explored", "mutant")
                else None,
            }
            for r in results
        ]
        content.append({**summary(subject, results), "cases": cases})
    return json.dumps({"specifications": content}, indent=2) + "\n"


def _rule(result: Result) -> str:
    # Names of properties are unique within a specification, but an implementation may have the name of one.
    kind, name = result.case
    return f"{kind}/{name}" if kind in ("lock step", "trace", "mutated trace", "machine", "code mutant") else name


def _location(subject: Subject, result: Result) -> dict[str, Any]:
    # Relative paths with forward slashes are what readers of SARIF resolve against the repository.
    path = os.path.relpath(subject.where(result.case)).replace(os.sep, "/")
    return {"physicalLocation": {"artifactLocation": {"uri": path}, "region": {"startLine": 1}}}


def _line(text: str) -> str:
    return _printable(text.strip().splitlines()[0]) if text.strip() else ""


def _printable(text: str) -> str:
    """The text without characters that XML 1.0 forbids."""
    return "".join(c for c in text if c in "\n\t" or ord(c) >= 32)
