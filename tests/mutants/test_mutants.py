"""Every repair is held by a test: with the repair taken out, that test fails.

A row of `tests/mutants/*.toml` names a file, a text in it, what takes its place, and the test that must then fail. The
quick suite looks whether each text still stands there once; the whole suite plays them.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
MUTANTS = {
    f"{path.stem}:{name}": row
    for path in sorted(Path(__file__).parent.glob("*.toml"))
    for name, row in tomllib.loads(path.read_text()).items()
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_repair_stands_where_the_mutant_takes_it_out(name):
    row = MUTANTS[name]
    assert set(row) == {"file", "find", "replace", "test"}
    assert (ROOT / row["file"]).read_text().count(row["find"]) == 1
    assert (ROOT / row["test"].split("::")[0]).exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_caught(name, tmp_path):
    row = MUTANTS[name]
    for part in ("ghostjax", "tests", "specs", "pyproject.toml", "ghostjax_pytest.py", "README.md", "docs"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / part)
    file = tmp_path / row["file"]
    file.write_text(file.read_text().replace(row["find"], row["replace"]))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", row["test"]]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 1, f"{row['test']} passes without the repair:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
