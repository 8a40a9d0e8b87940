"""The import table of the design, read off the syntax tree: who may import whom."""

import ast
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2] / "ghostjax"
STAGES = {"aggregators", "attacks", "tasks", "learners", "topologies", "identity", "channels", "governance"}
FOUNDATION = {
    "_cores",
    "_files",
    "_intervals",
    "_types",
    "_repr",
    "_elementwise",
    "_border",
    "_byzantine",
    "_rows",
    "_output",
    "_random",
    "_round",
    "_tree",
    "_kernels",
    "_optimizer",
    "_compiled",
}
# What each part may import, beside itself.
ALLOWED = {
    "_cores": set(),
    "_files": set(),
    "_intervals": set(),
    "_types": set(),
    "_random": {"_types", "_border"},
    "_participation": {"_types", "_border", "_random"},
    "_rows": {"_types", "_border"},
    "_byzantine": {"_types", "_border"},
    "_output": {"_types", "_border"},
    "_declared": FOUNDATION | {"metrics"},
    "_tree": {"_types"},
    "_repr": set(),
    "_border": {"_types", "_repr"},
    "_elementwise": set(),
    "_optimizer": {"_types", "_border", "_repr", "_tree", "_elementwise"},
    "_kernels": {"_types"},
    "_compiled": {"_types"},
    **dict.fromkeys(STAGES, FOUNDATION),
    "attacks": FOUNDATION | {"charters"},
    "_round": {"_types", "_tree"},
    "charters": FOUNDATION,
    "ops": {"_types", "_kernels"},
    "metrics": FOUNDATION | {"charters"},
    "detectors": FOUNDATION | {"metrics"},
    "protocols": FOUNDATION | {"aggregators", "topologies"},
    "_step": FOUNDATION | {"channels", "learners", "_simulation"},
    "_simulation": FOUNDATION | STAGES | {"_declared", "_step", "detectors", "metrics", "protocols"},
    "_rollout": FOUNDATION | {"_simulation"},
    "_start": FOUNDATION | {"_simulation"},
    "_training": FOUNDATION | {"_participation", "_simulation", "_start"},
    "sinks": FOUNDATION | {"_declared", "_training", "ledger"},
    # On the side of the sinks, outside of the round: what a round does it replays, and nothing in a round knows it.
    "ledger": FOUNDATION | {"_run", "_simulation", "_step", "_training", "learners", "sinks"},
    "_run": FOUNDATION | {"_declared", "_participation", "_simulation", "_rollout", "_training", "sinks", "tasks"},
    "_sweep": FOUNDATION
    | STAGES
    | {"_declared", "_participation", "_simulation", "_rollout", "_run", "_training", "sinks", "metrics", "protocols"},
    "attribution": FOUNDATION | {"_participation", "_simulation", "_rollout", "_run", "_training"},
    "correction": FOUNDATION,
    "incident": FOUNDATION
    | STAGES
    | {"_participation", "_simulation", "_rollout", "attribution", "charters", "correction", "detectors", "metrics"}
    | {"protocols"},
    "report": FOUNDATION | {"_declared", "_run", "_sweep", "attribution"},
    "_verify": FOUNDATION | {"_run", "_sweep", "ledger"},
    "_load": FOUNDATION | {"_run", "_simulation", "cli"},
    "testing": None,
    "formal": None,
    "cli": None,
}
HEAVY = {"sklearn", "xarray", "plotly", "orbax", "h5netcdf", "pandas", "matplotlib"}


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path, *, top_level: bool) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else ast.walk(tree)
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "ghostjax":
                found += [(f"ghostjax.{alias.name}", node.lineno) for alias in node.names]
            else:
                found.append((node.module, node.lineno))
    return found


MODULES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_import_direction(path):
    allowed = ALLOWED[part(path)]
    if allowed is None:
        return
    for module, line in imports(path, top_level=False):
        if module.startswith("ghostjax."):
            target = module.split(".")[1]
            assert target == part(path) or target in allowed, f"{path}:{line}: {part(path)} must not import {target}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_load_when_used(path):
    for module, line in imports(path, top_level=True):
        assert module.split(".")[0] not in HEAVY, f"{path}:{line}: import {module} inside the function that uses it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_house_rules(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 500, f"{path}: split it"
    assert "jax.config.update" not in text, f"{path}: global configuration belongs to the user"
    assert "from __future__ import annotations" not in text, f"{path}: breaks shape checks"


def test_import_starts_no_backend():
    import subprocess
    import sys

    code = (
        "import sys, ghostjax; from jax._src import xla_bridge; "
        "assert not xla_bridge.backends_are_initialized(), 'import started a backend'; "
        f"heavy = {sorted(HEAVY)!r}; loaded = [m for m in heavy if m in sys.modules]; "
        "assert not [m for m in loaded if m not in ('orbax',)], loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
